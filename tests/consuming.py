"""What tests of worker and scorer share: put messages on topics, run a consumer, read topics back."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiokafka
from aiokafka.structs import TopicPartition

from consumers import service
from consumers.health import Health
from consumers.service import Service
from shadow import wire
from shadow.records import Exchange, Reply
from shadow.settings import Kafka, Settings, Topics

PARTITIONS = 4


def an_exchange(number: int, *, task: str = "intent", **changes) -> Exchange:
    asked = {
        "id": f"exchange-{number}",
        "task": task,
        "at": datetime.now(UTC),
        "request": {"messages": [{"role": "user", "content": f"question {number}"}]},
        "reply": Reply(model="big", content=f"question {number}", finish_reason="stop"),
    }
    return Exchange(**{**asked, **changes})


def settings_for(broker: str, topics: Topics, *, candidate_url: str = "http://127.0.0.1:9/v1", **changes) -> Settings:
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
    kafka = Kafka(
        bootstrap_servers=broker,
        topics=topics,
        partitions=PARTITIONS,
        group_prefix=topics.exchanges.replace("shadow.exchanges.", "group-"),
        session_timeout_s=6,
    )
    return Settings.model_validate({**raw, "kafka": kafka.model_dump(), **changes})


@asynccontextmanager
async def running(settings: Settings, what: Service) -> AsyncIterator[Health]:
    """`what` served on this event loop; stopped in order at the end of the block."""
    stopping, health = asyncio.Event(), Health(what.name)
    serving = asyncio.create_task(service.serve(settings, what, stopping, health))
    try:
        health.trouble("test", "not started")  # until the consumer says how it is
        await until(lambda: len(health.troubles) > 1 or serving.done())
        health.trouble("test", None)
        yield health
    finally:
        stopping.set()
        await asyncio.wait_for(serving, 20)


async def put(broker: str, topic: str, messages: Sequence[wire.Message | tuple[bytes | None, bytes | None]]) -> None:
    """Send messages, whole or as (key, value), and wait for their delivery."""
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=broker, linger_ms=5, max_request_size=2**23)
    await producer.start()
    try:
        sent = []
        for message in messages:
            headers = list(message.headers) if isinstance(message, wire.Message) else []
            sent.append(await producer.send(topic, key=message[0], value=message[1], headers=headers))
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


async def put_exchanges(broker: str, topics: Topics, exchanges: Sequence[Exchange]) -> None:
    await put(broker, topics.exchanges, [wire.encode(exchange, source="test") for exchange in exchanges])


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
    """What is on `topic` once it is `enough`; AssertionError when that takes unreasonably long."""
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
    """How many messages `group` has acknowledged on `topic`, over all partitions."""
    consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=broker, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        return sum([await consumer.committed(partition) or 0 for partition in partitions])
    finally:
        await consumer.stop()


@contextmanager
def process(name: str, settings: Settings, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """`shadow NAME` as a process of its own, its output in `folder`; killed at the end of the block."""
    file = folder / "shadow.json"
    file.write_text(settings.model_dump_json())
    code = (
        "import sys; from pathlib import Path; from shadow.cli import logs; from shadow.settings import Settings\n"
        f"from consumers import {name}; logs.configure()\n"
        f"{name}.run(Settings.model_validate_json(Path(sys.argv[1]).read_text()))"
    )
    with (folder / f"{name}.log").open("ab") as output:
        child = subprocess.Popen([sys.executable, "-c", code, str(file)], stdout=output, stderr=output)
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)
        child.wait()
