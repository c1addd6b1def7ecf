"""The parts of the consumers that need no broker: batches, dead letters, health."""

import asyncio
import contextlib
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import IllegalStateError
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from consumers.batches import BatchWriter
from consumers.kafka.faust_consumer import FaustConsumer, _in_turns
from consumers.kafka.messages import MAX_DETAIL, MAX_PAYLOAD, IncomingMessage, dead_letter, read_exchange
from consumers.kafka.room import Room
from consumers.runtime.backoff import Backoff
from consumers.runtime.health import ConsumerHealth
from consumers.worker import build
from shadow import wire
from shadow.errors import UsageError, WireError
from shadow.records import CaptureCounts, DeadLetter
from shadow.settings import KafkaSettings, TopicSettings
from tests.support.consuming import an_exchange, settings_for


def incoming(value=b"", **changes):
    return IncomingMessage(topic="t", partition=3, offset=7, value=value, **changes)


@contextlib.asynccontextmanager
async def batching(write, **limits):
    batches = BatchWriter(write, **limits)
    running = asyncio.create_task(batches.run())
    try:
        yield batches
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_items_are_written_together_and_each_waits_for_its_own_batch():
    written = []

    async def write(items):
        written.append(items)

    async with batching(write, size=4, linger_s=0.01) as batches:
        await asyncio.gather(*(batches.add(number) for number in range(10)))
    assert [item for batch in written for item in batch] == list(range(10))
    assert max(map(len, written)) == 4


async def test_a_batch_that_is_not_full_is_written_after_a_while():
    async def write(_items):
        return

    async with batching(write, size=1_000, linger_s=0.01) as batches:
        await batches.add("alone")


async def test_told_to_hurry_nobody_waits_for_a_batch_to_fill_any_more():
    written = []

    async def write(items):
        written.append(items)

    async with batching(write, size=2, linger_s=3_600) as batches:
        begun = batches.add("begun before")
        await asyncio.sleep(0)
        batches.hurry()
        await begun
        await asyncio.gather(*(batches.add(f"after it {number}") for number in range(3)))
    assert written == [["begun before"], ["after it 0", "after it 1"], ["after it 2"]]


async def test_a_fault_reaches_those_of_the_batch_and_the_next_batch_is_written():
    async def write(items):
        if "bad" in items:
            raise ValueError("bad")

    async with batching(write, size=1, linger_s=0.01) as batches:
        with pytest.raises(ValueError, match="bad"):
            await batches.add("bad")
        await batches.add("good")


async def test_what_joins_a_batch_that_was_given_up_is_written_all_the_same():
    written = []

    async def write(items):
        written.append(items)

    async with batching(write, size=2, linger_s=60) as batches:
        for waiting in [batches.add(f"given up {number}") for number in range(3)]:  # one is full, another has begun
            waiting.cancel()
        first = batches.add("first again")
        for _ in range(10):  # the writer could take it now, but it is not full
            await asyncio.sleep(0)
        second = batches.add("second again")
        await asyncio.gather(first, second)
    assert written == [["first again", "second again"]]


async def test_batches_that_were_given_up_leave_nothing_behind():
    async def write(_items):
        return

    batches = BatchWriter(write, size=4, linger_s=0)
    for life in range(50):
        in_hand = [batches.add((life, number)) for number in range(10)]
        for waiting in in_hand:
            waiting.cancel()
    batches.add("alone")
    assert sum(len(items) for items, _ in batches._batches) == 1


def test_a_dead_letter_says_where_why_and_what_and_can_always_be_stored():
    message = incoming(b"x" * 100_000, headers=[("ce_id", b"claimed")])
    letter = dead_letter(message, WireError("not_json", "a\0b\ud800" + "c" * 9_000), stage="worker", identity="a\0b")
    assert (letter.id, letter.reason) == ("t/3/7", "not_json")
    assert (letter.topic, letter.partition, letter.offset) == ("t", 3, 7)
    assert letter.payload == b"x" * MAX_PAYLOAD
    assert len(letter.detail) == MAX_DETAIL
    assert wire.decode(DeadLetter, wire.encode(letter, source="test").value) == letter


def test_burying_a_message_twice_makes_the_same_letter():
    graves = [dead_letter(incoming(b"x"), ValueError("x"), stage="scorer", identity="id") for _ in range(2)]
    assert graves[0] == graves[1]


def test_what_capture_counted_is_told_apart_by_its_header():
    counts = CaptureCounts(source="s", at=wire.utc_now(), counts={})
    message = wire.encode(counts, source="s")
    assert read_exchange(incoming(message.value, headers=message.headers)) == counts


@pytest.mark.parametrize("timestamp_ms", [1_790_000_000_000_000, 1_790_000_000_000_000_000, -(2**62), 2**63 - 1])
def test_a_message_from_no_time_at_all_can_still_be_buried(timestamp_ms):
    letter = dead_letter(incoming(b"{", timestamp_ms=timestamp_ms), ValueError("x"), stage="scorer", identity="id")
    assert letter.at == datetime(1970, 1, 1, tzinfo=UTC)


def test_a_message_is_as_old_as_kafka_says():
    assert incoming(timestamp_ms=1_790_000_000_500).at == datetime(2026, 9, 21, 14, 13, 20, 500_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "wrong", [{"id": ""}, {"id": "x" * 600}, {"id": "\U00020000" * 200}, {"task": ""}, {"task": "a\0b"}]
)
def test_an_exchange_must_have_names_that_can_be_stored(wrong):
    message = wire.encode(an_exchange(1, **wrong), source="s")
    with pytest.raises(WireError) as refused:
        read_exchange(incoming(message.value))
    assert refused.value.reason == "wrong_shape"


def test_the_worker_takes_messages_enough_to_keep_its_endpoints_busy():
    address = {"base_url": "http://localhost:1/v1"}
    models = {"big": {**address, "concurrency": 7}, "small": {**address, "concurrency": 11}, "unused": address}
    tasks = {"intent": {"frontier": "big", "candidates": ["small"], "regret_rate": 0.1}}
    assert build(settings_for("h:1", TopicSettings(), models=models, tasks=tasks)).concurrency == 2 * (7 + 11)
    tasks["intent"]["regret_rate"] = 0
    assert build(settings_for("h:1", TopicSettings(), models=models, tasks=tasks)).concurrency == 2 * 11


async def test_a_health_port_that_is_taken_is_a_clear_message():
    first = await ConsumerHealth("worker").serve("127.0.0.1", 0)
    try:
        port = first.addresses[0][1]
        with pytest.raises(UsageError, match=rf"127\.0\.0\.1:{port}.*health_port"):
            await ConsumerHealth("scorer").serve("127.0.0.1", port)
    finally:
        await first.cleanup()


async def test_waits_double_up_to_a_limit():
    backoff = Backoff(first_s=0.001, longest_s=0.002)
    for _ in range(4):
        await backoff.wait()
    assert backoff.waited
    assert backoff._next_s == 0.002


async def test_room_is_bounded_in_messages_and_in_bytes_but_takes_any_single_message():
    async def enter(size):
        await room.until_fits(size)
        room.take(size)

    room = Room(2, 100)
    await enter(1_000)  # alone, whatever its size
    waiting = asyncio.create_task(enter(10))
    await asyncio.sleep(0)
    assert not waiting.done()
    room.leave(1, 1_000)
    await waiting
    await enter(20)
    waiting = asyncio.create_task(enter(30))
    await asyncio.sleep(0)
    assert not waiting.done()
    room.leave(1, 10)
    await waiting
    assert (room.messages, room.bytes) == (2, 50)


async def test_nothing_is_delivered_behind_a_message_that_fell():
    delivered: list[int] = []

    def deliver(messages, _generation):
        delivered.extend(message.offset for message in messages)
        if messages[0].offset == 7:
            raise RuntimeError("it fell")

    async def never():
        await asyncio.Event().wait()

    reader = a_reader(deliver)
    for offset in (6, 7, 8):
        await reader._hand_over([a_record(0, offset)], 1, never)
    assert delivered == [6, 7]
    assert isinstance(reader._fault.exception(), RuntimeError)


class Fetches:
    """The consumer of a reader, and what it is to fetch; no broker. `before` happens while a fetch is waited for."""

    def __init__(self, deliver=None):
        self.delivered: list[int] = []
        self.went_back = 0
        self.app: Any = a_reader(deliver or self.deliver)._app
        self.consumer = self.app.consumer
        self.consumer.perform_seek = self.perform_seek
        self.consumer.flow_active = True
        self.app.consumer_generation_id = 1

    def deliver(self, messages, _generation):
        self.delivered.extend(message.offset for message in messages)

    async def perform_seek(self):
        self.went_back += 1

    async def drain(self, *fetches):
        """Hand over the fetches, each (what happens meanwhile, {partition: offsets}), and end."""
        left = list(fetches)

        async def next_records(**_):
            if not left:
                self.consumer._stopped.set()
                return None, None
            meanwhile, offsets = left.pop(0)
            meanwhile()
            return {TP("t", number): [a_record(number, offset) for offset in found] for number, found in offsets}, None

        self.consumer._wait_next_records = next_records
        await self.consumer._drain_messages(SimpleNamespace(should_stop=False))


def nothing():
    pass


async def test_what_is_read_while_reading_is_suspended_is_read_again_and_not_handled():
    fetches = Fetches()
    stop, resume = fetches.consumer.stop_flow, fetches.consumer.resume_flow
    await fetches.drain((nothing, [(0, [5])]), (stop, [(0, [6])]), (resume, [(0, [6, 7])]))
    assert fetches.delivered == [5, 6, 7]
    assert fetches.went_back == 1


async def test_what_was_read_before_the_group_changed_is_not_handled_after_it():
    fetches = Fetches(lambda messages, _: change(messages))

    def change(messages):
        fetches.deliver(messages, 1)
        if messages[0].offset == 5:
            fetches.app.consumer_generation_id = 2

    await fetches.drain((nothing, [(0, [5]), (1, [15])]), (nothing, [(1, [15])]))
    assert fetches.delivered == [5, 15]


async def test_what_was_read_before_a_rebalance_began_is_not_handled_during_it():
    fetches = Fetches(lambda messages, _: suspend(messages))

    def suspend(messages):
        fetches.deliver(messages, 1)
        fetches.consumer.stop_flow()

    await fetches.drain((nothing, [(0, [5]), (1, [15])]))
    assert fetches.delivered == [5]


async def test_reading_survives_a_rebalance_in_which_there_is_nothing_to_go_back_in():
    fetches = Fetches()

    async def refused():
        raise IllegalStateError("No current assignment")

    fetches.consumer.perform_seek = refused
    stop, resume = fetches.consumer.stop_flow, fetches.consumer.resume_flow
    await fetches.drain((stop, [(0, [5])]), (resume, [(0, [5])]))
    assert fetches.delivered == [5]


@given(st.dictionaries(st.integers(0, 5), st.integers(1, 700).map(range), min_size=1))
def test_partitions_are_read_in_turns_each_in_its_order(records):
    runs = list(_in_turns(records))
    for partition, found in records.items():
        assert [record for one, run in runs for record in run if one == partition] == list(found)
    turns = [one for one, _ in runs]
    assert turns[: len(records)] == list(records), "everybody has had a turn before anybody has a second"


def a_record(partition, offset):
    return SimpleNamespace(topic="t", partition=partition, offset=offset, key=b"", value=b"", headers=(), timestamp=0)


def a_reader(deliver):
    async def revoked():
        pass

    return FaustConsumer(
        KafkaSettings(),
        group="g",
        topics=("t",),
        deliver=deliver,
        assigned=lambda _partitions: None,
        revoked=revoked,
    )
