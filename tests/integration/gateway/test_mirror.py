"""The mirror process: what the gateway received reaches Kafka, and every loss is counted."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from shadow.devstack.services.processes import free_port, poll_until
from shadow.gateway.mirror import ipc
from shadow.gateway.mirror.process import MirrorProcess
from shadow.recording import CapturedCall, Tags
from shadow.records import CaptureCounts, Exchange
from shadow.settings import Settings
from shadow.wire import TYPES, decode
from tests.support import services
from tests.support.gateways import kafka_messages, settings_for
from tests.support.scripted import chat_body


def captured(number: int, *, size: int = 0, text: str = "hello") -> CapturedCall:
    answer = json.dumps(chat_body(text + " " * size)).encode()
    return CapturedCall(
        tags=Tags(task="intent", unit=None, segment={}, rate=1.0, id=f"x{number}"),
        api="chat",
        request=b'{"messages":[{"role":"user","content":"write to anna@example.com"}]}',
        request_headers={},
        started=0.0,
        ended=0.5,
        size=len(answer) + 100,
        status=200,
        pieces=[(answer, 0.4)],
        response_headers={"content-type": "application/json"},
        endpoint="big",
        served_by="frontier",
        at=1_700_000_000.0,
    )


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[MirrorProcess]:
    mirror = MirrorProcess(settings)
    await mirror.start()
    try:
        yield mirror
    finally:
        await mirror.stop()


async def until(condition: Callable[[], Any]) -> None:
    await asyncio.to_thread(poll_until, condition, timeout=40.0)


def counted(mirror: MirrorProcess) -> dict[str, int]:
    return dict(mirror.outcomes().get("intent", {}))


@pytest.fixture
def settings(broker: str, topics) -> Settings:
    known = settings_for("http://frontier")
    kafka = known.kafka.model_copy(update={"bootstrap_servers": broker, "topics": topics})
    # The child has the lowest priority: where others want both processors, it takes its time.
    patient = known.publisher.model_copy(update={"drain_timeout_s": 40.0, "delivery_timeout_s": 40.0})
    return known.model_copy(update={"kafka": kafka, "publisher": patient})


@pytest.fixture
def brokerless() -> Settings:
    known = settings_for("http://frontier")
    kafka = known.kafka.model_copy(update={"bootstrap_servers": f"127.0.0.1:{free_port()}"})
    limits = known.publisher.model_copy(update={"drain_timeout_s": 0.2})
    return known.model_copy(update={"kafka": kafka, "publisher": limits})


async def test_what_was_captured_is_on_the_topic_redacted_and_counted_by_the_time_it_stops(settings):
    async with running(settings) as mirror:
        for number in range(50):
            mirror.offer(captured(number))
        mirror.count_sampled_out("intent")
    assert counted(mirror) == {"accepted": 50, "mirrored": 50, "sampled_out": 1}
    messages = kafka_messages(settings)
    exchanges = [decode(Exchange, value) for kind, value in messages if kind == TYPES[Exchange]]
    assert sorted(exchange.id for exchange in exchanges) == sorted(f"x{number}" for number in range(50))
    assert {exchange.reply.content for exchange in exchanges} == {"hello"}
    assert b"anna@example.com" not in b"".join(value for _, value in messages)
    last = [decode(CaptureCounts, value) for kind, value in messages if kind == TYPES[CaptureCounts]][-1]
    assert last.counts == {"intent": counted(mirror)}


async def test_without_a_broker_offers_are_accepted_and_end_as_dropped(brokerless):
    async with running(brokerless) as mirror:
        for number in range(20):
            mirror.offer(captured(number))
    counts = counted(mirror)
    assert counts["accepted"] == 20
    assert sum(number for outcome, number in counts.items() if outcome.startswith("dropped:")) == 20


async def test_a_child_that_is_killed_is_replaced_and_what_it_had_not_accepted_is_counted(settings):
    async with running(settings) as mirror:
        mirror.offer(captured(0))
        await until(lambda: counted(mirror).get("mirrored") == 1)
        first = mirror.pid
        assert first is not None
        await asyncio.to_thread(services.freeze, first)
        for number in range(1, 11):
            mirror.offer(captured(number))
        os.kill(first, signal.SIGKILL)
        await until(lambda: counted(mirror).get("dropped:mirror_down") == 10)
        await until(lambda: mirror.pid not in (None, first))
        mirror.offer(captured(11))
    assert counted(mirror) == {"accepted": 12, "mirrored": 2, "dropped:mirror_down": 10}


async def test_what_a_dead_child_lost_is_reported_to_kafka_although_no_more_calls_come(settings):
    async with running(settings) as mirror:
        first = mirror.pid
        assert first is not None
        await asyncio.to_thread(services.freeze, first)
        for number in range(5):
            mirror.offer(captured(number))
        os.kill(first, signal.SIGKILL)
        await until(lambda: mirror.pid not in (None, first))
    reported = [
        decode(CaptureCounts, value) for kind, value in kafka_messages(settings) if kind == TYPES[CaptureCounts]
    ]
    assert [counts.counts for counts in reported][-1:] == [{"intent": {"accepted": 5, "dropped:mirror_down": 5}}]


async def test_a_frozen_child_costs_the_gateway_a_bounded_buffer_and_counted_drops(settings):
    limits = settings.publisher.model_copy(update={"queue_bytes": 4_000_000})
    async with running(settings.model_copy(update={"publisher": limits})) as mirror:
        mirror.offer(captured(0))
        await until(lambda: counted(mirror).get("mirrored") == 1)
        assert mirror.pid is not None
        await asyncio.to_thread(services.freeze, mirror.pid)
        for number in range(1, 41):
            mirror.offer(captured(number, size=100_000))
            await asyncio.sleep(0)
        waiting = mirror.waiting_bytes
        dropped = counted(mirror).get("dropped:byte_budget", 0)
        await asyncio.sleep(0.6)
        # They are on their way to the child now, and must not be missing from a counter meanwhile.
        assert counted(mirror) == {"accepted": 1 + dropped, "mirrored": 1, "dropped:byte_budget": dropped}
        os.kill(mirror.pid, signal.SIGCONT)
    assert waiting <= 1_000_000
    assert dropped > 20
    assert counted(mirror) == {"accepted": 41, "mirrored": 41 - dropped, "dropped:byte_budget": dropped}


async def test_a_database_password_stays_out_of_the_child(settings, monkeypatch):
    written: list[bytes] = []
    frame_bytes = ipc.frame_bytes

    def recorded(body: bytes) -> tuple[bytes, bytes]:
        written.append(body)
        return frame_bytes(body)

    monkeypatch.setattr(ipc, "frame_bytes", recorded)
    postgres = settings.postgres.model_copy(update={"url": "postgresql://u:canary-password@host/db"})
    async with running(settings.model_copy(update={"postgres": postgres})):
        pass
    assert written
    assert b"canary" not in b"".join(written)
