"""Deliveries are handled as far as there is room, and committed once they are finished; no broker."""

import asyncio
from collections import defaultdict

import pytest

from consumers.kafka.in_flight import MessagesInFlight
from consumers.kafka.membership import Membership
from consumers.kafka.messages import IncomingMessage
from consumers.kafka.offset_tracker import TopicPartition
from consumers.runtime.health import ConsumerHealth
from shadow.errors import ConsumerCrashedError
from shadow.settings import KafkaSettings

PARTITION = TopicPartition("t", 0)


class FakeConsumer:
    """Stands for the FaustConsumer: the group's generation, the ends of the logs, and what was committed."""

    def __init__(self):
        self.generation = 1
        self.ends = {PARTITION: 1_000}
        self.committed: dict[TopicPartition, int] = {}

    def is_current(self, generation):
        return generation == self.generation

    def log_end(self, partition):
        return self.ends.get(partition)

    async def commit(self, offsets):
        self.committed |= offsets
        return True


class Member:
    """A member with room for `max_messages`; `handled[offset]` are the futures that its handler returned."""

    def __init__(self, *, max_messages=100):
        self.health = ConsumerHealth("scorer")
        self.handled = defaultdict(list)
        self.consumer = FakeConsumer()
        self.in_flight = MessagesInFlight(
            self.handle, max_messages=max_messages, max_bytes=2**20, topics=["t"], health=self.health
        )
        self.membership = Membership(
            KafkaSettings(), self.in_flight, self.health, group="g", topics=["t"], stalled_after_s=120.0
        )
        self.membership._consumer = self.consumer  # type: ignore[assignment]

    def handle(self, message):
        future = asyncio.get_running_loop().create_future()
        self.handled[message.offset].append(future)
        return future

    def deliver(self, *offsets, generation=1):
        messages = [IncomingMessage(topic="t", partition=0, offset=offset, value=b"x") for offset in offsets]
        return self.membership._deliver(messages, generation)

    async def finish(self, offset):
        self.handled[offset][-1].set_result(None)
        await asyncio.sleep(0)

    async def commit(self):
        assert await self.membership.commit()
        return self.consumer.committed.get(PARTITION)


async def test_messages_without_room_are_handled_once_there_is_room_and_in_order():
    member = Member(max_messages=2)
    delivering = asyncio.ensure_future(member.deliver(0, 1, 2, 3))
    await asyncio.sleep(0)
    assert list(member.handled) == [0, 1]
    await member.finish(1)
    await asyncio.sleep(0)
    assert list(member.handled) == [0, 1, 2]
    assert await member.commit() is None
    await member.finish(0)
    await delivering
    assert list(member.handled) == [0, 1, 2, 3]
    assert await member.commit() == 2


async def test_a_message_of_an_earlier_generation_is_neither_handled_nor_committed():
    member = Member(max_messages=1)
    delivering = asyncio.ensure_future(member.deliver(0, 1))
    await asyncio.sleep(0)
    member.consumer.generation = 2
    await member.finish(0)
    await delivering
    assert list(member.handled) == [0]
    assert await member.commit() == 1


async def test_a_recreated_partition_is_handled_from_its_start():
    member = Member()
    member.deliver(50)
    await member.finish(50)
    member.deliver(0)
    assert list(member.handled) == [50]  # a redelivery, as long as the log does not end before it
    member.consumer.ends[PARTITION] = 1
    member.deliver(0)
    await member.finish(0)
    assert await member.commit() == 1


async def test_an_offset_past_the_end_of_its_log_is_not_committed():
    member = Member()
    member.deliver(50)
    await member.finish(50)
    member.consumer.ends[PARTITION] = 10
    assert await member.commit() is None


async def test_a_message_whose_handler_raises_is_not_committed_and_ends_the_session():
    member = Member()
    member.deliver(0, 1)
    member.handled[0][0].set_exception(ValueError("it failed"))
    await member.finish(1)
    with pytest.raises(ConsumerCrashedError, match="it failed"):
        await member.in_flight.wait_for_failure()
    assert await member.commit() is None


async def test_at_shutdown_what_finishes_is_committed_and_what_does_not_is_cancelled():
    member = Member()
    member.deliver(0, 1)
    draining = asyncio.create_task(member.in_flight.drain(0.01))
    await asyncio.sleep(0)
    member.deliver(2)  # too late
    await member.finish(0)
    await draining
    await member.in_flight.cancel()
    assert list(member.handled) == [0, 1]
    assert member.handled[1][0].cancelled()
    assert (member.in_flight.messages, member.in_flight.bytes, member.health.in_flight) == (0, 0, 0)
    assert member.health.messages.labels("t")._value.get() == 1
    assert await member.commit() == 1


async def test_finished_messages_are_committed_before_their_partition_is_revoked():
    member = Member()
    member.deliver(0)
    await member.finish(0)
    await member.membership._on_revoked()
    assert member.consumer.committed == {PARTITION: 1}
