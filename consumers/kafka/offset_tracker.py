"""How far each partition may be acknowledged: never past a message that is not finished.

Messages of a partition are handled side by side and finish in any order, while Kafka keeps
one number per partition: everything below it is done. `AssignedPartitions` computes that number. It also
recognises messages that come a second time, because after a rebalance Kafka delivers again
from the last commit while the first delivery is still being handled. No I/O in here.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class TopicPartition(NamedTuple):
    topic: str
    number: int


class OffsetTracker:
    """The finished prefix of one partition for as long as one consumer owns it.

    `position` is the offset below which everything that was delivered is finished.
    """

    __slots__ = ("_open", "end", "floor", "generation")

    def __init__(self, offset: int, generation: int) -> None:
        self.generation = generation
        self.floor = offset  # below it everything is known to be committed
        self.end = offset  # one past the highest offset that was delivered
        self._open: set[int] = set()

    @property
    def position(self) -> int:
        return min(self._open) if self._open else self.end

    def begin(self, offset: int, generation: int) -> None:
        """Delivery starts again at `offset`: what lies below was committed, if not by us.

        Messages in hand below it still hold the position back, which costs nothing.
        """
        self.generation = generation
        self.floor = max(self.floor, offset)
        self.end = max(self.end, offset)

    def arrive(self, offset: int) -> bool:
        """Note a delivery. False where `offset` is in hand or finished already."""
        if offset < self.end:
            return False
        self._open.add(offset)
        self.end = offset + 1
        return True

    def finish(self, offset: int) -> None:
        """`offset` was handled to the end and its effects are durable."""
        self._open.discard(offset)


class AssignedPartitions:
    """The prefixes of the partitions a consumer owns."""

    def __init__(self) -> None:
        self._prefixes: dict[TopicPartition, OffsetTracker] = {}

    def arrive(self, partition: TopicPartition, offset: int, generation: int) -> OffsetTracker | None:
        """Note a delivery; None means it is known and must not be handled again.

        `generation` is the consumer group's: within one, offsets only rise. The caller tells
        the returned prefix when the message is finished. A prefix that has been given up in
        the meantime takes no notice, so a late finish can never acknowledge anything.
        """
        prefix = self._prefixes.get(partition)
        if prefix is None:
            prefix = self._prefixes[partition] = OffsetTracker(offset, generation)
        elif generation != prefix.generation:
            prefix.begin(offset, generation)
        return prefix if prefix.arrive(offset) else None

    def keep(self, partitions: Iterable[TopicPartition]) -> None:
        """These partitions are ours now; forget those that are not."""
        kept = set(partitions)
        self._prefixes = {partition: prefix for partition, prefix in self._prefixes.items() if partition in kept}

    def forget_if_beyond(self, partition: TopicPartition, log_end: int | None) -> bool:
        """Forget a partition whose log ends before what we saw of it: it was made anew."""
        prefix = self._prefixes.get(partition)
        if prefix is None or log_end is None or prefix.end <= log_end:
            return False
        del self._prefixes[partition]
        return True

    def due(self) -> dict[TopicPartition, int]:
        """What to commit: for each partition that moved, the offset to continue from."""
        positions = ((partition, prefix, prefix.position) for partition, prefix in self._prefixes.items())
        return {partition: position for partition, prefix, position in positions if position > prefix.floor}

    def committed(self, offsets: Mapping[TopicPartition, int]) -> None:
        """The broker has accepted these."""
        for partition, offset in offsets.items():
            if prefix := self._prefixes.get(partition):
                prefix.floor = max(prefix.floor, offset)

    def positions(self) -> dict[TopicPartition, int]:
        return {partition: prefix.position for partition, prefix in self._prefixes.items()}
