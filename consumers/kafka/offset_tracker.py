"""Up to which offset each partition may be committed: never past a message that is not finished.

The messages of a partition are handled concurrently and finish in any order, while Kafka keeps one
number per partition: everything below it is done. `AssignedPartitions` computes that number. It also
recognises redeliveries, because after a rebalance Kafka delivers again from the last commit while the
first delivery may still be in flight. No I/O here.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class TopicPartition(NamedTuple):
    topic: str
    number: int


class OffsetTracker:
    """The offsets of one partition, for as long as one consumer owns it.

    `position` is the offset below which every delivered message is finished. It can be committed.
    """

    __slots__ = ("_in_flight", "committed", "generation", "next_offset")

    def __init__(self, offset: int, generation: int) -> None:
        self.generation = generation
        self.committed = offset  # everything below it is known to be committed
        self.next_offset = offset  # one past the highest offset that was delivered
        self._in_flight: set[int] = set()

    @property
    def position(self) -> int:
        return min(self._in_flight) if self._in_flight else self.next_offset

    def restart(self, offset: int, generation: int) -> None:
        """Note that delivery starts again at `offset`: everything below it was committed, by us or by another consumer.

        Messages below it that are in flight hold the committable offset back. Redelivered ones change nothing.
        """
        self.generation = generation
        self.committed = max(self.committed, offset)
        self.next_offset = max(self.next_offset, offset)

    def start(self, offset: int) -> bool:
        """Note a delivery. False for a redelivery: `offset` is in flight or finished already."""
        if offset < self.next_offset:
            return False
        self._in_flight.add(offset)
        self.next_offset = offset + 1
        return True

    def finish(self, offset: int) -> None:
        """Note that the message at `offset` was handled and that its effects are durable."""
        self._in_flight.discard(offset)


class AssignedPartitions:
    """An `OffsetTracker` for each partition that a consumer owns."""

    def __init__(self) -> None:
        self._trackers: dict[TopicPartition, OffsetTracker] = {}

    def start(self, partition: TopicPartition, offset: int, generation: int) -> OffsetTracker | None:
        """Note a delivery. None for a redelivery, which must not be handled again.

        `generation` is the consumer group's: within one, offsets only rise. The caller calls `finish` of
        the returned tracker when the message is finished. A tracker that was dropped in the meantime is
        not looked at any more, so a late finish never commits anything.
        """
        tracker = self._trackers.get(partition)
        if tracker is None:
            tracker = self._trackers[partition] = OffsetTracker(offset, generation)
        elif generation != tracker.generation:
            tracker.restart(offset, generation)
        return tracker if tracker.start(offset) else None

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        """Keep the trackers of `partitions` and drop all others."""
        assigned = set(partitions)
        self._trackers = {partition: tracker for partition, tracker in self._trackers.items() if partition in assigned}

    def reset_if_recreated(self, partition: TopicPartition, log_end: int | None) -> bool:
        """Drop the tracker of a partition whose log ends before offsets that were delivered.

        Such a topic was deleted and created again. True if the tracker was dropped.
        """
        tracker = self._trackers.get(partition)
        if tracker is None or log_end is None or tracker.next_offset <= log_end:
            return False
        del self._trackers[partition]
        return True

    def committable(self) -> dict[TopicPartition, int]:
        """What to commit: for each partition that advanced, the offset to continue from."""
        positions = ((partition, tracker, tracker.position) for partition, tracker in self._trackers.items())
        return {partition: position for partition, tracker, position in positions if position > tracker.committed}

    def mark_committed(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Note that the broker has accepted these offsets."""
        for partition, offset in offsets.items():
            if tracker := self._trackers.get(partition):
                tracker.committed = max(tracker.committed, offset)

    def positions(self) -> dict[TopicPartition, int]:
        return {partition: tracker.position for partition, tracker in self._trackers.items()}
