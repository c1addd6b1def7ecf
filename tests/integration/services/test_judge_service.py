"""The judge service against a real PostgreSQL and a real endpoint."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from consumers import judge, judge_round
from consumers.runtime.health import HealthState
from scoring.judge import NANOS_PER_USD, Judge
from shadow.devstack.model_servers.judge import FAULTLESS, judge_app
from shadow.devstack.model_servers.models import Fault, echo_app
from shadow.errors import ConfigError
from shadow.records import Preference
from shadow.settings import Settings
from shadow.store.feedback import verdicts
from shadow.store.monitoring import incidents
from shadow.store.read import rollup_reads
from shadow.store.schema.engine import connect, transaction
from shadow.store.schema.locks import Locks
from tests.support import store_samples
from tests.support.consuming import until
from tests.support.injections import WORLD, a_trial, asks, known_pairs

TASK = "reply-draft"
START = store_samples.START


@pytest.fixture
def engine(postgres_url):
    engine = connect(postgres_url, pool_size=8)
    yield engine
    engine.dispose()


def settings_for(url: str, postgres_url: str, *, usd: float = 5.0, model: dict[str, Any] | None = None) -> Settings:
    priced = {"input_usd_per_million": 1.0, "output_usd_per_million": 4.0}
    asked = {"base_url": f"{url}/v1", "concurrency": 4, "retries": 0, "timeout_s": 5, **priced, **(model or {})}
    task = {"frontier": "big", "candidates": ["small"], "judge": "judge", "judge_usd_per_day": usd}
    return Settings.model_validate(
        {
            "models": {"big": {"base_url": url}, "small": {"base_url": url}, "judge": asked},
            "tasks": {TASK: task},
            "postgres": {"url": postgres_url},
            "judge": {"every_s": 0.05, "health_port": 0},
        }
    )


def due_pairs(n: int, *, rate: float = 1.0, start: int = 0) -> list[store_samples.Scored]:
    """Pairs that are due for a judge: in turn the frontier's reply is better, neither, the candidate's."""
    pairs = []
    bodies = asks(TASK, start + n)[start:]
    for number, body in enumerate(bodies, start):
        frontier, candidate = list(known_pairs(body).values())[number % 3]
        trial = a_trial(body, frontier, candidate, number=number)
        exchange = store_samples.exchange(
            number,
            id=f"draft-{number}",
            task=TASK,
            at=START + timedelta(minutes=number),
            request=trial.exchange.request,
            reply=trial.exchange.reply,
        )
        pairs.append(
            store_samples.scored(
                exchange=exchange, candidate="small", reply=trial.reply, agreement=0.5, scorer="text", judge_rate=rate
            )
        )
    return pairs


@asynccontextmanager
async def judged(settings: Settings) -> AsyncIterator[HealthState]:
    """Run the service, and shut it down in order at the end of the block."""
    stopping, health = asyncio.Event(), HealthState()
    serving = asyncio.create_task(judge.serve(settings, stopping, health))
    try:
        yield health
    finally:
        stopping.set()
        await asyncio.wait_for(serving, 20)


def due_count(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM comparisons WHERE judge_due")).scalar_one())


def heartbeat(engine: Engine) -> dict[str, Any]:
    """The task's state in the judge's heartbeat; empty before the end of the first round."""
    with engine.connect() as connection:
        beat = incidents.heartbeats(connection).get("judge")
    return beat.detail["tasks"].get(TASK, {}) if beat else {}


def verdict_by_pair(engine: Engine) -> dict[str, Preference | None]:
    with engine.connect() as connection:
        return {row.exchange_id: row.judge for row in connection.execute(text("SELECT * FROM comparisons"))}


def spending(engine: Engine) -> verdicts.Spending:
    with engine.connect() as connection:
        return verdicts.spent(connection, TASK, datetime.now(UTC).date())


def metric(health: HealthState, name: str, **labels: str) -> float:
    return health.registry.get_sample_value(f"shadow_judge_{name}", {"task": TASK, **labels}) or 0.0


async def test_every_due_pair_is_judged_counted_and_paid_for_once(serve, engine, postgres_url):
    store_samples.store(engine, due_pairs(30, rate=0.5))
    server = judge_app(WORLD, traits=FAULTLESS)
    async with judged(settings_for(serve(server), postgres_url)) as health:
        await until(lambda: due_count(engine) == 0)
        await until(lambda: metric(health, "calls_total") == 60)
        await until(lambda: heartbeat(engine).get("state") == "judging")
    assert server.requests == 60
    assert Counter(verdict_by_pair(engine).values()) == {"frontier": 10, "tie": 10, "candidate": 10}
    with engine.connect() as connection:
        cells = rollup_reads.read(connection, task=TASK, dimension="all", per="window")
        [regret] = [tally for cell, tally in cells.items() if cell.source == "judge"]
    assert {name: n for name, n in regret.counts.items() if name.startswith("judged:")} == {
        "judged:frontier": 10,
        "judged:tie": 10,
        "judged:candidate": 10,
    }
    assert regret.counts["judged_weight:frontier"] == 20_000_000
    paid = spending(engine)
    assert paid.calls == 60
    assert 0 < paid.usd < 0.1


async def test_a_question_judged_before_is_not_paid_for_again(serve, engine, postgres_url):
    first = due_pairs(6)
    store_samples.store(engine, first)
    server = judge_app(WORLD, traits=FAULTLESS)
    settings = settings_for(serve(server), postgres_url)
    async with judged(settings):
        await until(lambda: due_count(engine) == 0)
    again = [
        store_samples.scored(
            exchange=store_samples.exchange(
                number, id=f"again-{number}", task=TASK, request=trial.exchange.request, reply=trial.exchange.reply
            ),
            candidate="small",
            reply=trial.reply,
            judge_rate=1.0,
        )
        for number, (trial, _) in enumerate(first)
    ]
    store_samples.store(engine, again)
    asked, paid = server.requests, spending(engine)
    async with judged(settings) as health:
        await until(lambda: due_count(engine) == 0)
        await until(lambda: metric(health, "unasked_total") == 6)
    assert (server.requests, spending(engine)) == (asked, paid)
    found = verdict_by_pair(engine)
    assert [found[f"again-{n}"] for n in range(6)] == [found[f"draft-{n}"] for n in range(6)]


async def test_identical_replies_are_a_tie_without_a_call(serve, engine, postgres_url):
    exchange = store_samples.exchange(1, task=TASK)
    store_samples.store(
        engine, [store_samples.scored(exchange=exchange, reply=exchange.reply, candidate="small", judge_rate=1.0)]
    )
    server = judge_app(WORLD)
    async with judged(settings_for(serve(server), postgres_url)):
        await until(lambda: due_count(engine) == 0)
    assert verdict_by_pair(engine) == {exchange.id: "tie"}
    assert server.requests == 0
    assert spending(engine) == (0, 0)


async def test_the_day_costs_no_more_than_its_budget_and_the_rest_stays_due(serve, engine, postgres_url):
    store_samples.store(engine, due_pairs(40))
    budget = 0.06
    async with judged(settings_for(serve(judge_app(WORLD)), postgres_url, usd=budget)) as health:
        await until(lambda: metric(health, "out_of_budget") == 1)
        # The heartbeat follows the round in which the budget ran out.
        await until(lambda: heartbeat(engine).get("state") == "budget_spent")
        beat = heartbeat(engine)
        assert not health.problems
    assert 0 < due_count(engine) < 40
    assert 0 < spending(engine).usd <= budget
    assert beat["until"] > datetime.now(UTC).isoformat()


async def test_a_pair_with_unreadable_answers_is_given_up_and_never_a_tie(serve, engine, postgres_url):
    store_samples.store(engine, due_pairs(3))
    server = echo_app(content="Both are lovely.")
    server._shapes = False
    async with judged(settings_for(serve(server), postgres_url)) as health:
        await until(lambda: due_count(engine) == 0)
        await until(lambda: metric(health, "pairs_total", outcome="given_up") == 3)
    assert set(verdict_by_pair(engine).values()) == {None}
    assert metric(health, "unjudged_total", reason="malformed") == 3
    assert server.requests == 9


async def test_while_the_endpoint_fails_pairs_stay_due_and_the_service_reports_it(serve, engine, postgres_url):
    store_samples.store(engine, due_pairs(3))
    server = judge_app(WORLD, traits=FAULTLESS)
    server.fault = Fault(kind="error")
    async with judged(settings_for(serve(server), postgres_url)) as health:
        await until(lambda: any("models.judge: endpoint_error" in problem for problem in health.problems))
        assert due_count(engine) == 3
        server.fault = None
        await until(lambda: due_count(engine) == 0)
        await until(lambda: not health.problems)
    assert Counter(verdict_by_pair(engine).values()) == {"frontier": 1, "tie": 1, "candidate": 1}


async def test_pairs_without_a_payload_are_given_up(serve, engine, postgres_url):
    store_samples.store(engine, due_pairs(2))
    with transaction(engine) as connection:
        connection.execute(text("DELETE FROM payloads WHERE exchange_id = 'draft-0'"))
    async with judged(settings_for(serve(judge_app(WORLD, traits=FAULTLESS)), postgres_url)):
        await until(lambda: due_count(engine) == 0)
    assert verdict_by_pair(engine) == {"draft-0": None, "draft-1": "tie"}


async def test_one_process_judges_a_task_and_the_others_stand_by(serve, engine, postgres_url):
    server = judge_app(WORLD, traits=FAULTLESS, time_scale=0.02)
    settings = settings_for(serve(server), postgres_url)
    async with judged(settings), judged(settings), judged(settings):
        store_samples.store(engine, due_pairs(20))
        await until(lambda: due_count(engine) == 0)
    assert server.requests == 40
    assert spending(engine).calls == 40


async def test_a_lock_is_free_once_its_holder_has_closed_it(engine, postgres_url):
    one, other = Locks(engine), Locks(engine)
    assert one.hold("judge/a")
    assert one.hold("judge/a")
    assert not other.hold("judge/a")
    assert other.hold("judge/b")
    one.close()
    await until(lambda: other.hold("judge/a"))
    other.close()


async def test_asked_to_stop_it_stops_at_once_and_the_pair_in_flight_stays_due(serve, engine, postgres_url):
    store_samples.store(engine, due_pairs(1))
    server = judge_app(WORLD)
    server.fault = Fault(kind="silent")
    settings = settings_for(serve(server), postgres_url, model={"timeout_s": 600})
    async with judged(settings):
        await until(lambda: server.requests == 1)
    assert due_count(engine) == 1
    # The cancelled call may have been charged, and counts at its upper bound; nothing else does.
    assert spending(engine).calls == 1
    assert 0 < spending(engine).cost_nanousd < 0.01 * NANOS_PER_USD


async def test_a_process_that_died_before_its_commit_has_spent_what_it_had_reserved(serve, engine, postgres_url):
    store_samples.store(engine, due_pairs(2))
    settings = settings_for(serve(judge_app(WORLD, traits=FAULTLESS)), postgres_url)
    task = settings.tasks[TASK]

    class DyingError(Exception):
        pass

    async def die(*_: Any) -> None:
        raise DyingError

    dying = judge_round.TaskJudge(
        TASK, task, "judge", _judge_that(die, settings), engine, judge_round.JudgeMetrics(HealthState())
    )
    with pytest.raises(DyingError):
        await dying.round(asyncio.Event(), limit=10)
    lost = spending(engine)
    assert (lost.calls, due_count(engine)) == (0, 2)
    assert lost.cost_nanousd > 0
    async with judged(settings):
        await until(lambda: due_count(engine) == 0)
    assert spending(engine).calls == 4
    with engine.connect() as connection:
        cells = rollup_reads.read(connection, task=TASK, dimension="all", per="window")
    assert sum(tally.regret.n for cell, tally in cells.items() if cell.source == "judge") == 2


def _judge_that(ask: Callable[..., Any], settings: Settings) -> Judge:
    return Judge(ask, judge.prices(settings)["judge"])


def test_without_a_price_nothing_is_judged_and_the_key_is_named():
    settings = settings_for("http://here", "postgresql://here/x", model={"input_usd_per_million": None})
    broken = Settings.model_validate(
        {**settings.model_dump(), "models": {**settings.model_dump()["models"], "judge": {"base_url": "http://here"}}}
    )
    with pytest.raises(ConfigError, match=r"models\.judge\.input_usd_per_million"):
        judge.prices(broken)
    no_judge = Settings.model_validate({"models": {}, "tasks": {}})
    with pytest.raises(ConfigError, match="no task names a judge"):
        judge.prices(no_judge)
