"""accepted = mirrored + dropped + queued, in every snapshot, whatever happens in whatever order."""

import sys
import threading
from collections import Counter, deque
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shadow.publisher import queue as queue_module
from shadow.publisher.queue import MAX_EVICTIONS, OVERHEAD_BYTES, ExchangeQueue, QueuedExchange
from tests.support.publishing import Source

BUDGET = 10 * OVERHEAD_BYTES
WAITING = 4
TASKS = st.sampled_from(["intent", "summary"])
#: Mostly small, so that the number of exchanges is at its limit as often as their bytes are.
SIZES = st.sampled_from([0, 0, 0, 1, 100, OVERHEAD_BYTES, 3 * OVERHEAD_BYTES, BUDGET])


def call(*args, task="intent", size=10):
    """A call whose exchange is never built here."""
    return Source(build, args, task=task, size=size)


def build(*args):
    raise AssertionError(args)


def make_queue(**options):
    return ExchangeQueue(**{"max_bytes": BUDGET, "max_waiting": WAITING} | options)


def outcomes(queue, task="intent"):
    """The counts of `task` without `accepted`."""
    return {name: number for name, number in queue.snapshot().counts.get(task, {}).items() if name != "accepted"}


@dataclass(eq=False)
class Offered:
    """What the model knows of one exchange that was accepted."""

    number: int
    charge: int
    entry: QueuedExchange | None = None
    #: The numbers under which it was handed to a producer; it may have arrived with each of them.
    attempts: list[int] = field(default_factory=list)
    is_in_flight: bool = False
    outcome: str | None = None


class QueueMachine(RuleBasedStateMachine):
    """Compares the queue with a model of it: plain lists, in which everything is looked up slowly."""

    def __init__(self):
        super().__init__()
        self.queue = make_queue()
        self.offers = 0
        self.refused: Counter[str] = Counter()
        self.all = []
        self.waiting: deque[Offered] = deque()
        self.returned: deque[Offered] = deque()
        self.taken = []
        #: In the order of the latest attempts.
        self.sent = []
        self.reserved = 0
        self.closed = False

    def open(self):
        return [one for one in self.all if one.outcome is None]

    def bytes_left(self):
        return BUDGET - self.reserved - sum(one.charge for one in self.open())

    def places_left(self):
        return WAITING - sum(1 for one in self.open() if not one.attempts)

    def evict_for(self, charge, *, place):
        """The oldest that must go; None if no number of them is enough."""
        for number in range(len(self.waiting) + 1):
            oldest = list(self.waiting)[:number]
            has_bytes = charge <= self.bytes_left() + sum(one.charge for one in oldest)
            if has_bytes and (not place or self.places_left() + number > 0):
                reason = "byte_budget" if charge > self.bytes_left() else "queue_full"
                for _ in oldest:
                    self.waiting.popleft().outcome = f"dropped:{reason}"
                return oldest
        return None

    @rule(task=TASKS, size=SIZES, was_reserved=st.booleans())
    def offer(self, task, size, was_reserved):
        charge = size + OVERHEAD_BYTES
        self.offers += 1
        reserved, self.reserved = (self.reserved, 0) if was_reserved else (0, self.reserved)
        accepted = self.queue.offer(call(self.offers, task=task, size=size), reserved)
        reason = "closed" if self.closed else "queue_full" if self.places_left() <= 0 else "byte_budget"
        if self.closed or self.evict_for(charge, place=True) is None:
            assert not accepted
            self.refused[f"dropped:{reason}"] += 1
        else:
            assert accepted
            self.all.append(Offered(self.offers, charge))
            self.waiting.append(self.all[-1])

    @rule(task=TASKS, number=st.integers(1, 6))
    def offer_many(self, task, number):
        for _ in range(number):
            self.offer(task, 0, was_reserved=False)

    @rule(size=SIZES)
    def reserve(self, size):
        room = (size <= self.bytes_left()) if self.closed else self.evict_for(size, place=False) is not None
        assert self.queue.reserve(size) == room
        if room:
            self.reserved += size

    @precondition(lambda self: self.reserved)
    @rule()
    def release(self):
        self.queue.release(self.reserved)
        self.reserved = 0

    @rule(task=TASKS)
    def refuse(self, task):
        self.offers += 1
        self.refused["dropped:application_error"] += 1
        self.queue.refuse(task, "application_error")

    @rule()
    def take(self):
        entry = self.queue.take()
        for source in (self.returned, self.waiting):
            while source and source[0].outcome is not None:
                source.popleft()
        source = self.returned or self.waiting
        if not source:
            assert entry is None
            return
        expected = source.popleft()
        assert entry is not None
        assert entry.call.args == (expected.number,)
        assert expected.entry in (None, entry)
        expected.entry = entry
        self.taken.append(expected)

    @precondition(lambda self: self.taken)
    @rule(number=st.integers(1, 3))
    def put_back(self, number):
        entries, self.taken = self.taken[:number], self.taken[number:]
        self.queue.put_back([one.entry for one in entries])
        for one in reversed(entries):
            if one.outcome is None:
                (self.returned if one.attempts else self.waiting).appendleft(one)

    @precondition(lambda self: self.taken)
    @rule(accepted=st.booleans())
    def send(self, accepted):
        one = self.taken.pop(0)
        attempt = self.queue.begin_attempt(one.entry)
        assert (attempt is None) == (one.outcome is not None)
        if attempt is None:
            return
        assert attempt not in one.attempts
        if accepted:
            one.attempts.append(attempt)
            one.is_in_flight = True
            self.sent = [*(other for other in self.sent if other is not one), one]
        else:
            self.queue.cancel_attempt(one.entry)
            self.taken.insert(0, one)

    @precondition(lambda self: any(one.attempts for one in self.all))
    @rule(data=st.data())
    def producer_reports(self, data):
        """A delivery, a failure or a refusal, of any attempt there ever was, also twice or contradicting."""
        one = data.draw(st.sampled_from([one for one in self.all if one.attempts]), label="exchange")
        attempt = data.draw(st.sampled_from(one.attempts), label="attempt")
        report = data.draw(st.sampled_from(["delivered", "failed", "refused"]), label="report")
        if report == "failed":
            counts = one.outcome is None and one.is_in_flight and attempt == one.attempts[-1]
            assert self.queue.attempt_failed(one.entry, attempt) == counts
            if counts:
                one.is_in_flight = False
                self.returned.append(one)
            return
        if report == "delivered":
            assert self.queue.mirrored(one.entry) == (one.outcome is None)
        else:
            assert self.queue.dropped(one.entry, "too_large") == (one.outcome is None)
        one.outcome = one.outcome or ("mirrored" if report == "delivered" else "dropped:too_large")
        one.is_in_flight = False

    @precondition(lambda self: self.taken)
    @rule()
    def cannot_be_encoded(self):
        one = self.taken[0]
        assert self.queue.dropped(one.entry, "build_failed") == (one.outcome is None)
        one.outcome = one.outcome or "dropped:build_failed"

    @rule()
    def replace_the_producer(self):
        in_flight = [one for one in self.sent if one.is_in_flight]
        assert self.queue.recall() == len(in_flight)
        for one in in_flight:
            one.is_in_flight = False
            self.returned.append(one)

    @precondition(lambda self: self.offers > 15)
    @rule(also_in_flight=st.booleans())
    def close(self, also_in_flight):
        _ = self.queue.close() if also_in_flight else self.queue.drop_waiting()
        self.closed = True
        for one in self.open():
            if also_in_flight or not one.is_in_flight:
                one.outcome = "dropped:closed"
                one.is_in_flight = False

    @invariant()
    def every_exchange_has_the_outcome_of_the_model(self):
        counts = sum((Counter(counts) for counts in self.queue.snapshot().counts.values()), Counter())
        assert counts.pop("accepted", 0) == self.offers
        assert counts == Counter(one.outcome for one in self.all if one.outcome) + self.refused

    @invariant()
    def accepted_is_mirrored_and_dropped_and_queued(self):
        snapshot = self.queue.snapshot()
        for task, counts in snapshot.counts.items():
            settled = sum(number for outcome, number in counts.items() if outcome != "accepted")
            assert counts["accepted"] == settled + snapshot.queued.get(task, 0)
        assert sum(snapshot.queued.values()) == snapshot.waiting + snapshot.in_flight == len(self.open())
        assert self.queue.open == len(self.open())

    @invariant()
    def bytes_and_places_are_those_of_the_model(self):
        snapshot = self.queue.snapshot()
        assert snapshot.bytes == BUDGET - self.bytes_left() <= BUDGET
        in_flight = [one for one in self.all if one.is_in_flight]
        assert snapshot.in_flight == len(in_flight)
        assert snapshot.in_flight_bytes == sum(one.charge for one in in_flight)
        assert self.places_left() >= 0

    @invariant()
    def what_a_producer_had_is_never_evicted(self):
        for one in self.all:
            assert not (one.attempts and one.outcome in ("dropped:byte_budget", "dropped:queue_full"))


QueueMachine.TestCase.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
TestQueue = QueueMachine.TestCase


def test_sampled_out_is_counted_and_not_accepted():
    queue = make_queue()
    queue.count_sampled_out("intent")
    assert queue.snapshot().counts == {"intent": {"sampled_out": 1}}


def test_an_exchange_with_an_outcome_keeps_nothing_alive():
    queue = make_queue()
    queue.offer(call("a request"))
    entry = queue.take()
    assert entry is not None
    queue.dropped(entry, "build_failed")
    assert (entry.call, entry.message) == (None, None)


def test_the_oldest_gives_way_to_a_newer_one_and_is_counted():
    queue = make_queue(max_waiting=1_000)
    for number in range(14):
        assert queue.offer(call(number, size=0))
    assert outcomes(queue) == {"dropped:byte_budget": 4}
    assert [queue.take().call.args for _ in range(10)] == [(number,) for number in range(4, 14)]


def test_an_answer_that_is_still_arriving_displaces_the_oldest_too():
    queue = make_queue(max_waiting=1_000)
    for number in range(10):
        queue.offer(call(number, size=0))
    assert queue.reserve(OVERHEAD_BYTES + 1)
    assert outcomes(queue) == {"dropped:byte_budget": 2}
    assert queue.take().call.args == (2,)


def test_one_that_is_larger_than_the_budget_displaces_nothing():
    queue = make_queue()
    for number in range(4):
        queue.offer(call(number, size=0))
    assert not queue.offer(call(size=BUDGET))
    assert not queue.reserve(BUDGET + 1)
    assert queue.snapshot().queued == {"intent": 4}


def test_an_offer_evicts_a_bounded_number():
    queue = make_queue(max_bytes=2 * MAX_EVICTIONS * OVERHEAD_BYTES, max_waiting=10 * MAX_EVICTIONS)
    for number in range(2 * MAX_EVICTIONS):
        queue.offer(call(number, size=0))
    assert not queue.offer(call(size=MAX_EVICTIONS * OVERHEAD_BYTES))
    assert outcomes(queue) == {"dropped:byte_budget": 1}
    assert queue.offer(call(size=(MAX_EVICTIONS - 1) * OVERHEAD_BYTES))
    assert outcomes(queue) == {"dropped:byte_budget": 1 + MAX_EVICTIONS}


def test_what_a_producer_gave_up_is_sent_before_what_came_later():
    queue = make_queue()
    for number in range(3):
        queue.offer(call(number, size=0))
    first = queue.take()
    attempt = queue.begin_attempt(first)
    assert queue.attempt_failed(first, attempt)
    assert [queue.take().call.args for _ in range(3)] == [(0,), (1,), (2,)]


def test_a_delivery_that_is_reported_after_the_exchange_was_recalled_counts():
    queue = make_queue()
    queue.offer(call(size=0))
    entry = queue.take()
    queue.begin_attempt(entry)
    queue.recall()
    assert queue.mirrored(entry)
    assert queue.take() is None, "it is not sent again"
    assert queue.snapshot().counts["intent"] == {"accepted": 1, "mirrored": 1}


def test_a_failure_of_an_earlier_attempt_does_not_take_back_the_later_one():
    queue = make_queue()
    queue.offer(call(size=0))
    entry = queue.take()
    first = queue.begin_attempt(entry)
    queue.recall()
    second = queue.begin_attempt(queue.take())
    assert not queue.attempt_failed(entry, first)
    assert queue.in_flight == 1
    assert queue.attempt_failed(entry, second)


@pytest.fixture
def frequent_switches():
    """Threads take turns as often as they can, so that races show."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("frequent_switches")
def test_it_starts_with_the_first_offer_and_once_whichever_thread_offers():
    started = []

    def start():
        started.append(threading.get_ident())
        return True

    queue = make_queue(start=start)
    assert started == []
    threads = [threading.Thread(target=queue.offer, args=(call(),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(started) == 1
    assert queue.snapshot().counts["intent"] == {"accepted": 8, "dropped:queue_full": 8 - WAITING}


def test_a_start_that_fails_is_counted_and_tried_again_with_the_next_offer():
    threads_left = [False, False, True]
    queue = make_queue(start=lambda: threads_left.pop(0))
    assert [queue.offer(call()) for _ in range(3)] == [False, False, True]
    assert queue.snapshot().counts["intent"] == {"accepted": 3, "dropped:not_started": 2}
    assert queue.open == 1


def test_reserved_bytes_are_missing_from_the_budget_until_they_are_released():
    queue = make_queue()
    assert queue.reserve(BUDGET - 100)
    assert not queue.reserve(101)
    assert not queue.offer(call())
    queue.release(BUDGET - 100)
    assert queue.offer(call())
    assert queue.snapshot().bytes == 10 + OVERHEAD_BYTES


def test_an_exchange_that_is_being_booked_is_open_all_the_while(monkeypatch):
    """Whichever thread closes the publisher must not find the queue empty."""
    found = []
    queue = make_queue()
    other = threading.Thread(target=lambda: found.append(queue.open))

    def book(*args):
        other.start()
        other.join(0.2)  # it waits: the exchange is neither in the inbox nor booked
        assert found == []
        return QueuedExchange(*args)

    monkeypatch.setattr(queue_module, "QueuedExchange", book)
    queue.offer(call())
    queue.snapshot()
    other.join()
    assert found == [1]


@pytest.mark.usefixtures("frequent_switches")
def test_threads_that_offer_at_once_share_the_budget_exactly():
    queue = make_queue(max_waiting=1_000)
    offered, threads = 2_000, 4

    def offer():
        for _ in range(offered):
            queue.offer(call(size=100))

    def deliver():
        if (entry := queue.take()) is None:
            return False
        queue.begin_attempt(entry)
        return queue.mirrored(entry)

    running = [threading.Thread(target=offer) for _ in range(threads)]
    for thread in running:
        thread.start()
    while any(thread.is_alive() for thread in running):
        snapshot = queue.snapshot()
        assert 0 <= snapshot.bytes <= BUDGET
        counts = snapshot.counts.get("intent", {})
        settled = counts.get("mirrored", 0) + counts.get("dropped:byte_budget", 0)
        assert counts.get("accepted", 0) == settled + snapshot.queued.get("intent", 0)
        deliver()
    while deliver():
        pass
    counts = queue.snapshot().counts["intent"]
    assert counts["accepted"] == offered * threads == counts["mirrored"] + counts["dropped:byte_budget"]
    assert queue.snapshot().bytes == 0
    assert queue.offer(call(size=BUDGET - OVERHEAD_BYTES)), "all of the budget is free again"


def test_an_offer_returns_what_was_reserved_for_it_whether_it_is_accepted_or_not():
    queue = make_queue()
    for is_accepted in (True, False):
        assert queue.reserve(5_000)
        size = 6_000 if is_accepted else BUDGET
        assert queue.offer(call(size=size), reserved=5_000) == is_accepted
        assert queue.snapshot().bytes == 6_000 + OVERHEAD_BYTES
