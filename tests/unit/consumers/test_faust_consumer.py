"""What of a fetch is delivered, and what is not: after a failure, in a rebalance, after one; no broker."""

import asyncio
from types import SimpleNamespace
from typing import Any

from aiokafka.errors import IllegalStateError
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from consumers.kafka.faust_internals import runs_in_turn
from tests.support.faust_consumer import a_faust_consumer


async def test_nothing_is_delivered_after_a_message_that_failed():
    delivered: list[int] = []

    def deliver(messages, _generation):
        delivered.extend(message.offset for message in messages)
        if messages[0].offset == 7:
            raise RuntimeError("it failed")

    async def never():
        await asyncio.Event().wait()

    consumer = a_faust_consumer(deliver)
    for offset in (6, 7, 8):
        await consumer._deliver_records([a_record(0, offset)], 1, never)
    assert delivered == [6, 7]
    assert isinstance(consumer._failure.exception(), RuntimeError)


class Fetches:
    """The consumer inside a FaustConsumer, with fetches that the test makes up; no broker."""

    def __init__(self, deliver=None):
        self.delivered: list[int] = []
        self.seeks = 0
        self.app: Any = a_faust_consumer(deliver or self.deliver)._app
        self.consumer = self.app.consumer
        self.consumer.perform_seek = self.perform_seek
        self.consumer.flow_active = True
        self.app.consumer_generation_id = 1

    def deliver(self, messages, _generation):
        self.delivered.extend(message.offset for message in messages)

    async def perform_seek(self):
        self.seeks += 1

    async def drain(self, *fetches):
        """Deliver the fetches, each (what happens while it is waited for, {partition: offsets}), and end."""
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


async def test_a_fetch_during_a_rebalance_is_fetched_again_after_it_and_not_delivered():
    fetches = Fetches()
    stop, resume = fetches.consumer.stop_flow, fetches.consumer.resume_flow
    await fetches.drain((nothing, [(0, [5])]), (stop, [(0, [6])]), (resume, [(0, [6, 7])]))
    assert fetches.delivered == [5, 6, 7]
    assert fetches.seeks == 1


async def test_what_was_fetched_in_an_earlier_generation_is_not_delivered():
    fetches = Fetches(lambda messages, _: change(messages))

    def change(messages):
        fetches.deliver(messages, 1)
        if messages[0].offset == 5:
            fetches.app.consumer_generation_id = 2

    await fetches.drain((nothing, [(0, [5]), (1, [15])]), (nothing, [(1, [15])]))
    assert fetches.delivered == [5, 15]


async def test_what_was_fetched_before_a_rebalance_began_is_not_delivered_during_it():
    fetches = Fetches(lambda messages, _: suspend(messages))

    def suspend(messages):
        fetches.deliver(messages, 1)
        fetches.consumer.stop_flow()

    await fetches.drain((nothing, [(0, [5]), (1, [15])]))
    assert fetches.delivered == [5]


async def test_consumption_survives_a_rebalance_that_leaves_no_assignment_to_seek_in():
    fetches = Fetches()

    async def refused():
        raise IllegalStateError("No current assignment")

    fetches.consumer.perform_seek = refused
    stop, resume = fetches.consumer.stop_flow, fetches.consumer.resume_flow
    await fetches.drain((stop, [(0, [5])]), (resume, [(0, [5])]))
    assert fetches.delivered == [5]


@given(st.dictionaries(st.integers(0, 5), st.integers(1, 700).map(range), min_size=1))
def test_partitions_are_delivered_in_turn_each_in_its_order(records):
    runs = list(runs_in_turn(records))
    for partition, found in records.items():
        assert [record for one, run in runs for record in run if one == partition] == list(found)
    turns = [one for one, _ in runs]
    assert turns[: len(records)] == list(records), "every partition has a turn before any has a second"


def a_record(partition, offset):
    return SimpleNamespace(topic="t", partition=partition, offset=offset, key=b"", value=b"", headers=(), timestamp=0)
