"""Nothing is acknowledged before it is finished, and everything finished is, in the end."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from consumers.kafka.offset_tracker import AssignedPartitions, OffsetTracker, TopicPartition

HERE = TopicPartition("topic", 0)


def arrived(partitions: AssignedPartitions, offset: int, generation: int = 1) -> OffsetTracker:
    prefix = partitions.arrive(HERE, offset, generation)
    assert prefix is not None
    return prefix


def test_the_prefix_stops_at_the_first_unfinished_message():
    partitions = AssignedPartitions()
    prefixes = {offset: arrived(partitions, offset) for offset in (10, 11, 12)}
    prefixes[12].finish(12)
    prefixes[11].finish(11)
    assert partitions.due() == {}
    prefixes[10].finish(10)
    assert partitions.due() == {HERE: 13}


def test_what_was_committed_is_not_due_again():
    partitions = AssignedPartitions()
    arrived(partitions, 0).finish(0)
    partitions.committed(partitions.due())
    assert partitions.due() == {}


def test_offsets_that_do_not_exist_are_passed_over():
    partitions = AssignedPartitions()
    for offset in (3, 7, 20):
        arrived(partitions, offset).finish(offset)
    assert partitions.due() == {HERE: 21}


def test_what_comes_again_while_it_is_in_hand_is_not_handled_twice():
    partitions = AssignedPartitions()
    first = arrived(partitions, 5)
    assert partitions.arrive(HERE, 5, 2) is None
    first.finish(5)
    assert partitions.due() == {HERE: 6}


def test_what_comes_again_after_it_was_finished_is_not_handled_twice():
    partitions = AssignedPartitions()
    open_ = arrived(partitions, 5)
    arrived(partitions, 6).finish(6)
    assert partitions.arrive(HERE, 5, 2) is None
    assert partitions.arrive(HERE, 6, 2) is None
    open_.finish(5)
    assert partitions.due() == {HERE: 7}


def test_a_late_finish_on_a_partition_that_was_lost_acknowledges_nothing():
    partitions = AssignedPartitions()
    lost = arrived(partitions, 5)
    partitions.keep([])
    lost.finish(5)
    assert partitions.due() == {}
    assert partitions.arrive(HERE, 5, 2) is not None
    assert partitions.due() == {}


def test_what_another_consumer_committed_meanwhile_is_never_taken_back():
    partitions = AssignedPartitions()
    before = arrived(partitions, 5)  # frozen here; another consumer took over and went on to 30
    arrived(partitions, 30, 2).finish(30)
    assert partitions.due() == {}
    before.finish(5)
    assert partitions.due() == {HERE: 31}


def test_a_topic_that_was_made_again_is_read_from_its_new_start():
    partitions = AssignedPartitions()
    old = arrived(partitions, 50)
    assert not partitions.forget_if_beyond(HERE, log_end=51)
    assert partitions.arrive(HERE, 0, 1) is None
    assert partitions.forget_if_beyond(HERE, log_end=1)
    assert partitions.arrive(HERE, 0, 1) is not None
    old.finish(0)
    assert partitions.due() == {}


class Delivery(RuleBasedStateMachine):
    """A broker that delivers in order, starts again from the last commit, and never forgets."""

    @initialize(gaps=st.lists(st.integers(1, 3), min_size=1, max_size=30))
    def log(self, gaps):
        self.offsets = [sum(gaps[: i + 1]) for i in range(len(gaps))]
        self.partitions = AssignedPartitions()
        self.generation = 1
        self.next = 0
        self.committed = 0
        self.in_hand: dict[int, OffsetTracker] = {}
        self.finished: set[int] = set()

    @precondition(lambda self: self.next < len(self.offsets))
    @rule()
    def deliver(self):
        offset = self.offsets[self.next]
        self.next += 1
        prefix = self.partitions.arrive(HERE, offset, self.generation)
        if prefix is None:
            assert offset in self.in_hand or offset in self.finished, "skipped, but nobody has it"
        else:
            assert offset not in self.in_hand, "handled twice at the same time"
            self.in_hand[offset] = prefix

    @precondition(lambda self: self.in_hand)
    @rule(data=st.data())
    def finish(self, data):
        offset = data.draw(st.sampled_from(sorted(self.in_hand)))
        self.in_hand.pop(offset).finish(offset)
        self.finished.add(offset)

    @rule(accepted=st.booleans())
    def commit(self, accepted):
        due = self.partitions.due()
        for offset in due.values():
            assert offset > self.committed
            if accepted:
                self.committed = offset
        if accepted:
            self.partitions.committed(due)

    @rule()
    def rebalance(self):
        self.generation += 1
        self.next = sum(offset < self.committed for offset in self.offsets)

    @invariant()
    def nothing_unfinished_is_acknowledged(self):
        for offset in (self.committed, *self.partitions.due().values()):
            assert all(known in self.finished for known in self.offsets if known < offset)

    def teardown(self):
        if not hasattr(self, "offsets"):
            return
        while self.next < len(self.offsets):
            self.deliver()
        for offset, prefix in self.in_hand.items():
            prefix.finish(offset)
        end = self.partitions.due().get(HERE, self.committed)
        assert end == self.offsets[-1] + 1, "what was finished must be acknowledged in the end"


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@given(st.permutations(range(8)))
def test_the_prefix_is_the_length_of_the_finished_run(order):
    prefix = OffsetTracker(0, 1)
    for offset in range(8):
        prefix.arrive(offset)
    finished = set()
    for offset in order:
        prefix.finish(offset)
        finished.add(offset)
        assert prefix.position == next((n for n in range(8) if n not in finished), 8)
