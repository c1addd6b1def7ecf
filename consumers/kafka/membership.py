"""A consumer's place in its group: what is delivered to it, and how far it acknowledges.

What is delivered goes in hand if it is ours and new, as far as there is room. Every now and then the
finished prefix of each partition is committed, and the lag looked at.
"""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from typing import Final

import structlog

from consumers.kafka.faust_consumer import FaustConsumer
from consumers.kafka.in_flight import InFlight
from consumers.kafka.messages import IncomingMessage
from consumers.kafka.offset_tracker import AssignedPartitions, OffsetTracker, TopicPartition
from consumers.runtime.health import ConsumerHealth
from shadow.errors import BrokerError
from shadow.settings import KafkaSettings

COMMIT_EVERY_S: Final = 0.2
SAY_WAITING_EVERY_S: Final = 5.0

log = structlog.get_logger()


class Membership:
    """A member of `group`, from its joining to its leaving."""

    def __init__(
        self,
        kafka: KafkaSettings,
        in_hand: InFlight,
        health: ConsumerHealth,
        *,
        group: str,
        topics: Sequence[str],
        stalled_after_s: float,
    ) -> None:
        self._in_hand = in_hand
        self._health = health
        self._group = group
        self._stalled_after_s = stalled_after_s
        self._partitions = AssignedPartitions()
        self._owned: set[TopicPartition] | None = None
        self._moved_at = time.monotonic()
        self._reader = FaustConsumer(
            kafka,
            group=group,
            topics=topics,
            deliver=self._deliver,
            assigned=self._assigned,
            revoked=self._revoked,
        )

    async def read(self) -> None:
        """Join and read until cancelled. Raises ConsumerCrashedError when Faust, the broker or a delivery fails."""
        self._health.set_problem("partitions", "waiting for partitions")
        await self._reader.run()

    def _deliver(self, messages: Sequence[IncomingMessage], generation: int) -> Awaitable[None] | None:
        """Take `messages`, of one partition, in hand; where there is no room, return what goes on once there is."""
        taken = self._take(messages, generation)
        return self._take_later(messages[taken:], generation) if taken < len(messages) else None

    async def _take_later(self, messages: Sequence[IncomingMessage], generation: int) -> None:
        while messages:
            await self._in_hand.room.until_fits(len(messages[0].value))
            messages = messages[self._take(messages, generation) :]

    def _take(self, messages: Sequence[IncomingMessage], generation: int) -> int:
        """Take the first of `messages` in hand, as many as there is room for; how many that were.

        Those that are not ours any more, or in hand already, are passed over.
        """
        in_hand, room, partitions = self._in_hand, self._in_hand.room, self._partitions
        if in_hand.closed or not self._reader.is_current(generation):
            return len(messages)  # they never arrive as far as `AssignedPartitions` knows, and are never acknowledged
        partition = TopicPartition(messages[0].topic, messages[0].partition)
        for number, message in enumerate(messages):
            if not room.fits(len(message.value)):
                return number
            offset = message.offset
            prefix = partitions.arrive(partition, offset, generation) or self._arrive_anew(
                partition, offset, generation
            )
            if prefix is not None:
                in_hand.take(message, prefix)
        return len(messages)

    def _arrive_anew(self, partition: TopicPartition, offset: int, generation: int) -> OffsetTracker | None:
        """What is known arrives all the same where the log ends before it: the partition was made anew."""
        if not self._partitions.forget_if_beyond(partition, self._reader.log_end(partition)):
            return None
        return self._partitions.arrive(partition, offset, generation)

    async def watch(self) -> None:
        """Commit what is finished and look at the lag, again and again.

        Raises BrokerError when one of them is stuck for too long.
        """
        said_at = time.monotonic()
        while True:
            await asyncio.sleep(COMMIT_EVERY_S)
            self._in_hand.tell_finished()
            if self._owned is None and time.monotonic() - said_at > SAY_WAITING_EVERY_S:
                said_at = time.monotonic()
                log.info(
                    "waiting for partitions: a consumer that died keeps them for its session timeout",
                    action="waiting_for_partitions",
                    group=self._group,
                )
            uncommitted = not await self.commit()
            idle_with_lag = bool(self._measure_lag()) and self._in_hand.empty
            self._judge(uncommitted=uncommitted, idle_with_lag=idle_with_lag)

    async def commit(self) -> bool:
        """Commit every finished prefix. False where the broker did not take it."""
        due = {
            partition: offset for partition, offset in self._partitions.due().items() if self._exists(partition, offset)
        }
        if due and not await self._reader.commit(due):
            return False
        self._partitions.committed(due)
        return True

    def _exists(self, partition: TopicPartition, offset: int) -> bool:
        """Whether the partition is ours and its log goes so far.

        One that does not was made anew; committing there would skip what is written next.
        """
        end = self._reader.log_end(partition)
        return end is not None and offset <= end

    def _measure_lag(self) -> int:
        total = 0
        for partition, position in self._partitions.positions().items():
            lag = max(0, (self._reader.log_end(partition) or 0) - position)
            self._health.lag.labels(*partition).set(lag)
            total += lag
        return total

    def _judge(self, *, uncommitted: bool, idle_with_lag: bool) -> None:
        now = time.monotonic()
        if self._owned is None or not (uncommitted or idle_with_lag):
            self._moved_at = now
        elif now - self._moved_at > self._stalled_after_s:
            what = "commits" if uncommitted else "deliveries"
            raise BrokerError(f"{what} stopped {now - self._moved_at:.0f} s ago although there is more to read")

    def _assigned(self, partitions: set[TopicPartition]) -> None:
        self._owned = partitions
        self._partitions.keep(partitions)
        self._health.lag.clear()
        self._health.set_problem("partitions", None)
        self._health.set_problem("consumer", None)
        log.info("partitions assigned", action="assigned", count=len(partitions), group=self._group)

    async def _revoked(self) -> None:
        """What is finished is committed before somebody else takes over, or they would redo it."""
        if not self._in_hand.closed:
            await self.commit()

    async def leave(self) -> None:
        """Leave the group. May take as long as a request's timeout."""
        await self._reader.stop()
