"""The scorer from broker to committed rows, beside a bare consume + decode + COPY of the same pairs."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from statistics import median

import aiokafka
from aiokafka.structs import TopicPartition
from sqlalchemy import Engine, text

from consumers import scorer
from shadow import wire
from shadow.devstack.services.broker import embedded_broker
from shadow.devstack.services.postgres import EmbeddedPostgres
from shadow.garbage_collection import collect_less_often
from shadow.settings import ScorerSettings, Settings
from shadow.store.read import ledger
from shadow.store.schema import migrate
from shadow.store.schema.engine import connect
from shadow.topics import create_topics
from tests.benchmarks._pairs import BARE, copy_bare, copy_bare_as_text, trials
from tests.benchmarks._throughput import Throughput, throughput
from tests.support.consuming import PARTITIONS, assignments, process, produce, running, settings_for, until
from tests.support.services import fresh_database, service_folder, unique_topics

PAIRS = 60_000
#: Measurements begin after these: joining a group and compiling statements is not throughput.
WARM_UP = 15_000
PROCESSES = 2
#: The variants take turns, because the speed of a machine varies; medians are compared.
ROUNDS = 3


def measure() -> list[tuple[str, str, str]]:
    with ExitStack() as stack:
        broker_folder, postgres_folder, logs = (
            stack.enter_context(service_folder(name)) for name in ("broker", "postgres", "logs")
        )
        bootstrap = stack.enter_context(embedded_broker(log=broker_folder / "broker.log")).bootstrap
        server = EmbeddedPostgres(postgres_folder)  # with fsync: a throwaway server would flatter us
        server.start()
        stack.callback(server.stop)
        topics = unique_topics()
        create_topics(bootstrap, dict.fromkeys((topics.exchanges, topics.trials, topics.deadletters), PARTITIONS))
        messages = [wire.encode(trial, source="benchmark") for trial in trials(PAIRS, timedelta(days=1))]
        asyncio.run(produce(bootstrap, topics.trials, messages))

        def settings(group: str) -> Settings:
            """Settings with a consumer group and a database of their own, so that each variant reads all pairs."""
            url = stack.enter_context(fresh_database(server))
            migrate.upgrade(url)
            tasks = {"ticket-intent": {"frontier": "big", "kind": "classification"}}
            made = settings_for(bootstrap, topics, postgres={"url": url}, tasks=tasks)
            return made.model_copy(update={"kafka": made.kafka.model_copy(update={"group_prefix": group})})

        collect_less_often()  # as a scorer process does; the bare variant profits as well
        rounds = [
            (
                asyncio.run(_bare(settings(f"bare-{number}"), copy_bare_as_text)),
                *asyncio.run(_one(settings(f"one-{number}"))),
                asyncio.run(_bare(settings(f"binary-{number}"), copy_bare)),
                asyncio.run(_several(settings(f"several-{number}"), _folder(logs, number))),
            )
            for number in range(ROUNDS)
        ]
    bare, one, cpu_ms, binary, several = (median(way) for way in zip(*rounds, strict=True))
    return [
        ("bare consume + decode + COPY, one process, pairs a second", f"{bare:,.0f}", ""),
        ("the same with COPY in binary, as the scorer does it, pairs a second", f"{binary:,.0f}", ""),
        (f"one scorer process ({cpu_ms:.3f} ms of processor a pair), pairs a second", f"{one:,.0f}", ""),
        (f"{PROCESSES} scorer processes sharing the partitions, pairs a second", f"{several:,.0f}", ""),
        ("one scorer process beside bare; beside bare in binary", f"{one / bare:.2f}; {one / binary:.2f}", "≥ 0.4"),
        (
            f"{PROCESSES} scorer processes, one a core, beside bare; beside bare in binary",
            f"{several / bare:.2f}; {several / binary:.2f}",
            "",
        ),
    ]


def _folder(parent: Path, number: int) -> Path:
    folder = parent / str(number)
    folder.mkdir()
    return folder


async def _one(settings: Settings) -> Throughput:
    async with running(settings, scorer.build(settings)) as health:
        handled = health.messages.labels(settings.kafka.topics.trials)
        return await throughput(handled._value.get, warm_up=WARM_UP, total=PAIRS)


async def _several(settings: Settings, logs: Path) -> float:
    """Pairs a second of several scorers, which wait for a lock until all of them have their partitions."""
    database = connect(settings.postgres_url())
    with ExitStack() as stack:
        with database.begin() as connection:
            connection.execute(text("LOCK TABLE ledger IN ACCESS EXCLUSIVE MODE"))
            for number in range(PROCESSES):
                stack.enter_context(process("scorer", settings, logs))
                # A later one takes partitions from those before it, which log an assignment again.
                expected = (number + 1) * (number + 2) // 2
                await until(lambda: assignments(logs, "scorer") >= expected, timeout_s=120)  # noqa: B023 - awaited at once
        await until(lambda: _compared(database) >= WARM_UP, timeout_s=60)
        before, started = _compared(database), time.perf_counter()
        await until(lambda: _compared(database) >= PAIRS, timeout_s=300)
        seconds = time.perf_counter() - started
    database.dispose()
    return (PAIRS - before) / seconds


def _compared(database: Engine) -> int:
    with database.begin() as connection:
        return ledger.read(connection).compared


async def _bare(settings: Settings, copy: Callable[[Engine, Sequence[Sequence[bytes]]], None]) -> float:
    """Pairs a second of the least work possible: a consumer, a decoder and a table without an index."""
    database = connect(settings.postgres_url())
    with database.begin() as connection:
        BARE.create(connection)
    consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=settings.kafka.bootstrap_servers)
    await consumer.start()
    try:
        partitions = [TopicPartition(settings.kafka.topics.trials, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        started, seen, before = time.perf_counter(), 0, 0
        while seen < PAIRS:
            found = await consumer.getmany(timeout_ms=500, max_records=ScorerSettings().batch)
            values = [message.value for messages in found.values() for message in messages]
            copy(database, [values])
            seen += len(values)
            if not before and seen >= WARM_UP:
                started, before = time.perf_counter(), seen
        return (seen - before) / (time.perf_counter() - started)
    finally:
        await consumer.stop()
        database.dispose()
