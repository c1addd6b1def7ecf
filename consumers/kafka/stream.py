"""Messages handled side by side, and acknowledgement of what is finished.

    message ─▶ room for it? ─▶ handle(message) ─▶ finished ─▶ commit of each finished prefix

Backpressure is the room: while handlers wait for a broker or a database, nothing more is
taken in. A handler returns when its message's effects are durable, so that whatever is
committed has happened, and what was in hand when the process died is delivered again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import structlog

from consumers.kafka.faust_consumer import ConsumerCrashedError, request_timeout_s
from consumers.kafka.in_flight import InFlight
from consumers.kafka.membership import Membership
from consumers.kafka.messages import IncomingMessage
from consumers.kafka.room import Room
from consumers.runtime.backoff import Backoff
from consumers.runtime.health import ConsumerHealth
from shadow.errors import BrokerError
from shadow.settings import KafkaSettings

Handler: TypeAlias = Callable[[IncomingMessage], Awaitable[None]]

#: Who ran so long was well, and is started again without a long wait.
LONG_LIFE_S: Final = 60.0
#: Longest time to leave the group in; after it we go without.
STOP_S: Final = 5.0
MAX_IN_FLIGHT_BYTES: Final = 64 * 2**20

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

    def __init__(self, kafka: KafkaSettings, subscription: Subscription, health: ConsumerHealth) -> None:
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
            except ConsumerCrashedError as fault:
                self._health.set_problem("consumer", f"consumer: {fault}")
                if life.abandoned:
                    raise BrokerError(f"the consumer broke and does not end: {fault}") from fault
                log.warning("the consumer broke; starting it again", action="consumer_restart", error=str(fault))
                if time.monotonic() - born_at > LONG_LIFE_S:
                    backoff = Backoff()
                await _either(backoff.wait(), stopping.wait())
            finally:
                self.abandoned = life.abandoned


class _Life:
    """One member of the group from its start to its end, with what it has in hand."""

    def __init__(self, kafka: KafkaSettings, subscription: Subscription, health: ConsumerHealth) -> None:
        self._kafka = kafka
        self._drain_s = subscription.drain_s
        room = Room(subscription.concurrency, MAX_IN_FLIGHT_BYTES)
        self._in_hand = InFlight(subscription.handle, room, subscription.topics, health)
        self._membership = Membership(
            kafka,
            self._in_hand,
            health,
            group=subscription.group,
            topics=subscription.topics,
            stalled_after_s=subscription.stalled_after_s,
        )
        self.abandoned = False
        health.concurrency.set(subscription.concurrency)

    async def live(self, stopping: asyncio.Event) -> None:
        try:
            await _either(
                self._membership.read(), self._membership.watch(), self._in_hand.until_one_falls(), stopping.wait()
            )
        finally:
            await self._end(orderly=stopping.is_set())

    async def _end(self, *, orderly: bool) -> None:
        """Finish what is in hand, commit it, leave the group; each within a deadline."""
        if orderly:
            await self._in_hand.drain(self._drain_s)
        await self._in_hand.drop()
        try:
            # A new life must not begin beside an old one, so that one gets its time to end.
            async with asyncio.timeout(STOP_S if orderly else STOP_S + request_timeout_s(self._kafka)):
                if orderly:
                    await self._membership.commit()
                await self._membership.leave()
        except TimeoutError:
            log.warning("left without saying goodbye: the broker does not answer", action="abandoned")
            self.abandoned = True


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
