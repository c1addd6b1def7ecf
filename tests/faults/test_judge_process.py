"""The judge service as a process that is killed, and one that is asked to stop."""

import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from shadow.devstack.model_servers.judge import FAULTLESS, judge_app
from shadow.devstack.model_servers.models import SimulatedServer
from shadow.store.read import rollup_reads
from shadow.store.schema.engine import connect
from tests.integration.services.test_judge_service import (
    TASK,
    due_count,
    due_pairs,
    settings_for,
    spending,
    verdict_by_pair,
)
from tests.support import store_samples
from tests.support.consuming import exit_code, process, send_signal, until
from tests.support.injections import WORLD

#: `SHADOW_FAULT_ROUNDS=20` for the long version.
ROUNDS = int(os.environ.get("SHADOW_FAULT_ROUNDS", "3"))
PAIRS = 90


@pytest.fixture
def engine(postgres_url):
    engine = connect(postgres_url, pool_size=5)
    yield engine
    engine.dispose()


async def wait_for_requests(server: SimulatedServer, enough: int) -> None:
    """Return once the judge has had `enough` requests; its process takes a while to start."""
    await until(lambda: server.requests >= enough, timeout_s=60)


async def test_killed_again_and_again_every_pair_is_counted_exactly_once(
    serve: Callable[[Any], str], engine, postgres_url, tmp_path
):
    store_samples.store(engine, due_pairs(PAIRS))
    server = judge_app(WORLD, traits=FAULTLESS, time_scale=0.05)
    settings = settings_for(serve(server), postgres_url)
    dice = random.Random(3)
    for round_number in range(ROUNDS):
        enough = server.requests + dice.randrange(1, 2 * PAIRS // (2 * ROUNDS))
        with process("judge", settings, tmp_path):
            await wait_for_requests(server, enough)
        assert due_count(engine) > 0, f"round {round_number} had nothing left to interrupt"
    with process("judge", settings, tmp_path):
        await until(lambda: due_count(engine) == 0, timeout_s=60)
    assert Counter(verdict_by_pair(engine).values()) == dict.fromkeys(("frontier", "tie", "candidate"), PAIRS // 3)
    with engine.connect() as connection:
        cells = rollup_reads.read(connection, task=TASK, dimension="all", per="window")
        verdicts = connection.execute(text("SELECT count(*) FROM verdicts")).scalar_one()
    [counted] = [tally for cell, tally in cells.items() if cell.source == "judge"]
    assert (counted.regret.n, counted.regret.total, verdicts) == (PAIRS, PAIRS // 3 * 1_000_000, PAIRS)
    # Only what was asked twice because of a kill was paid for twice.
    assert 2 * PAIRS <= spending(engine).calls <= server.requests


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_in_order(
    serve: Callable[[Any], str], engine, postgres_url, tmp_path, number: signal.Signals
):
    store_samples.store(engine, due_pairs(30))
    server = judge_app(WORLD, traits=FAULTLESS, time_scale=0.2)
    with process("judge", settings_for(serve(server), postgres_url), tmp_path) as child:
        await wait_for_requests(server, 10)
        send_signal(child, number)
        assert await exit_code(child) == 0
    log = (tmp_path / "judge.log").read_text()
    assert '"stopped"' in log
    assert "Traceback" not in log
    judged = 30 - due_count(engine)
    assert sum(who is not None for who in verdict_by_pair(engine).values()) == judged
    assert spending(engine).calls <= server.requests + 8
