"""Nothing is committed before it is finished, and everything finished is committed in the end."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from consumers.kafka.offset_tracker import AssignedPartitions, OffsetTracker, TopicPartition

PARTITION = TopicPartition("topic", 0)


def started(partitions: AssignedPartitions, offset: int, generation: int = 1) -> OffsetTracker:
    tracker = partitions.start(PARTITION, offset, generation)
    assert tracker is not None
    return tracker


def test_the_position_stops_at_the_first_unfinished_message():
    partitions = AssignedPartitions()
    trackers = {offset: started(partitions, offset) for offset in (10, 11, 12)}
    trackers[12].finish(12)
    trackers[11].finish(11)
    assert partitions.committable() == {}
    trackers[10].finish(10)
    assert partitions.committable() == {PARTITION: 13}


def test_what_was_committed_is_not_committable_again():
    partitions = AssignedPartitions()
    started(partitions, 0).finish(0)
    partitions.mark_committed(partitions.committable())
    assert partitions.committable() == {}


def test_gaps_in_the_offsets_are_skipped():
    partitions = AssignedPartitions()
    for offset in (3, 7, 20):
        started(partitions, offset).finish(offset)
    assert partitions.committable() == {PARTITION: 21}


def test_a_message_redelivered_while_in_flight_is_not_handled_twice():
    partitions = AssignedPartitions()
    first = started(partitions, 5)
    assert partitions.start(PARTITION, 5, 2) is None
    first.finish(5)
    assert partitions.committable() == {PARTITION: 6}


def test_a_message_redelivered_after_it_finished_is_not_handled_twice():
    partitions = AssignedPartitions()
    unfinished = started(partitions, 5)
    started(partitions, 6).finish(6)
    assert partitions.start(PARTITION, 5, 2) is None
    assert partitions.start(PARTITION, 6, 2) is None
    unfinished.finish(5)
    assert partitions.committable() == {PARTITION: 7}


def test_a_late_finish_on_a_revoked_partition_commits_nothing():
    partitions = AssignedPartitions()
    revoked = started(partitions, 5)
    partitions.assign([])
    revoked.finish(5)
    assert partitions.committable() == {}
    assert partitions.start(PARTITION, 5, 2) is not None
    assert partitions.committable() == {}


def test_a_commit_of_another_consumer_is_never_taken_back():
    partitions = AssignedPartitions()
    before = started(partitions, 5)  # frozen here; another consumer took over and continued to 30
    started(partitions, 30, 2).finish(30)
    assert partitions.committable() == {}
    before.finish(5)
    assert partitions.committable() == {PARTITION: 31}


def test_a_recreated_topic_is_read_from_its_new_start():
    partitions = AssignedPartitions()
    old = started(partitions, 50)
    assert not partitions.reset_if_recreated(PARTITION, log_end=51)
    assert partitions.start(PARTITION, 0, 1) is None
    assert partitions.reset_if_recreated(PARTITION, log_end=1)
    assert partitions.start(PARTITION, 0, 1) is not None
    old.finish(0)
    assert partitions.committable() == {}


class Delivery(RuleBasedStateMachine):
    """A broker that delivers in order, starts again from the last commit, and loses nothing."""

    @initialize(gaps=st.lists(st.integers(1, 3), min_size=1, max_size=30))
    def log(self, gaps):
        self.offsets = [sum(gaps[: i + 1]) for i in range(len(gaps))]
        self.partitions = AssignedPartitions()
        self.generation = 1
        self.next = 0
        self.committed = 0
        self.in_flight: dict[int, OffsetTracker] = {}
        self.finished: set[int] = set()

    @precondition(lambda self: self.next < len(self.offsets))
    @rule()
    def deliver(self):
        offset = self.offsets[self.next]
        self.next += 1
        tracker = self.partitions.start(PARTITION, offset, self.generation)
        if tracker is None:
            assert offset in self.in_flight or offset in self.finished, "passed over, but it was never handled"
        else:
            assert offset not in self.in_flight, "handled twice at the same time"
            self.in_flight[offset] = tracker

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data())
    def finish(self, data):
        offset = data.draw(st.sampled_from(sorted(self.in_flight)))
        self.in_flight.pop(offset).finish(offset)
        self.finished.add(offset)

    @rule(accepted=st.booleans())
    def commit(self, accepted):
        committable = self.partitions.committable()
        for offset in committable.values():
            assert offset > self.committed
            if accepted:
                self.committed = offset
        if accepted:
            self.partitions.mark_committed(committable)

    @rule()
    def rebalance(self):
        self.generation += 1
        self.next = sum(offset < self.committed for offset in self.offsets)

    @invariant()
    def nothing_unfinished_is_committed(self):
        for offset in (self.committed, *self.partitions.committable().values()):
            assert all(known in self.finished for known in self.offsets if known < offset)

    def teardown(self):
        if not hasattr(self, "offsets"):
            return
        while self.next < len(self.offsets):
            self.deliver()
        for offset, tracker in self.in_flight.items():
            tracker.finish(offset)
        end = self.partitions.committable().get(PARTITION, self.committed)
        assert end == self.offsets[-1] + 1, "everything finished must be committed in the end"


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@given(st.permutations(range(8)))
def test_the_position_is_the_length_of_the_finished_run(order):
    tracker = OffsetTracker(0, 1)
    for offset in range(8):
        tracker.start(offset)
    finished = set()
    for offset in order:
        tracker.finish(offset)
        finished.add(offset)
        assert tracker.position == next((n for n in range(8) if n not in finished), 8)
