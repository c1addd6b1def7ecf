"""What the services promise when processes, brokers and databases die."""

import asyncio
import os
import random
import signal
import urllib.request
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from consumers import scorer, worker
from shadow.devstack.model_servers.models import echo_app
from shadow.devstack.services.postgres import EmbeddedPostgres
from shadow.devstack.services.processes import free_port
from shadow.records import Trial
from shadow.store.read import ledger
from shadow.store.schema import migrate
from shadow.store.schema.engine import connect
from shadow.topics import create_topics
from tests.support import consuming, scripted
from tests.support.consuming import (
    an_exchange,
    at_least,
    committed,
    members,
    put_exchanges,
    read_until,
    running,
    settings_for,
    until,
)
from tests.support.scripted import ScriptedEndpoint
from tests.support.services import service_folder, unique_topics

#: `SHADOW_FAULT_ROUNDS=20` for the long version.
ROUNDS = int(os.environ.get("SHADOW_FAULT_ROUNDS", "3"))


async def reading(folder, name, *, more_than=0):
    """Return once the process `name` was assigned partitions once more; it takes a while to start."""
    await until(lambda: consuming.assignments(folder, name) > more_than, timeout_s=60)


def stored(url):
    """The ledger, and how many rows each exchange has."""
    engine = connect(url)
    try:
        with engine.connect() as connection:
            rows = connection.execute(text("SELECT exchange_id, count(*) AS n FROM comparisons GROUP BY 1"))
            return ledger.read(connection), {row.exchange_id: row.n for row in rows}
    finally:
        engine.dispose()


async def stored_until(url, enough):
    """Read the ledger every 0.3 s, in a thread: the services under test run on this event loop."""
    while True:
        found, _ = await asyncio.to_thread(stored, url)
        if enough(found):
            return
        await asyncio.sleep(0.3)


@pytest.mark.timeout(120 + 60 * ROUNDS)
async def test_killed_at_random_worker_and_scorer_lose_nothing_and_store_nothing_twice(
    broker, topics, postgres_url, serve, tmp_path
):
    chance = random.Random()
    url = serve(echo_app(latency_ms=20)) + "/v1"
    settings = settings_for(broker, topics, candidate_url=url, postgres={"url": postgres_url})
    sent = 0
    for _ in range(ROUNDS):
        with ExitStack() as running_now:
            before = {name: consuming.assignments(tmp_path, name) for name in ("worker", "scorer")}
            for name in before:
                running_now.enter_context(consuming.process(name, settings, tmp_path))
            await put_exchanges(broker, topics, [an_exchange(number) for number in range(sent, sent + 400)])
            sent += 400
            for name, times in before.items():
                await reading(tmp_path, name, more_than=times)
            await asyncio.sleep(chance.uniform(0, 1))
            # Leaving the block kills both where they stand.
    async with running(settings, worker.build(settings)), running(settings, scorer.build(settings)):
        await stored_until(postgres_url, lambda found: found.compared >= sent)
    found, rows = stored(postgres_url)
    assert (found.mirrored, found.compared, found.in_flight, found.dead_lettered) == (sent, sent, 0, {})
    assert rows == {f"exchange-{number}": 1 for number in range(sent)}


async def test_a_database_killed_in_mid_commit_pauses_the_scorer_and_is_caught_up_with(broker, topics):
    with service_folder("postgres") as folder:
        server = EmbeddedPostgres(folder)
        server.start()
        try:
            migrate.upgrade(server.url)
            settings = settings_for(
                broker, topics, postgres={"url": server.url}, scorer={"health_port": 0, "batch": 20}
            )
            group = f"{settings.kafka.group_prefix}-scorer"
            async with running(settings, scorer.build(settings)) as health:
                await put_exchanges(broker, topics, [an_exchange(number) for number in range(300)])
                await until(lambda: health.messages.labels(topics.exchanges)._value.get() >= 20)
                server.kill()
                await put_exchanges(broker, topics, [an_exchange(number) for number in range(300, 600)])
                await until(lambda: any("PostgreSQL" in problem for problem in health.problems))
                committed_before = await committed(broker, group, topics.exchanges)
                server.start()
                assert stored(server.url)[0].mirrored >= committed_before
                await stored_until(server.url, lambda found: found.mirrored >= 600)
                await until(lambda: not health.problems)
            assert stored(server.url)[0].mirrored == 600
            assert await committed(broker, group, topics.exchanges) == 600
        finally:
            server.stop()


async def test_sigterm_makes_a_worker_leave_its_group(broker, topics, serve, tmp_path):
    settings = settings_for(broker, topics, candidate_url=serve(echo_app()) + "/v1")
    group = f"{settings.kafka.group_prefix}-worker"
    with consuming.process("worker", settings, tmp_path) as child:
        await reading(tmp_path, "worker")
        assert await members(broker, group) == 1
        consuming.send_signal(child, signal.SIGTERM)
        assert await consuming.exit_code(child) == 0
    assert await members(broker, group) == 0


async def test_after_sigterm_a_scorer_commits_the_batch_it_is_filling_without_waiting_for_more(
    broker, topics, postgres_url, tmp_path
):
    port = free_port()
    settings = settings_for(
        broker, topics, postgres={"url": postgres_url}, scorer={"health_port": port, "linger_ms": 60_000}
    )
    with consuming.process("scorer", settings, tmp_path) as child:
        await reading(tmp_path, "scorer")
        await put_exchanges(broker, topics, [an_exchange(number) for number in range(5)])
        await until(lambda: "shadow_scorer_in_flight 5.0" in metrics(port))
        consuming.send_signal(child, signal.SIGTERM)
        assert await consuming.exit_code(child) == 0
    assert stored(postgres_url)[0].mirrored == 5
    assert await committed(broker, f"{settings.kafka.group_prefix}-scorer", topics.exchanges) == 5


def metrics(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as response:
        return response.read().decode()


async def test_a_worker_frozen_past_its_session_changes_nothing_when_it_wakes(broker, topics, serve, tmp_path):
    url = serve(echo_app(latency_ms=50)) + "/v1"
    settings = settings_for(broker, topics, candidate_url=url)
    with consuming.process("worker", settings, tmp_path) as zombie:
        await reading(tmp_path, "worker")
        await put_exchanges(broker, topics, [an_exchange(number) for number in range(400)])
        await read_until(broker, topics.trials, Trial, at_least(20))
        consuming.send_signal(zombie, signal.SIGSTOP)
        async with running(settings, worker.build(settings)):
            trials = await read_until(broker, topics.trials, Trial, lambda found: len(ids(found)) == 400)
            consuming.send_signal(zombie, signal.SIGCONT)
            await reading(tmp_path, "worker", more_than=1)
            await put_exchanges(broker, topics, [an_exchange(number) for number in range(400, 420)])
            trials = await read_until(broker, topics.trials, Trial, lambda found: len(ids(found)) == 420)
        await reading(tmp_path, "worker", more_than=2)
        consuming.send_signal(zombie, signal.SIGTERM)
        assert await consuming.exit_code(zombie) == 0
    # What it had in flight may have been asked twice; nothing is missing and nothing runs wild.
    assert max(ids(trials).values()) <= 2
    assert await committed(broker, f"{settings.kafka.group_prefix}-worker", topics.exchanges) == 420


def with_one_candidate(broker, topics, url, **changes):
    models = {name: {"base_url": url, "retries": 2, "concurrency": 4, "timeout_s": 1.0} for name in ("big", "small")}
    return settings_for(broker, topics, models=models, **changes)


async def test_a_candidate_that_asks_for_a_pause_gets_it_and_the_ledger_stays_exact(
    broker, topics, postgres_url, serve
):
    closed_s, soon_stale_s, many, stale = 3.0, 1.0, 200, 20
    candidate = ScriptedEndpoint([scripted.closed_for(closed_s, scripted.chat("hi"))])
    settings = with_one_candidate(broker, topics, serve(candidate) + "/v1", postgres={"url": postgres_url})
    # They expire before the pause ends.
    almost_stale = datetime.now(UTC) - timedelta(seconds=settings.tasks["intent"].max_age_s - soon_stale_s)
    now = datetime.now(UTC)
    exchanges = [an_exchange(number, at=almost_stale if number < stale else now) for number in range(many)]
    await put_exchanges(broker, topics, exchanges)
    async with running(settings, worker.build(settings)), running(settings, scorer.build(settings)):
        await stored_until(postgres_url, lambda found: found.compared + found.expired >= many)
    found, rows = stored(postgres_url)
    assert (found.mirrored, found.compared, found.expired) == (many, many - stale, stale)
    assert (found.in_flight, found.unscored, found.dead_lettered) == (0, {}, {})
    assert rows == {f"exchange-{number}": 1 for number in range(many)}
    assert len(candidate.requests) <= many - stale + 4  # those under way when the pause was asked for


async def test_a_worker_stopped_while_its_endpoint_asks_for_a_pause_gets_its_messages_again(broker, topics, serve):
    candidate = ScriptedEndpoint([scripted.error(429, "later", retry_after="600")])
    settings = with_one_candidate(broker, topics, serve(candidate) + "/v1")
    group = f"{settings.kafka.group_prefix}-worker"
    await put_exchanges(broker, topics, [an_exchange(number) for number in range(20)])
    async with running(settings, worker.build(settings)):
        await candidate.asked.seen()
    assert await committed(broker, group, topics.exchanges) == 0
    candidate.answers = [scripted.chat("hi")]
    async with running(settings, worker.build(settings)):
        trials = await read_until(broker, topics.trials, Trial, at_least(20))
    assert ids(trials) == {f"exchange-{number}": 1 for number in range(20)}
    assert {trial.reply.failure for trial in trials} == {None}
    assert await committed(broker, group, topics.exchanges) == 20


def ids(trials):
    return Counter(trial.exchange.id for trial in trials)


@pytest.mark.kafka
async def test_a_broker_killed_under_a_worker_is_waited_for_and_nothing_is_lost(apache_kafka, serve):
    topics = unique_topics()
    create_topics(apache_kafka.bootstrap, dict.fromkeys((topics.exchanges, topics.trials, topics.deadletters), 4))
    url = serve(echo_app(latency_ms=20)) + "/v1"
    settings = settings_for(apache_kafka.bootstrap, topics, candidate_url=url, session_timeout_s=6)
    bootstrap = apache_kafka.bootstrap
    await put_exchanges(bootstrap, topics, [an_exchange(number) for number in range(600)])
    async with running(settings, worker.build(settings)) as health:
        await until(lambda: health.messages.labels(topics.exchanges)._value.get() >= 50)
        apache_kafka.kill()
        await until(lambda: bool(health.problems))
        await asyncio.to_thread(apache_kafka.start)
        await until(lambda: not health.problems, timeout_s=60)
        await put_exchanges(bootstrap, topics, [an_exchange(number) for number in range(600, 620)])
        trials = await read_until(bootstrap, topics.trials, Trial, lambda found: len(ids(found)) == 620, timeout_s=60)
    assert set(ids(trials)) == {f"exchange-{number}" for number in range(620)}
    assert await committed(bootstrap, f"{settings.kafka.group_prefix}-worker", topics.exchanges) == 620
