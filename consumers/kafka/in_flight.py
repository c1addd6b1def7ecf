"""Messages in hand: being handled side by side, each until its effects are durable."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import structlog

from consumers.kafka.faust_consumer import ConsumerCrashedError
from consumers.kafka.messages import IncomingMessage
from consumers.kafka.offset_tracker import OffsetTracker
from consumers.kafka.room import Room
from consumers.runtime.health import ConsumerHealth

log = structlog.get_logger()


class InFlight:
    """What `handle` was given and is not done with.

    Whoever takes something in asks `room` first. A message that finishes is told to its prefix; one
    whose handling fails is not, and ends `until_one_falls`. `drain` and `drop` are the end: from then
    on it is `closed`, and nothing may be taken in any more.
    """

    def __init__(
        self,
        handle: Callable[[IncomingMessage], Awaitable[None]],
        room: Room,
        topics: Iterable[str],
        health: ConsumerHealth,
    ) -> None:
        self.room: Final = room
        self.closed = False
        self._handle = handle
        self._health = health
        #: What is being handled, by the future that is done when its effects are durable.
        self._futures: dict[asyncio.Future[None], list[tuple[IncomingMessage, OffsetTracker]]] = {}
        self._fallen: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._handled = {topic: health.messages.labels(topic) for topic in topics}
        #: Handled to the end and not told yet: telling costs more than counting.
        self._finished: Counter[str] = Counter()

    @property
    def empty(self) -> bool:
        return not self._futures

    def take(self, message: IncomingMessage, prefix: OffsetTracker) -> None:
        """Handle `message`, for which there is room, and tell `prefix` when it is finished."""
        self.room.take(len(message.value))
        self._health.take(1)
        future = asyncio.ensure_future(self._handle(message))  # a future stays what it is
        together = self._futures.get(future)
        if together is None:
            together = self._futures[future] = []
            future.add_done_callback(self._done)
        together.append((message, prefix))

    def _done(self, future: "asyncio.Future[None]") -> None:
        together = self._futures.pop(future)
        self.room.leave(len(together), sum([len(message.value) for message, _ in together]))
        self._health.take(-len(together))
        if future.cancelled() and self.closed:
            return  # given up by our own end
        fault = asyncio.CancelledError() if future.cancelled() else future.exception()
        if fault:  # whatever it was, the messages are not acknowledged: only a new life gets them again
            self._fall(together[0][0], fault)
            return
        for message, prefix in together:
            prefix.finish(message.offset)
            self._finished[message.topic] += 1

    def _fall(self, message: IncomingMessage, fault: BaseException) -> None:
        log.error(
            "a handler raised", action="handler_fault", topic=message.topic, offset=message.offset, exc_info=fault
        )
        if not self._fallen.done():
            self._fallen.set_exception(ConsumerCrashedError(repr(fault)))

    async def until_one_falls(self) -> None:
        """Raises ConsumerCrashedError once a message's handling fails, whatever became of it."""
        await self._fallen

    def tell_finished(self) -> None:
        """Add what has finished to the metrics."""
        for topic, number in self._finished.items():
            self._handled[topic].inc(number)
        self._finished.clear()

    async def drain(self, seconds: float) -> None:
        """Wait for what is in hand, but no longer than that."""
        self.closed = True
        if self._futures:
            await asyncio.wait(list(self._futures), timeout=seconds)

    async def drop(self) -> None:
        """Give up what is still in hand; it stays unacknowledged."""
        self.closed = True
        left = list(self._futures)
        for future in left:
            future.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        self.tell_finished()
