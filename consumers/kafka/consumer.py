"""Consume topics in sessions, each a member of the group that handles messages concurrently.

    message ─▶ room in flight? ─▶ handle(message) ─▶ finished ─▶ commit of each partition's finished offsets

The bound on messages in flight is the backpressure: while handlers wait for a broker or a database, no
more messages are accepted. A handler returns when its message's effects are durable. So whatever is
committed has happened, and what was in flight when the process died is delivered again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import structlog

from consumers.kafka.faust_consumer import request_timeout_s
from consumers.kafka.in_flight import MessagesInFlight
from consumers.kafka.membership import Membership
from consumers.kafka.messages import IncomingMessage
from consumers.runtime.health import ConsumerHealth
from consumers.runtime.waiting import first_of
from shadow.backoff import Backoff
from shadow.errors import BrokerError, ConsumerCrashedError
from shadow.settings import KafkaSettings

Handler: TypeAlias = Callable[[IncomingMessage], Awaitable[None]]

#: After a session that lasted this long, the wait before the next one is short again.
STABLE_AFTER_S: Final = 60.0
#: Longest time for leaving the group; after it the session is abandoned.
LEAVE_TIMEOUT_S: Final = 5.0
MAX_IN_FLIGHT_BYTES: Final = 64 * 2**20

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class Subscription:
    """What a consumer reads and how.

    `handle` returns an awaitable that is done when the message's effects are durable; messages that become
    durable together may share a future. It turns its errors into dead letters: an error that escapes ends
    the session, the message uncommitted, and a new session begins. On shutdown the consumer waits `drain_s`
    for the messages in flight. After `stalled_after_s` without progress although there is more to consume,
    it gives up.
    """

    group: str
    topics: Sequence[str]
    concurrency: int
    handle: Handler
    drain_s: float = 5.0
    stalled_after_s: float = 120.0


class Consumer:
    """Consumes until it is asked to stop, in a new session whenever Faust or the broker fails."""

    def __init__(self, kafka: KafkaSettings, subscription: Subscription, health: ConsumerHealth) -> None:
        self._kafka = kafka
        self._subscription = subscription
        self._health = health
        #: The last session did not end within its deadline: its threads would keep the process alive.
        self.abandoned = False

    async def run(self, stopping: asyncio.Event) -> None:
        """Return once `stopping` is set and the group was left.

        Raises BrokerError when only a new process can help: commits or deliveries have stopped, or a
        crashed session does not end and so might keep its partitions.
        """
        backoff = Backoff()
        while not stopping.is_set():
            session = _Session(self._kafka, self._subscription, self._health)
            started_at = time.monotonic()
            try:
                await session.run(stopping)
            except ConsumerCrashedError as error:
                self._health.set_problem("consumer", f"consumer: {error}")
                if session.abandoned:
                    raise BrokerError(f"the consumer crashed and its session does not end: {error}") from error
                log.warning("the consumer crashed; starting a new session", action="consumer_restart", error=str(error))
                if time.monotonic() - started_at > STABLE_AFTER_S:
                    backoff = Backoff()
                await first_of(backoff.wait(), stopping.wait())
            finally:
                self.abandoned = session.abandoned


class _Session:
    """One member of the group from its start to its end, with its messages in flight."""

    def __init__(self, kafka: KafkaSettings, subscription: Subscription, health: ConsumerHealth) -> None:
        self._kafka = kafka
        self._drain_s = subscription.drain_s
        self._in_flight = MessagesInFlight(
            subscription.handle,
            max_messages=subscription.concurrency,
            max_bytes=MAX_IN_FLIGHT_BYTES,
            topics=subscription.topics,
            health=health,
        )
        self._membership = Membership(
            kafka,
            self._in_flight,
            health,
            group=subscription.group,
            topics=subscription.topics,
            stalled_after_s=subscription.stalled_after_s,
        )
        self.abandoned = False
        health.concurrency.set(subscription.concurrency)

    async def run(self, stopping: asyncio.Event) -> None:
        try:
            await first_of(
                self._membership.consume(),
                self._membership.commit_periodically(),
                self._in_flight.wait_for_failure(),
                stopping.wait(),
            )
        finally:
            await self._end(orderly=stopping.is_set())

    async def _end(self, *, orderly: bool) -> None:
        """Finish what is in flight, commit it, leave the group; each within a deadline."""
        if orderly:
            await self._in_flight.drain(self._drain_s)
        await self._in_flight.cancel()
        try:
            # A new session must not begin beside an old one, so a crashed one gets longer to end.
            async with asyncio.timeout(
                LEAVE_TIMEOUT_S if orderly else LEAVE_TIMEOUT_S + request_timeout_s(self._kafka)
            ):
                if orderly:
                    await self._membership.commit()
                await self._membership.leave()
        except TimeoutError:
            log.warning("ended without leaving the group: the broker does not answer", action="abandoned")
            self.abandoned = True
