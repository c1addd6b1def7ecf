"""Messages handled side by side, and acknowledgement of what is finished.

    message ─▶ room for it? ─▶ handle(message) ─▶ finished ─▶ commit of each finished prefix

Backpressure is the room: while handlers wait for a broker or a database, nothing more is
taken in. A handler returns when its message's effects are durable, so that whatever is
committed has happened, and what was in hand when the process died is delivered again.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import structlog

from consumers.acks import Acks, Partition, Prefix
from consumers.backoff import Backoff
from consumers.health import Health
from consumers.incoming import Incoming
from consumers.reader import BrokenError, Reader, request_timeout_s
from consumers.room import Room
from shadow.errors import BrokerError
from shadow.settings import Kafka

Handler: TypeAlias = Callable[[Incoming], Awaitable[None]]

COMMIT_EVERY_S: Final = 0.2
SAY_WAITING_EVERY_S: Final = 5.0
#: Who ran so long was well, and is started again without a long wait.
LONG_LIFE_S: Final = 60.0
#: Longest time to leave the group in; after it we go without.
STOP_S: Final = 5.0
MOST_BYTES_IN_HAND: Final = 64 * 2**20

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class Subscription:
    """What a consumer reads and how.

    What `handle` returns is done when a message's effects are durable; messages that become so
    together may share a future. It buries its own faults: one that escapes starts the consumer
    anew, the message unacknowledged. When told to stop, the consumer waits `drain_s` for what is in
    hand. After `stalled_after_s` without progress although there is more to read, it gives up.
    """

    group: str
    topics: Sequence[str]
    concurrency: int
    handle: Handler
    drain_s: float = 5.0
    stalled_after_s: float = 120.0


class Consumer:
    """Reads until told to stop, starting again whenever Faust or the broker breaks."""

    def __init__(self, kafka: Kafka, subscription: Subscription, health: Health) -> None:
        self._kafka = kafka
        self._subscription = subscription
        self._health = health
        #: The reader did not end within its deadline: its threads would keep the process alive.
        self.abandoned = False

    async def run(self, stopping: asyncio.Event) -> None:
        """Return once `stopping` is set and the group was left.

        Raises BrokerError when only a new process can help: commits or deliveries have
        stopped, or a broken reader does not end and so might keep its partitions.
        """
        backoff = Backoff()
        while not stopping.is_set():
            life = _Life(self._kafka, self._subscription, self._health)
            born_at = time.monotonic()
            try:
                await life.live(stopping)
            except BrokenError as fault:
                self._health.trouble("consumer", f"consumer: {fault}")
                if life.abandoned:
                    raise BrokerError(f"the consumer broke and does not end: {fault}") from fault
                log.warning("the consumer broke; starting it again", action="consumer_restart", error=str(fault))
                if time.monotonic() - born_at > LONG_LIFE_S:
                    backoff = Backoff()
                await _either(backoff.wait(), stopping.wait())
            finally:
                self.abandoned = life.abandoned


class _Life:
    """One reader from its start to its end, with all that belongs to its membership in the group."""

    def __init__(self, kafka: Kafka, subscription: Subscription, health: Health) -> None:
        self._kafka = kafka
        self._subscription = subscription
        self._health = health
        self._acks = Acks()
        self._room = Room(subscription.concurrency, MOST_BYTES_IN_HAND)
        self._handled = {topic: health.messages.labels(topic) for topic in subscription.topics}
        #: Handled to the end and not told yet: telling costs more than counting.
        self._finished: Counter[str] = Counter()
        #: What is being handled, by the future that is done when its effects are durable.
        self._in_hand: dict[asyncio.Future[None], list[tuple[Incoming, Prefix]]] = {}
        self._tripped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._closed = False
        self._owned: set[Partition] | None = None
        self._moved_at = time.monotonic()
        self.abandoned = False
        self._reader = Reader(
            kafka,
            group=subscription.group,
            topics=subscription.topics,
            deliver=self._deliver,
            assigned=self._assigned,
            revoked=self._revoked,
        )
        health.concurrency.set(subscription.concurrency)

    async def live(self, stopping: asyncio.Event) -> None:
        self._health.trouble("partitions", "waiting for partitions")
        try:
            await _either(self._reader.run(), self._watch(), _wait(self._tripped), stopping.wait())
        finally:
            await self._end(orderly=stopping.is_set())

    async def _end(self, *, orderly: bool) -> None:
        """Finish what is in hand, commit it, leave the group; each within a deadline."""
        self._closed = True
        if self._in_hand and orderly:
            await asyncio.wait(list(self._in_hand), timeout=self._subscription.drain_s)
        left = list(self._in_hand)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        self._tell_finished()
        self._tripped.cancel()
        try:
            # A new life must not begin beside an old one, so that one gets its time to end.
            async with asyncio.timeout(STOP_S if orderly else STOP_S + request_timeout_s(self._kafka)):
                if orderly:
                    await self._commit()
                await self._reader.stop()
        except TimeoutError:
            log.warning("left without saying goodbye: the broker does not answer", action="abandoned")
            self.abandoned = True

    def _deliver(self, messages: Sequence[Incoming], generation: int) -> Awaitable[None] | None:
        """Start handling `messages`, of one partition; return what goes on once there is room, if there is none."""
        begun = self._begin(messages, generation)
        return self._deliver_later(messages[begun:], generation) if begun < len(messages) else None

    async def _deliver_later(self, messages: Sequence[Incoming], generation: int) -> None:
        while messages:
            await self._room.until_fits(len(messages[0].value))
            messages = messages[self._begin(messages, generation) :]

    def _begin(self, messages: Sequence[Incoming], generation: int) -> int:
        """Start handling the first of `messages`, as many as there is room for; how many that were.

        Those that are not ours any more, or in hand already, are passed over.
        """
        if self._closed or not self._reader.is_current(generation):
            return len(messages)  # they never arrive as far as `Acks` knows, and are never acknowledged
        partition = Partition(messages[0].topic, messages[0].partition)
        for number, message in enumerate(messages):
            size = len(message.value)
            if not self._room.fits(size):
                return number
            prefix = self._arrive(partition, message, generation)
            if prefix is not None:
                self._room.take(size)
                self._handle(message, prefix)
        return len(messages)

    def _handle(self, message: Incoming, prefix: Prefix) -> None:
        self._health.take(1)
        task = asyncio.ensure_future(self._subscription.handle(message))  # a future stays what it is
        together = self._in_hand.get(task)
        if together is None:
            together = self._in_hand[task] = []
            task.add_done_callback(self._done)
        together.append((message, prefix))

    def _arrive(self, partition: Partition, message: Incoming, generation: int) -> Prefix | None:
        prefix = self._acks.arrive(partition, message.offset, generation)
        if prefix is None and self._acks.forget_if_beyond(partition, self._reader.log_end(partition)):
            return self._acks.arrive(partition, message.offset, generation)
        return prefix

    def _done(self, task: "asyncio.Future[None]") -> None:
        together = self._in_hand.pop(task)
        self._room.leave(len(together), sum(len(message.value) for message, _ in together))
        self._health.take(-len(together))
        if task.cancelled():
            return
        if fault := task.exception():  # whatever it was, the messages are not acknowledged
            first, _ = together[0]
            log.error(
                "a handler raised", action="handler_fault", topic=first.topic, offset=first.offset, exc_info=fault
            )
            if not self._tripped.done():
                self._tripped.set_exception(BrokenError(repr(fault)))
            return
        for message, prefix in together:
            prefix.finish(message.offset)
            self._finished[message.topic] += 1

    def _tell_finished(self) -> None:
        for topic, number in self._finished.items():
            self._handled[topic].inc(number)
        self._finished.clear()

    async def _watch(self) -> None:
        """Commit what is finished and look at the lag, until something is stuck for too long."""
        said_at = time.monotonic()
        while True:
            await asyncio.sleep(COMMIT_EVERY_S)
            self._tell_finished()
            if self._owned is None and time.monotonic() - said_at > SAY_WAITING_EVERY_S:
                said_at = time.monotonic()
                log.info(
                    "waiting for partitions: a consumer that died keeps them for its session timeout",
                    action="waiting_for_partitions",
                    group=self._subscription.group,
                )
            uncommitted = not await self._commit()
            idle_with_lag = bool(self._measure_lag()) and not self._in_hand
            self._judge(uncommitted=uncommitted, idle_with_lag=idle_with_lag)

    def _judge(self, *, uncommitted: bool, idle_with_lag: bool) -> None:
        now = time.monotonic()
        if self._owned is None or not (uncommitted or idle_with_lag):
            self._moved_at = now
        elif now - self._moved_at > self._subscription.stalled_after_s:
            what = "commits" if uncommitted else "deliveries"
            raise BrokerError(f"{what} stopped {now - self._moved_at:.0f} s ago although there is more to read")

    async def _commit(self) -> bool:
        """Commit every finished prefix. False where the broker did not take it."""
        due = {partition: offset for partition, offset in self._acks.due().items() if self._exists(partition, offset)}
        if due and not await self._reader.commit(due):
            return False
        self._acks.committed(due)
        return True

    def _exists(self, partition: Partition, offset: int) -> bool:
        """Whether the partition is ours and its log goes so far.

        One that does not was made anew; committing there would skip what is written next.
        """
        end = self._reader.log_end(partition)
        return end is not None and offset <= end

    def _measure_lag(self) -> int:
        total = 0
        for partition, position in self._acks.positions().items():
            lag = max(0, (self._reader.log_end(partition) or 0) - position)
            self._health.lag.labels(*partition).set(lag)
            total += lag
        return total

    def _assigned(self, partitions: set[Partition]) -> None:
        self._owned = partitions
        self._acks.keep(partitions)
        self._health.lag.clear()
        self._health.trouble("partitions", None)
        self._health.trouble("consumer", None)
        log.info("partitions assigned", action="assigned", count=len(partitions), group=self._subscription.group)

    async def _revoked(self) -> None:
        """What is finished is committed before somebody else takes over, or they would redo it."""
        if not self._closed:
            await self._commit()


async def _wait(future: "asyncio.Future[None]") -> None:
    await future


async def _either(*waits: Coroutine[Any, Any, Any]) -> None:
    """Return, or raise, with the first that ends; cancel the others."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
