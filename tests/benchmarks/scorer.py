"""The scorer from broker to committed rows, beside a bare consume + decode + COPY of the same pairs."""

import asyncio
import time
from contextlib import ExitStack
from datetime import timedelta

import aiokafka
from aiokafka.structs import TopicPartition

from consumers import scorer, service
from shadow import wire
from shadow.devstack.broker import embedded_broker
from shadow.devstack.postgres import EmbeddedPostgres
from shadow.settings import Scorer, Settings
from shadow.store import migrate
from shadow.store.engine import connect
from shadow.topics import create_topics
from tests.benchmarks import store
from tests.consuming import PARTITIONS, put, running, settings_for, until
from tests.services import service_folder, unique_topics

PAIRS = 20_000
#: Both are measured from here on: joining a group and compiling statements is not throughput.
WARM_UP = 3_000


def measure() -> list[tuple[str, str, str]]:
    with ExitStack() as stack:
        broker_folder, postgres_folder = (stack.enter_context(service_folder(name)) for name in ("broker", "postgres"))
        bootstrap = stack.enter_context(embedded_broker(log=broker_folder / "broker.log")).bootstrap
        server = EmbeddedPostgres(postgres_folder)  # with fsync: a throwaway server would flatter us
        server.start()
        stack.callback(server.stop)
        migrate.upgrade(server.url)
        topics = unique_topics()
        create_topics(bootstrap, dict.fromkeys((topics.exchanges, topics.trials, topics.deadletters), PARTITIONS))
        settings = settings_for(
            bootstrap,
            topics,
            postgres={"url": server.url},
            tasks={"ticket-intent": {"frontier": "big", "kind": "classification"}},
        )
        messages = [wire.encode(trial, source="benchmark") for trial in store._trials(PAIRS, timedelta(days=1))]
        asyncio.run(put(bootstrap, topics.trials, messages))
        service.spare_the_collector()  # as a scorer process does; the bare way has it as easy
        bare = asyncio.run(_bare(settings))
        ours, cpu_ms = asyncio.run(_ours(settings))
    return [
        ("bare consume + decode + COPY, pairs a second", f"{bare:,.0f}", ""),
        (
            f"consume + decode + compare + ingest ({cpu_ms:.2f} ms of processor each), pairs a second",
            f"{ours:,.0f}",
            "",
        ),
        ("scorer beside bare", f"{ours / bare:.2f}", "≥ 0.4"),
    ]


async def _ours(settings: Settings) -> tuple[float, float]:
    async with running(settings, scorer.build(settings)) as health:
        handled = health.messages.labels(settings.kafka.topics.trials)
        await until(lambda: handled._value.get() >= WARM_UP, timeout_s=60)
        before, started, busy = handled._value.get(), time.perf_counter(), time.process_time()
        await until(lambda: handled._value.get() >= PAIRS, timeout_s=300)
        pairs = PAIRS - before
        return pairs / (time.perf_counter() - started), 1_000 * (time.process_time() - busy) / pairs


async def _bare(settings: Settings) -> float:
    """The least anybody could do with a consumer, a decoder and a table without an index."""
    database = connect(settings.postgres_url())
    with database.begin() as connection:
        store._BARE.create(connection)
    consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=settings.kafka.bootstrap_servers)
    await consumer.start()
    try:
        partitions = [TopicPartition(settings.kafka.topics.trials, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        started, seen, before = time.perf_counter(), 0, 0
        while seen < PAIRS:
            found = await consumer.getmany(timeout_ms=500, max_records=Scorer().batch)
            values = [message.value for messages in found.values() for message in messages]
            store._copy(database, [values])
            seen += len(values)
            if not before and seen >= WARM_UP:
                started, before = time.perf_counter(), seen
        return (seen - before) / (time.perf_counter() - started)
    finally:
        await consumer.stop()
        database.dispose()
