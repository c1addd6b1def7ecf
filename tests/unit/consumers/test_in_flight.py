"""How many messages, and how many bytes, may be in flight; no broker."""

import asyncio

from consumers.kafka.in_flight import MessagesInFlight
from consumers.kafka.messages import IncomingMessage
from consumers.kafka.offset_tracker import OffsetTracker
from consumers.runtime.health import ConsumerHealth
from shadow import wire


async def test_messages_and_bytes_in_flight_are_bounded_but_any_single_message_has_room():
    handled: list[asyncio.Future[None]] = []

    def handle(_message):
        handled.append(asyncio.get_running_loop().create_future())
        return handled[-1]

    in_flight = MessagesInFlight(handle, max_messages=2, max_bytes=100, topics=["t"], health=ConsumerHealth("scorer"))

    async def start(offset, size):
        await in_flight.wait_for_room(size)
        message = IncomingMessage(topic="t", partition=0, offset=offset, value=b"x" * size)
        in_flight.start(message, OffsetTracker(offset, 1))

    await start(0, 1_000)  # alone, whatever its size
    waiting = asyncio.create_task(start(1, 10))
    await asyncio.sleep(0)
    assert not waiting.done()
    handled[0].set_result(None)
    await waiting
    await start(2, 20)
    waiting = asyncio.create_task(start(3, 30))
    await asyncio.sleep(0)
    assert not waiting.done()
    handled[1].set_result(None)
    await waiting
    assert (in_flight.messages, in_flight.bytes) == (2, 50)
    compressed = wire.compressed(wire.Message(b"", b"x" * 5_000, []), limit=1_000)
    assert IncomingMessage(topic="t", partition=0, offset=4, value=compressed.value).size == 5_000
