"""A session's membership in its consumer group: deliveries accepted, offsets committed, lag measured.

Deliveries are accepted if their partition is still assigned and they are new, as far as there is room.
Every COMMIT_EVERY_S the finished offsets are committed and the lag is measured.
"""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from typing import Final

import structlog

from consumers.kafka.faust_consumer import FaustConsumer
from consumers.kafka.in_flight import MessagesInFlight
from consumers.kafka.messages import IncomingMessage
from consumers.kafka.offset_tracker import AssignedPartitions, OffsetTracker, TopicPartition
from consumers.runtime.health import ConsumerHealth
from shadow.errors import BrokerError
from shadow.settings import KafkaSettings

COMMIT_EVERY_S: Final = 0.2
LOG_WAITING_EVERY_S: Final = 5.0

log = structlog.get_logger()


class Membership:
    """One member of the consumer group `group`, from joining to leaving."""

    def __init__(
        self,
        kafka: KafkaSettings,
        in_flight: MessagesInFlight,
        health: ConsumerHealth,
        *,
        group: str,
        topics: Sequence[str],
        stalled_after_s: float,
    ) -> None:
        self._in_flight = in_flight
        self._health = health
        self._group = group
        self._stalled_after_s = stalled_after_s
        self._partitions = AssignedPartitions()
        self._assigned: set[TopicPartition] | None = None  # None until the group assigned any
        self._progressed_at = time.monotonic()
        self._consumer = FaustConsumer(
            kafka,
            group=group,
            topics=topics,
            deliver=self._deliver,
            on_assigned=self._on_assigned,
            on_revoked=self._on_revoked,
        )

    async def consume(self) -> None:
        """Join the group and consume until cancelled.

        Raises ConsumerCrashedError when Faust, the broker or a delivery fails.
        """
        self._health.set_problem("partitions", "waiting for partitions")
        await self._consumer.run()

    def _deliver(self, messages: Sequence[IncomingMessage], generation: int) -> Awaitable[None] | None:
        """Start `messages`, of one partition. Where there is no room, returns what starts the rest once there is."""
        accepted = self._accept(messages, generation)
        return self._accept_when_room(messages[accepted:], generation) if accepted < len(messages) else None

    async def _accept_when_room(self, messages: Sequence[IncomingMessage], generation: int) -> None:
        while messages:
            await self._in_flight.wait_for_room(messages[0].size)
            messages = messages[self._accept(messages, generation) :]

    def _accept(self, messages: Sequence[IncomingMessage], generation: int) -> int:
        """Start the first of `messages`, as many as there is room for; returns how many are done with.

        Passes over messages of partitions that are not assigned any more, and over redeliveries.
        """
        in_flight, partitions = self._in_flight, self._partitions
        if in_flight.closed or not self._consumer.is_current(generation):
            return len(messages)  # no tracker knows them, so they are never committed
        partition = TopicPartition(messages[0].topic, messages[0].partition)
        for number, message in enumerate(messages):
            if not in_flight.has_room(message.size):
                return number
            offset = message.offset
            tracker = partitions.start(partition, offset, generation)
            if tracker is None:
                tracker = self._start_if_recreated(partition, offset, generation)
            if tracker is not None:
                in_flight.start(message, tracker)
        return len(messages)

    def _start_if_recreated(self, partition: TopicPartition, offset: int, generation: int) -> OffsetTracker | None:
        """A redelivery also counts as a new message if its topic was deleted and created again."""
        if not self._partitions.reset_if_recreated(partition, self._consumer.log_end(partition)):
            return None
        return self._partitions.start(partition, offset, generation)

    async def commit_periodically(self) -> None:
        """Commit finished offsets and measure the lag until cancelled.

        Raises BrokerError when commits or deliveries made no progress for `stalled_after_s` although there
        is more to consume.
        """
        logged_at = time.monotonic()
        while True:
            await asyncio.sleep(COMMIT_EVERY_S)
            self._in_flight.update_metrics()
            if self._assigned is None and time.monotonic() - logged_at > LOG_WAITING_EVERY_S:
                logged_at = time.monotonic()
                log.info(
                    "waiting for partitions: a consumer that died keeps them until its session times out",
                    action="waiting_for_partitions",
                    group=self._group,
                )
            uncommitted = not await self.commit()
            idle_with_lag = bool(self._measure_lag()) and not self._in_flight.messages
            self._check_progress(uncommitted=uncommitted, idle_with_lag=idle_with_lag)

    async def commit(self) -> bool:
        """Commit the position of each partition. False where the broker refused."""
        committable = self._partitions.committable()
        offsets = {partition: offset for partition, offset in committable.items() if self._exists(partition, offset)}
        if offsets and not await self._consumer.commit(offsets):
            return False
        self._partitions.mark_committed(offsets)
        return True

    def _exists(self, partition: TopicPartition, offset: int) -> bool:
        """Whether the partition is assigned and its log reaches `offset`.

        A shorter log belongs to a topic that was created again; committing there would skip what is
        written to it next.
        """
        end = self._consumer.log_end(partition)
        return end is not None and offset <= end

    def _measure_lag(self) -> int:
        total = 0
        for partition, position in self._partitions.positions().items():
            lag = max(0, (self._consumer.log_end(partition) or 0) - position)
            self._health.lag.labels(*partition).set(lag)
            total += lag
        return total

    def _check_progress(self, *, uncommitted: bool, idle_with_lag: bool) -> None:
        now = time.monotonic()
        if self._assigned is None or not (uncommitted or idle_with_lag):
            self._progressed_at = now
        elif now - self._progressed_at > self._stalled_after_s:
            what = "commits" if uncommitted else "deliveries"
            raise BrokerError(f"{what} stopped {now - self._progressed_at:.0f} s ago although there is more to consume")

    def _on_assigned(self, partitions: set[TopicPartition]) -> None:
        self._assigned = partitions
        self._partitions.assign(partitions)
        self._health.lag.clear()
        self._health.set_problem("partitions", None)
        self._health.set_problem("consumer", None)
        log.info("partitions assigned", action="assigned", count=len(partitions), group=self._group)

    async def _on_revoked(self) -> None:
        """Commit what is finished before another consumer takes over, which would do it again."""
        if not self._in_flight.closed:
            await self.commit()

    async def leave(self) -> None:
        """Leave the group. May take as long as a request's timeout."""
        await self._consumer.stop()
