"""What is delivered is in hand as far as there is room, and acknowledged once it is finished; no broker."""

import asyncio
from collections import defaultdict

import pytest

from consumers.kafka.faust_consumer import ConsumerCrashedError
from consumers.kafka.in_flight import InFlight
from consumers.kafka.membership import Membership
from consumers.kafka.messages import IncomingMessage
from consumers.kafka.offset_tracker import TopicPartition
from consumers.kafka.room import Room
from consumers.runtime.health import ConsumerHealth
from shadow.settings import KafkaSettings

HERE = TopicPartition("t", 0)


class Reading:
    """Stands for the reader: the group's generation, the ends of the logs, and what was committed."""

    def __init__(self):
        self.generation = 1
        self.ends = {HERE: 1_000}
        self.committed: dict[TopicPartition, int] = {}

    def is_current(self, generation):
        return generation == self.generation

    def log_end(self, partition):
        return self.ends.get(partition)

    async def commit(self, offsets):
        self.committed |= offsets
        return True


class Member:
    """A member with room for `room` messages; `handled[offset]` are the futures of what it was given."""

    def __init__(self, *, room=100):
        self.health = ConsumerHealth("scorer")
        self.handled = defaultdict(list)
        self.reading = Reading()
        self.in_hand = InFlight(self.handle, Room(room, 2**20), ["t"], self.health)
        self.membership = Membership(
            KafkaSettings(), self.in_hand, self.health, group="g", topics=["t"], stalled_after_s=120.0
        )
        self.membership._reader = self.reading  # type: ignore[assignment]

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
        return self.reading.committed.get(HERE)


async def test_what_there_is_no_room_for_is_handled_once_there_is_and_in_order():
    one = Member(room=2)
    going_on = asyncio.ensure_future(one.deliver(0, 1, 2, 3))
    await asyncio.sleep(0)
    assert list(one.handled) == [0, 1]
    await one.finish(1)
    await asyncio.sleep(0)
    assert list(one.handled) == [0, 1, 2]
    assert await one.commit() is None
    await one.finish(0)
    await going_on
    assert list(one.handled) == [0, 1, 2, 3]
    assert await one.commit() == 2


async def test_what_is_no_longer_ours_is_neither_handled_nor_acknowledged():
    one = Member(room=1)
    going_on = asyncio.ensure_future(one.deliver(0, 1))
    await asyncio.sleep(0)
    one.reading.generation = 2
    await one.finish(0)
    await going_on
    assert list(one.handled) == [0]
    assert await one.commit() == 1


async def test_a_partition_that_was_made_anew_is_handled_from_its_start():
    one = Member()
    one.deliver(50)
    await one.finish(50)
    one.deliver(0)
    assert list(one.handled) == [50]  # known, as far as anybody can tell
    one.reading.ends[HERE] = 1
    one.deliver(0)
    await one.finish(0)
    assert await one.commit() == 1


async def test_what_is_past_the_end_of_its_log_is_not_committed():
    one = Member()
    one.deliver(50)
    await one.finish(50)
    one.reading.ends[HERE] = 10
    assert await one.commit() is None


async def test_a_message_that_falls_is_not_acknowledged_and_is_told_of():
    one = Member()
    one.deliver(0, 1)
    one.handled[0][0].set_exception(ValueError("it fell"))
    await one.finish(1)
    with pytest.raises(ConsumerCrashedError, match="it fell"):
        await one.in_hand.until_one_falls()
    assert await one.commit() is None


async def test_at_the_end_what_finishes_is_acknowledged_and_what_does_not_is_given_up():
    one = Member()
    one.deliver(0, 1)
    draining = asyncio.create_task(one.in_hand.drain(0.01))
    await asyncio.sleep(0)
    one.deliver(2)  # too late
    await one.finish(0)
    await draining
    await one.in_hand.drop()
    assert list(one.handled) == [0, 1]
    assert one.handled[1][0].cancelled()
    assert (one.in_hand.empty, one.in_hand.room.messages, one.health.in_hand) == (True, 0, 0)
    assert one.health.messages.labels("t")._value.get() == 1
    assert await one.commit() == 1


async def test_what_was_finished_is_committed_before_the_partition_becomes_somebody_elses():
    one = Member()
    one.deliver(0)
    await one.finish(0)
    await one.membership._revoked()
    assert one.reading.committed == {HERE: 1}
