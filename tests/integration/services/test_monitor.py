"""The monitor against a real PostgreSQL: which hours it processes, which incidents it opens, and which is active."""

import asyncio
import random
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import aiohttp
import msgspec
import pytest
from sqlalchemy import text

from consumers import monitor, monitor_step
from consumers.ledger_metrics import MAX_REASONS, LedgerMetrics
from consumers.runtime.health import HealthState
from shadow.devstack.services.processes import free_port
from shadow.errors import StoreError, UsageError
from shadow.records import CaptureCounts, Reply
from shadow.store.monitoring import detector_state, incidents
from shadow.store.read import ledger
from shadow.store.schema import locks
from shadow.store.schema.engine import connect, transaction
from shadow.store.write import ingest
from tests.support.consuming import until
from tests.support.monitoring import HOUR, settings_for, traffic
from tests.support.services import TEMPLATE, fresh_database
from tests.support.store_samples import arrival, exchange, letter, scored, store

#: Regret rises in the second week, and one segment is bad from the start.
RISE = 180
HOURS = 215
#: So that it ended only hours ago: incidents without data for a week are closed.
BEGIN = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - (HOURS + 3) * HOUR


def risen(hour):
    return 0.04 if hour < RISE else 0.4


@pytest.fixture
def engine(postgres_url):
    engine = connect(postgres_url)
    yield engine
    engine.dispose()


def found(engine):
    with engine.connect() as connection:
        return incidents.read(connection)


def state_of(engine):
    with engine.connect() as connection:
        return incidents.heartbeats(connection)["monitor"].detail["tasks"]["ticket-intent"]


@asynccontextmanager
async def running_monitor(settings):
    stopping, health = asyncio.Event(), HealthState()
    serving = asyncio.create_task(monitor.serve(settings, stopping, health))
    try:
        yield health
    finally:
        stopping.set()
        await asyncio.wait_for(serving, 20)


LAST_STEP = "shadow_monitor_last_step_timestamp_seconds"


def active(health):
    return health.registry.get_sample_value("shadow_monitor_active")


def test_a_rise_and_a_bad_segment_become_incidents(engine, postgres_url):
    store(engine, traffic(HOURS, risen, start=BEGIN, bad="fr"), batch=2_000)
    monitor.run(settings_for(postgres_url), once=True)
    by_detector = {(incident.detector, incident.subject): incident for incident in found(engine)}
    drift, segment = by_detector["regret_drift", "reference"], by_detector["bad_segment", "locale=fr"]
    assert (drift.task, drift.candidate, drift.kind, drift.subject) == (
        "ticket-intent",
        "small-7b",
        "shadow",
        "reference",
    )
    assert BEGIN + RISE * HOUR <= drift.opened_at < BEGIN + (RISE + 24) * HOUR
    assert "regret of small-7b on ticket-intent rose above its usual" in drift.summary
    assert segment.opened_at < drift.opened_at
    assert {incident.closed_at for incident in (drift, segment)} == {None}


def test_calm_weeks_raise_nothing_and_the_heartbeat_says_which_hour_is_next(engine, postgres_url):
    store(engine, traffic(100, lambda _: 0.03, start=BEGIN), batch=2_000)
    monitor.run(settings_for(postgres_url), once=True)
    assert found(engine) == []
    state = state_of(engine)
    statuses = {(each["detector"], each["subject"]): each["status"] for each in state["detectors"]}
    assert statuses["regret_drift", "reference"] == "learning"
    assert statuses["bad_segment", "reference"] == "watching"
    assert state["scored"]["late"] == 0
    assert datetime.fromisoformat(state["scored"]["next_hour"]) > BEGIN + 100 * HOUR


def test_the_order_of_delivery_changes_nothing(postgres_server, migrated_template):
    pairs = traffic(HOURS, risen, start=BEGIN, bad="fr")
    shuffled = random.Random(1).sample(pairs, len(pairs))
    outcomes = []
    for delivered in (pairs, shuffled + pairs[:200]):
        with fresh_database(postgres_server, template=TEMPLATE) as url:
            engine = connect(url)
            store(engine, delivered, batch=2_000)
            monitor.run(settings_for(url), once=True)
            outcomes.append([msgspec.structs.replace(each, noticed_at=BEGIN) for each in found(engine)])
            engine.dispose()
    assert outcomes[0] == outcomes[1]
    assert len(outcomes[0]) >= 2


def test_a_reset_closes_open_incidents_and_learns_the_new_level_as_baseline(engine, postgres_url):
    settings = settings_for(postgres_url)
    with pytest.raises(UsageError, match="ticket-intent"):
        monitor.reset_detectors(settings, "ticket-intent")
    store(engine, traffic(HOURS, risen, start=BEGIN), batch=2_000)
    monitor.run(settings, once=True)
    assert {each.closed_at for each in found(engine) if each.detector == "regret_drift"} == {None}
    assert monitor.reset_detectors(settings, "ticket-intent") >= 2
    (closed,) = [each for each in found(engine) if each.detector == "regret_drift"]
    assert closed.closed_because == "the baseline was reset with `shadow monitor --relearn`"
    monitor.run(settings, once=True)
    statuses = {each["detector"]: each["status"] for each in state_of(engine)["detectors"]}
    assert "regret_drift" not in statuses


def test_a_second_run_goes_on_where_the_first_stopped(engine, postgres_url):
    pairs = traffic(HOURS, risen, start=BEGIN)
    settings = settings_for(postgres_url)
    store(engine, pairs[:1_000], batch=2_000)
    # Traffic goes on: only what is followed by later pairs is complete.
    step_at(engine, settings, pairs[999][0].exchange.at)
    assert found(engine) == []
    store(engine, pairs[1_000:], batch=2_000)
    monitor.run(settings, once=True)
    assert [incident.detector for incident in found(engine)][-1] == "regret_drift"
    assert state_of(engine)["scored"]["late"] == 0


def step_at(engine, settings, now, *, looks=2):
    """Run steps as they would run at `now` and a minute later; the last result, once every hour is processed."""
    with locks.dedicated_session(engine, idle_timeout=timedelta(minutes=1)) as connection:
        for look in range(looks):
            done = None
            while done is None or done.more:
                at = now + look * timedelta(minutes=1)
                done = monitor_step.run_step(connection, settings, "ticket-intent", {}, now=at)
    return done


def test_incomplete_hours_are_not_processed(engine, postgres_url):
    settings = settings_for(postgres_url)
    pairs = traffic(30, lambda _: 0.03, start=BEGIN)
    stuck = exchange(9_999, at=BEGIN + 10 * HOUR)
    store(engine, pairs)
    with transaction(engine) as connection:
        ingest.record_arrivals(connection, [arrival(stuck)])
    now = BEGIN + 30 * HOUR
    assert step_at(engine, settings, now).detail["scored"]["next_hour"] == (BEGIN + 10 * HOUR).isoformat()
    store(engine, [scored(exchange=stuck)])
    assert step_at(engine, settings, now).detail["scored"]["next_hour"] == (BEGIN + 29 * HOUR).isoformat()


def test_a_lost_exchange_does_not_hold_up_the_hours_forever(engine, postgres_url):
    store(engine, traffic(60, lambda _: 0.03, start=BEGIN))
    with transaction(engine) as connection:
        ingest.record_arrivals(connection, [arrival(exchange(9_999, at=BEGIN + 10 * HOUR))])
    settings = settings_for(postgres_url)
    assert step_at(engine, settings, BEGIN + 33 * HOUR).detail["scored"]["next_hour"] == (BEGIN + 10 * HOUR).isoformat()
    assert step_at(engine, settings, BEGIN + 60 * HOUR).detail["scored"]["next_hour"] > (BEGIN + 50 * HOUR).isoformat()


def test_late_pairs_are_counted_but_not_used(engine, postgres_url):
    settings = settings_for(postgres_url)
    store(engine, traffic(30, lambda _: 0.03, start=BEGIN))
    step_at(engine, settings, BEGIN + 30 * HOUR)
    states = states_of(engine)
    late = [scored(50_000 + n, exchange=exchange(50_000 + n, at=BEGIN + 5 * HOUR), agreement=0.0) for n in range(7)]
    store(engine, late)
    assert step_at(engine, settings, BEGIN + 30 * HOUR).detail["scored"]["late"] == 7
    assert states_of(engine) == states


def states_of(engine):
    with engine.connect() as connection:
        query = text("SELECT detector, subject, state::text FROM detectors WHERE candidate <> '' ORDER BY 1, 2")
        return [tuple(row) for row in connection.execute(query)]


def test_drops_and_lag_become_incidents(engine, postgres_url):
    settings = settings_for(postgres_url, most_lag_s=60)
    now = datetime.now(UTC)

    def counts(accepted, dropped):
        by_task = {
            "ticket-intent": {"accepted": accepted, "mirrored": accepted - dropped, "dropped:queue_full": dropped}
        }
        with transaction(engine) as connection:
            ingest.record_counts(connection, [CaptureCounts(source="app", at=now, counts=by_task)])

    with transaction(engine) as connection:
        ingest.record_arrivals(connection, [arrival(exchange(1, at=now - timedelta(minutes=5)))])
    counts(1_000, 500)
    step_at(engine, settings, now)
    counts(2_000, 600)
    step_at(engine, settings, now + timedelta(minutes=2))
    raised = {incident.subject: incident for incident in found(engine)}
    assert set(raised) == {"lag", "dropped"}
    assert raised["dropped"].detector == raised["lag"].detector == "coverage"
    assert raised["dropped"].summary.startswith("capture dropped 10.0% of 1,000 exchanges")
    store(engine, [scored(exchange=exchange(1, at=now - timedelta(minutes=5)))])
    step_at(engine, settings, now + timedelta(minutes=4))
    with engine.connect() as connection:
        assert [incident.subject for incident in incidents.read(connection, open_only=True)] == ["dropped"]


async def test_one_monitor_is_active_and_the_next_takes_over(engine, postgres_url):
    settings = settings_for(postgres_url)
    async with running_monitor(settings) as second_to_stop:
        await until(lambda: active(second_to_stop) == 1)
        async with running_monitor(settings) as standby:
            await asyncio.sleep(0.3)
            assert active(standby) == 0
            with pytest.raises(StoreError, match="another monitor"):
                await monitor.serve(settings, asyncio.Event(), once=True)
            terminate(engine, "shadow-monitor", only_the_holder=True)
            await until(lambda: active(standby) == 1 or active(second_to_stop) == 1)
            assert active(standby) + active(second_to_stop) == 1


def terminate(engine, application, *, only_the_holder):
    """End the session that holds the lock, as a failing network would."""
    holders = "AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')" if only_the_holder else ""
    with engine.begin() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                f" WHERE datname = current_database() AND application_name = :application {holders}"
            ),
            {"application": application},
        )


async def test_metrics_and_readiness_are_served(engine, postgres_url):
    store(engine, traffic(HOURS, risen, start=BEGIN), batch=2_000)
    port = free_port()
    settings = settings_for(postgres_url, health_port=port)
    async with running_monitor(settings) as health, aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
        labels = {"task": "ticket-intent", "detector": "regret_drift"}
        await until(lambda: health.registry.get_sample_value("shadow_monitor_open_incidents", labels) == 1)
        async with client.get("/metrics") as answer:
            shown = await answer.text()
        assert 'shadow_monitor_open_incidents{detector="regret_drift",task="ticket-intent"} 1.0' in shown
        assert "shadow_monitor_active 1.0" in shown
        assert "shadow_monitor_last_step_timestamp_seconds" in shown
        async with client.get("/readyz") as answer:
            assert answer.status == 200


def samples(health, name="shadow_ledger_exchanges"):
    """The samples of a metric, by its labels in the order of their names."""
    return {
        tuple(value for _, value in sorted(sample.labels.items())): int(sample.value)
        for metric in health.registry.collect()
        for sample in metric.samples
        if sample.name == name
    }


async def test_the_ledger_is_a_metric_and_the_same_as_the_table(engine, postgres_url):
    lost = scored(5, agreement=None, unscored="candidate_malformed")
    late = scored(6, reply=Reply(model="small-7b", failure="expired"), agreement=None, unscored="expired")
    made_up = scored(exchange=exchange(9, task="unknown"))
    with transaction(engine) as connection:
        ingest.record(
            connection,
            arrivals=[arrival(exchange(number)) for number in range(9)],
            trials=[scored(1), scored(2), lost, late, made_up],
            letters=[letter("x000007", reason="not_json")],
            counts=[
                CaptureCounts(
                    source=source, at=BEGIN, counts={"ticket-intent": {"accepted": 7, "dropped:queue_full": 1}}
                )
                for source in "ab"
            ],
        )
    task = "ticket-intent"
    async with running_monitor(settings_for(postgres_url)) as health:
        await until(lambda: samples(health) != {})
        assert samples(health) == {
            ("compared", "", task): 2,
            ("unscored", "candidate_malformed", task): 1,
            ("expired", "", task): 1,
            ("dead_lettered", "not_json", task): 1,
            ("in_flight", "", task): 4,
            ("compared", "", "none"): 1,
        }
        captured = {("accepted", task): 14, ("dropped:queue_full", task): 2}
        assert samples(health, "shadow_ledger_captured_exchanges") == captured
        store(engine, [scored(number) for number in (0, 3, 4, 8)])
        await until(lambda: samples(health)["in_flight", "", task] == 0)
        with engine.connect() as connection:
            assert sum(samples(health).values()) == ledger.read(connection).mirrored


async def test_without_the_ledger_table_metrics_are_served_without_ledger_samples(engine, postgres_url):
    port = free_port()
    store(engine, [scored(1)])
    async with (
        running_monitor(settings_for(postgres_url, health_port=port)) as health,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client,
    ):
        await until(lambda: samples(health) != {})
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE ledger RENAME TO away"))
        await until(lambda: samples(health) == {})
        async with client.get("/metrics") as answer:
            assert answer.status == 200
            shown = await answer.text()
            assert "shadow_monitor_active" in shown
            assert "shadow_ledger_exchanges{" not in shown
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE away RENAME TO ledger"))
        await until(lambda: samples(health) != {})


def test_however_many_tasks_and_reasons_are_made_up_the_series_are_few_and_add_up():
    ended = {("intent", "dead_lettered", f"Fault{n}"): n for n in range(1, 1_000)}
    ended |= {(f"made-up-{n}", "compared", ""): 1 for n in range(1_000)}
    metrics = LedgerMetrics({"intent"})
    metrics.update(ended, {(f"made-up-{n}", "accepted"): 1 for n in range(1_000)})
    exchanges, captured = metrics.collect()
    assert len(exchanges.samples) == MAX_REASONS + 2
    assert sum(sample.value for sample in exchanges.samples) == sum(ended.values())
    assert [(sample.labels["task"], sample.value) for sample in captured.samples] == [("none", 1_000)]


def test_however_many_tasks_are_made_up_open_incidents_are_few_series_and_add_up(postgres_url):
    health = HealthState()
    one = monitor.Monitor(settings_for(postgres_url), health, asyncio.Event())
    found = {(f"made-up-{n}", "regret_drift"): 1 for n in range(1_000)}
    for _ in range(2):
        one._count_incidents({**found, ("ticket-intent", "regret_drift"): 2})
    expected = {("regret_drift", "none"): 1_000, ("regret_drift", "ticket-intent"): 2}
    assert samples(health, "shadow_monitor_open_incidents") == expected


async def test_without_tables_it_waits_and_reports_the_problem(postgres_server):
    with fresh_database(postgres_server) as url:
        async with running_monitor(settings_for(url)) as health:
            await until(lambda: any("shadow migrate" in problem for problem in health.problems))


async def test_an_error_in_one_task_does_not_keep_others_from_being_monitored(engine, postgres_url):
    other = exchange(1, task="invoice-fields")
    store(engine, [*traffic(30, lambda _: 0.03, start=BEGIN), scored(exchange=other)])
    broken = detector_state.DetectorState(
        candidate="", kind="", detector="hours", subject="scored", next_hour=BEGIN, state={"taken": "none"}
    )
    with transaction(engine) as connection:
        detector_state.save(connection, "invoice-fields", [broken])
    async with running_monitor(settings_for(postgres_url)) as health:
        await until(lambda: any("invoice-fields cannot be monitored" in problem for problem in health.problems))
        await until(lambda: health.registry.get_sample_value(LAST_STEP) > 0)
        await until(lambda: state_of(engine)["scored"]["next_hour"] is not None)
