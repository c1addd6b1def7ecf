"""The messages being handled: bounded in number and bytes, each in flight until its effects are durable."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable

import structlog

from consumers.kafka.messages import IncomingMessage
from consumers.kafka.offset_tracker import OffsetTracker
from consumers.runtime.health import ConsumerHealth
from shadow.errors import ConsumerCrashedError

log = structlog.get_logger()


class MessagesInFlight:
    """The messages that were given to `handle` and are not finished.

    At most `max_messages`, of `max_bytes` together; a single message always has room. Callers ask for
    room before each `start`. A message that finishes is reported to its offset tracker. One whose handling
    fails is not, and ends `wait_for_failure`. After `drain` or `cancel` it is `closed` and accepts no more
    messages.
    """

    def __init__(
        self,
        handle: Callable[[IncomingMessage], Awaitable[None]],
        *,
        max_messages: int,
        max_bytes: int,
        topics: Iterable[str],
        health: ConsumerHealth,
    ) -> None:
        self.messages = 0
        self.bytes = 0
        self.closed = False
        self._handle = handle
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._health = health
        #: The messages, by the future that is done when their effects are durable.
        self._futures: dict[asyncio.Future[None], list[tuple[IncomingMessage, OffsetTracker]]] = {}
        self._room_made = asyncio.Event()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._handled = {topic: health.messages.labels(topic) for topic in topics}
        #: Finished and not yet added to the metrics, which costs more than counting here.
        self._finished: Counter[str] = Counter()

    def has_room(self, size: int) -> bool:
        """Whether a message of `size` bytes may start now."""
        return self.messages < self._max_messages and (not self.messages or self.bytes + size <= self._max_bytes)

    async def wait_for_room(self, size: int) -> None:
        """Return once a message of `size` bytes may start. One task at a time may wait."""
        while not self.has_room(size):
            self._room_made.clear()
            await self._room_made.wait()

    def start(self, message: IncomingMessage, tracker: OffsetTracker) -> None:
        """Handle `message`, for which there is room, and report it to `tracker` when it is finished."""
        self.messages += 1
        self.bytes += message.size
        self._health.change_in_flight(1)
        future = asyncio.ensure_future(self._handle(message))  # a future is returned as it is
        batch = self._futures.get(future)
        if batch is None:
            batch = self._futures[future] = []
            future.add_done_callback(self._done)
        batch.append((message, tracker))

    def _done(self, future: "asyncio.Future[None]") -> None:
        batch = self._futures.pop(future)
        self.messages -= len(batch)
        self.bytes -= sum([message.size for message, _ in batch])
        self._room_made.set()
        self._health.change_in_flight(-len(batch))
        if future.cancelled() and self.closed:
            return  # by `cancel`
        error = asyncio.CancelledError() if future.cancelled() else future.exception()
        if error:  # whatever the error, the messages are not committed: only a new session gets them again
            self._fail(batch[0][0], error)
            return
        for message, tracker in batch:
            tracker.finish(message.offset)
            self._finished[message.topic] += 1

    def _fail(self, message: IncomingMessage, error: BaseException) -> None:
        log.error(
            "a handler raised", action="handler_fault", topic=message.topic, offset=message.offset, exc_info=error
        )
        if not self._failure.done():
            self._failure.set_exception(ConsumerCrashedError(f"a handler raised {error!r}"))

    async def wait_for_failure(self) -> None:
        """Raise ConsumerCrashedError once the handling of a message fails."""
        await self._failure

    def update_metrics(self) -> None:
        """Add the messages that finished since the last call to the metrics."""
        for topic, number in self._finished.items():
            self._handled[topic].inc(number)
        self._finished.clear()

    async def drain(self, timeout_s: float) -> None:
        """Accept no more messages, and wait up to `timeout_s` for those in flight."""
        self.closed = True
        if self._futures:
            await asyncio.wait(list(self._futures), timeout=timeout_s)

    async def cancel(self) -> None:
        """Accept no more messages, and cancel those in flight, which stay uncommitted."""
        self.closed = True
        remaining = list(self._futures)
        for future in remaining:
            future.cancel()
        await asyncio.gather(*remaining, return_exceptions=True)
        self.update_metrics()
