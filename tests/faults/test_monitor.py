"""What the monitor promises when it is killed, frozen or disconnected: the same incidents, each once."""

import asyncio
import os
import random
import signal

import msgspec
import pytest
from sqlalchemy import make_url, text

from consumers import monitor
from shadow.store.monitoring import incidents
from shadow.store.schema.engine import connect
from tests.support import consuming
from tests.support.consuming import until
from tests.support.monitoring import settings_for, traffic
from tests.support.services import TEMPLATE, fresh_database
from tests.support.store_samples import START, store

#: `SHADOW_FAULT_ROUNDS=20` for the long version.
ROUNDS = int(os.environ.get("SHADOW_FAULT_ROUNDS", "4"))

#: Hours that rise twice and come back, so that incidents open, close and open again.
HOURS = 460


def rate(hour):
    return 0.5 if 200 <= hour < 260 or hour >= 420 else 0.04


def left_behind(url):
    """The stored incidents without the time they were noticed, and the detector states."""
    engine = connect(url)
    try:
        with engine.connect() as connection:
            found = [msgspec.structs.replace(each, noticed_at=START) for each in incidents.read(connection)]
            states = connection.execute(
                text(
                    "SELECT candidate, kind, detector, subject, state::text FROM detectors"
                    " WHERE detector NOT IN ('hours', 'flow') ORDER BY 1, 2, 3, 4"
                )
            )
            return msgspec.json.encode(found), [tuple(row) for row in states]
    finally:
        engine.dispose()


def watching_times(folder):
    log = folder / "monitor.log"
    return log.read_text().count('"action": "watching"') if log.exists() else 0


async def watching(folder, *, more_than=0):
    """Return once the monitor that logs into `folder` has become active once more."""
    await until(lambda: watching_times(folder) > more_than, timeout_s=60)


@pytest.fixture
def filled(postgres_server, migrated_template):
    """Two databases with the same pairs."""
    with fresh_database(postgres_server, template=TEMPLATE) as url:
        engine = connect(url)
        store(engine, traffic(HOURS, rate, rows=4, start=START), batch=2_000)
        engine.dispose()
        with fresh_database(postgres_server, template=str(make_url(url).database)) as same:
            yield url, same


@pytest.mark.timeout(120 + 20 * ROUNDS)
async def test_killed_at_random_it_ends_with_the_incidents_of_an_undisturbed_run(filled, tmp_path):
    disturbed, undisturbed = filled
    chance = random.Random()
    await monitor.serve(settings_for(undisturbed), asyncio.Event(), once=True)
    expected, states = left_behind(undisturbed)
    settings = settings_for(disturbed)
    for _ in range(ROUNDS):
        before = watching_times(tmp_path)
        with consuming.process("monitor", settings, tmp_path):
            await watching(tmp_path, more_than=before)
            await asyncio.sleep(chance.uniform(0, 0.8))
            # Leaving the block kills it where it stands.
    await monitor.serve(settings, asyncio.Event(), once=True)
    found, found_states = left_behind(disturbed)
    assert found == expected
    assert found_states == states
    kinds = [(each["detector"], bool(each.get("closed_at"))) for each in msgspec.json.decode(found)]
    assert kinds.count(("regret_drift", True)) == 1
    assert kinds.count(("regret_drift", False)) == 1


@pytest.mark.timeout(120)
async def test_a_killed_active_monitor_is_replaced_by_the_one_that_stood_by(postgres_url, tmp_path):
    settings = settings_for(postgres_url)
    (tmp_path / "second").mkdir()
    with consuming.process("monitor", settings, tmp_path) as first:
        await watching(tmp_path)
        with consuming.process("monitor", settings, tmp_path / "second"):
            log = tmp_path / "second" / "monitor.log"
            await until(lambda: log.exists() and '"started"' in log.read_text(), timeout_s=60)
            assert watching_times(tmp_path / "second") == 0
            consuming.send_signal(first, signal.SIGKILL)
            await watching(tmp_path / "second")


@pytest.mark.timeout(120)
async def test_sigterm_ends_it_in_order(postgres_url, tmp_path):
    with consuming.process("monitor", settings_for(postgres_url), tmp_path) as child:
        await watching(tmp_path)
        consuming.send_signal(child, signal.SIGTERM)
        assert await consuming.exit_code(child) == 0
    assert '"stopped"' in (tmp_path / "monitor.log").read_text()


@pytest.mark.timeout(120)
async def test_a_frozen_monitor_loses_its_lock_and_stands_by_when_it_wakes(postgres_url, tmp_path):
    """A frozen process must not keep others from monitoring, nor write when it wakes."""
    (tmp_path / "second").mkdir()
    settings = settings_for(postgres_url)
    with consuming.process("monitor", settings, tmp_path) as first:
        await watching(tmp_path)
        consuming.send_signal(first, signal.SIGSTOP)
        with consuming.process("monitor", settings, tmp_path / "second"):
            cut_off(postgres_url)  # what the server does by itself after a minute of silence
            await watching(tmp_path / "second")
            consuming.send_signal(first, signal.SIGCONT)
            await until(lambda: '"session_lost"' in (tmp_path / "monitor.log").read_text())
            assert watching_times(tmp_path) == 1


def cut_off(url):
    engine = connect(url)
    with engine.begin() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)"
                " WHERE locktype = 'advisory' AND datname = current_database()"
            )
        )
    engine.dispose()
