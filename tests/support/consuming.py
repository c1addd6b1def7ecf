"""Helpers for tests of the services: send messages to topics, run a service, read topics back."""

import asyncio
import multiprocessing
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import aiokafka
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import TopicPartition
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from consumers import judge, monitor, scorer, worker
from consumers.runtime import service
from consumers.runtime.health import ConsumerHealth
from consumers.runtime.service import Service
from shadow import wire
from shadow.cli.runtime import logs
from shadow.kafka_socket import DIRECT
from shadow.records import Exchange, Reply
from shadow.settings import KAFKA_VARIABLE, KafkaSettings, Settings, TopicSettings

PARTITIONS = 4

#: On the embedded broker a new member waits for half of it; Apache Kafka refuses one below 6 s.
SESSION_S = 6.0 if os.environ.get(KAFKA_VARIABLE) else 2.0


def an_exchange(number: int, *, task: str = "intent", **changes) -> Exchange:
    asked = {
        "id": f"exchange-{number}",
        "task": task,
        "at": datetime.now(UTC),
        "request": {"messages": [{"role": "user", "content": f"question {number}"}]},
        "reply": Reply(model="big", content=f"question {number}", finish_reason="stop"),
    }
    return Exchange(**{**asked, **changes})


def settings_for(
    broker: str,
    topics: TopicSettings,
    *,
    candidate_url: str = "http://127.0.0.1:9/v1",
    session_timeout_s: float = SESSION_S,
    **changes,
) -> Settings:
    """One task, one candidate at `candidate_url`, groups and ports of this test's own."""
    raw = {
        "models": {
            "big": {"base_url": candidate_url, "retries": 0},
            "small": {"base_url": candidate_url, "retries": 0},
        },
        "tasks": {"intent": {"frontier": "big", "candidates": ["small"], "kind": "generation", "scorer": "exact"}},
        "worker": {"health_port": 0},
        "scorer": {"health_port": 0},
    }
    kafka = KafkaSettings(
        bootstrap_servers=broker,
        topics=topics,
        partitions=PARTITIONS,
        group_prefix=topics.exchanges.replace("shadow.exchanges.", "group-"),
        session_timeout_s=session_timeout_s,
    )
    return Settings.model_validate({**raw, "kafka": kafka.model_dump(), **changes})


@asynccontextmanager
async def running(settings: Settings, what: Service) -> AsyncIterator[ConsumerHealth]:
    """Serve `what` on this event loop, and shut it down in order at the end of the block."""
    stopping, health = asyncio.Event(), ConsumerHealth(what.name)
    serving = asyncio.create_task(service.serve(settings, what, stopping, health))
    try:
        health.set_problem("test", "not started")  # until the consumer reports its own problems
        await until(lambda: len(health.problems) > 1 or serving.done())
        health.set_problem("test", None)
        yield health
    finally:
        stopping.set()
        await asyncio.wait_for(serving, 20)


async def produce(
    broker: str,
    topic: str,
    messages: Sequence[wire.Message | tuple[bytes | None, bytes | None]],
    *,
    timestamp_ms: int | None = None,
) -> None:
    """Send messages, whole or as (key, value), and wait for their delivery. `timestamp_ms` is Kafka's; now, if None."""
    if timestamp_ms is not None and KAFKA_VARIABLE in os.environ:
        await asyncio.to_thread(accept_any_timestamp, broker, topic)
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=broker, linger_ms=5, max_request_size=2**23)
    await producer.start()
    try:
        sent = []
        for message in messages:
            headers = list(message.headers) if isinstance(message, wire.Message) else []
            sent.append(
                await producer.send(topic, key=message[0], value=message[1], headers=headers, timestamp_ms=timestamp_ms)
            )
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


def accept_any_timestamp(broker: str, topic: str) -> None:
    """Make Apache Kafka accept timestamps in the far future, which it refuses by default."""
    admin = KafkaAdminClient(bootstrap_servers=broker, proxy_url=DIRECT)
    try:
        limit = {"message.timestamp.after.max.ms": str(2**63 - 1)}
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=limit)])
    finally:
        admin.close()


async def put_exchanges(broker: str, topics: TopicSettings, exchanges: Sequence[Exchange]) -> None:
    await produce(broker, topics.exchanges, [wire.encode(exchange, source="test") for exchange in exchanges])


async def read(broker: str, topic: str, kind):
    """Every record of type `kind` that is on `topic` now."""
    consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=broker, fetch_max_wait_ms=50)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        ends = await consumer.end_offsets(partitions)
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        found: list[Any] = []
        left = {partition for partition, end in ends.items() if end}
        while left:
            for partition, messages in (await consumer.getmany(timeout_ms=500)).items():
                found.extend(wire.decode(kind, message.value) for message in messages)
                if messages and messages[-1].offset + 1 >= ends[partition]:
                    left.discard(partition)
        return found
    finally:
        await consumer.stop()


async def read_until(broker: str, topic: str, kind, enough: Callable[[list[Any]], bool], *, timeout_s: float = 30.0):
    """The records on `topic` once they are `enough`; AssertionError after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = await read(broker, topic, kind)
        if enough(found):
            return found
        assert time.monotonic() < deadline, f"only {len(found)} of {kind.__name__} after {timeout_s} s: {found[-3:]}"
        await asyncio.sleep(0.1)


def at_least(count: int) -> Callable[[list[Any]], bool]:
    return lambda found: len(found) >= count


async def until(happened: Callable[[], bool], *, timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.02)


async def committed(broker: str, group: str, topic: str) -> int:
    """How many messages of `topic` the `group` has committed, over all partitions."""
    consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=broker, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        return sum([await consumer.committed(partition) or 0 for partition in partitions])
    finally:
        await consumer.stop()


async def members(broker: str, group: str) -> int:
    """How many consumers are in `group`, including dead ones whose session has not timed out."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        (response,) = await admin.describe_consumer_groups([group])
        return sum(len(described[5]) for described in response.groups)
    finally:
        await admin.close()


def assignments(folder: Path, name: str) -> int:
    """How often the consumers that log into `folder` were assigned partitions."""
    log = folder / f"{name}.log"
    return log.read_text().count('"assigned"') if log.exists() else 0


@contextmanager
def process(name: str, settings: Settings, folder: Path) -> Iterator[BaseProcess]:
    """`shadow NAME` as a process of its own, its output in `folder`; killed at the end of the block."""
    child = _FORKS.Process(target=_serve, args=(name, settings, folder), daemon=True)
    child.start()
    try:
        yield child
    finally:
        child.kill()
        child.join()


def send_signal(child: BaseProcess, number: signal.Signals) -> None:
    assert child.pid is not None
    os.kill(child.pid, number)


async def exit_code(child: BaseProcess) -> int | None:
    """The exit code of `child`; None if it does not end within 20 s."""
    await asyncio.to_thread(child.join, 20)
    return child.exitcode


def _serve(name: str, settings: Settings, folder: Path) -> None:
    with (folder / f"{name}.log").open("ab") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    logs.configure()
    {"worker": worker, "scorer": scorer, "judge": judge, "monitor": monitor}[name].run(settings)


# Importing all that a scorer needs takes seconds of processor time. A fork server that has imported it
# and does nothing else (no threads, so that forking is safe) starts processes in milliseconds.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.support.consuming"])
