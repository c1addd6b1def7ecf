"""accepted = mirrored + dropped + queued, in every snapshot, whatever happens in whatever order."""

import sys
import threading

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from shadow.publisher.queue import OVERHEAD_BYTES, Accounts
from tests.support.publishing import Source

BUDGET = 10 * OVERHEAD_BYTES
WAITING = 4
TASKS = st.sampled_from(["intent", "summary"])
REASONS = st.sampled_from(["delivery_timeout", "build_failed"])


def nothing(*args):
    """An exchange that is never built here."""
    raise AssertionError(args)


class Books(RuleBasedStateMachine):
    tickets = Bundle("tickets")

    def __init__(self):
        super().__init__()
        self.accounts = Accounts(max_bytes=BUDGET, max_waiting=WAITING)
        self.offered = 0
        self.closed = False

    @rule(task=TASKS, size=st.integers(0, BUDGET))
    def offer(self, task, size):
        self.offered += 1
        before = self.accounts.snapshot()
        room = before.waiting < WAITING and before.bytes + size + OVERHEAD_BYTES <= BUDGET
        assert self.accounts.offer(Source(nothing, task=task, size=size)) == (room and not self.closed)

    @rule(target=tickets)
    def take(self):
        return self.accounts.take()

    @rule(task=TASKS)
    def refuse(self, task):
        self.offered += 1
        self.accounts.refuse(task, "closed")

    @rule(ticket=tickets)
    def send(self, ticket):
        if ticket is not None:
            self.accounts.sent(ticket)

    @rule(ticket=tickets, reason=REASONS, delivered=st.booleans())
    def settle(self, ticket, reason, delivered):
        if ticket is not None:
            _ = self.accounts.mirrored(ticket) if delivered else self.accounts.dropped(ticket, reason)

    @rule(ticket=consumes(tickets))
    def settle_twice(self, ticket):
        if ticket is not None:
            first = self.accounts.mirrored(ticket)
            assert not self.accounts.dropped(ticket, "stalled") or not first

    @rule()
    def stall(self):
        before = self.accounts.snapshot()
        recalled = self.accounts.recall()
        after = self.accounts.snapshot()
        assert (recalled, after.in_flight, after.in_flight_bytes) == (before.in_flight, 0, 0)
        assert after.queued == before.queued

    @rule()
    def close(self):
        self.accounts.close()
        self.closed = True

    @invariant()
    def every_exchange_has_one_outcome(self):
        snapshot = self.accounts.snapshot()
        for task, counts in snapshot.counts.items():
            settled = sum(n for outcome, n in counts.items() if outcome not in ("accepted", "sampled_out"))
            assert counts["accepted"] == settled + snapshot.queued.get(task, 0)
        assert sum(counts.get("accepted", 0) for counts in snapshot.counts.values()) == self.offered

    @invariant()
    def nothing_exceeds_its_bound(self):
        snapshot = self.accounts.snapshot()
        assert 0 <= snapshot.in_flight_bytes <= snapshot.bytes <= BUDGET
        assert snapshot.waiting >= 0
        assert sum(snapshot.queued.values()) == snapshot.waiting + snapshot.in_flight

    @invariant()
    def what_is_closed_holds_nothing(self):
        if self.closed:
            assert self.accounts.snapshot().bytes == 0


Books.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestAccounts = Books.TestCase


def test_sampled_out_is_counted_and_not_accepted():
    accounts = Accounts(max_bytes=BUDGET, max_waiting=WAITING)
    accounts.sampled_out("intent")
    assert accounts.snapshot().counts == {"intent": {"sampled_out": 1}}


def test_a_settled_ticket_lets_go_of_what_it_held():
    accounts = Accounts(max_bytes=BUDGET, max_waiting=WAITING)
    accounts.offer(Source(nothing, ("a request",)))
    ticket = accounts.take()
    assert ticket is not None
    accounts.dropped(ticket, "delivery_timeout")
    assert ticket.call is None


@pytest.fixture
def hurry():
    """Threads take turns as often as they can, so that races come to light."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_it_begins_with_the_first_offer_and_once_whoever_offers(hurry):
    begun: list[int] = []

    def begin():
        begun.append(threading.get_ident())
        return True

    accounts = Accounts(max_bytes=BUDGET, max_waiting=WAITING, begin=begin)
    assert begun == []
    threads = [threading.Thread(target=accounts.offer, args=(Source(nothing),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(begun) == 1
    assert accounts.counts()["intent"] == {"accepted": 8, "dropped:queue_full": 8 - WAITING}


def test_what_could_not_begin_is_counted_and_tried_again_with_the_next_offer():
    threads_left = [False, False, True]
    accounts = Accounts(max_bytes=BUDGET, max_waiting=WAITING, begin=lambda: threads_left.pop(0))
    assert [accounts.offer(Source(nothing)) for _ in range(3)] == [False, False, True]
    assert accounts.counts()["intent"] == {"accepted": 3, "dropped:not_started": 2}
    assert accounts.open == 1


def test_what_is_reserved_is_missing_from_the_budget_until_it_is_released():
    accounts = Accounts(max_bytes=BUDGET, max_waiting=WAITING)
    assert accounts.reserve(BUDGET - 100)
    assert not accounts.reserve(101)
    assert not accounts.offer(Source(nothing))
    accounts.release(BUDGET - 100)
    assert accounts.offer(Source(nothing))
    assert accounts.snapshot().bytes == 10 + OVERHEAD_BYTES


def test_an_exchange_that_is_being_entered_is_open_all_the_while():
    """Whoever closes looks from another thread, and must not take it for done."""
    found: list[int] = []
    elsewhere = threading.Thread(target=lambda: found.append(accounts.open))

    def clock():
        elsewhere.start()
        elsewhere.join(0.2)  # nothing comes of it: the exchange is neither waiting nor entered
        assert found == []
        return 0.0

    accounts = Accounts(max_bytes=BUDGET, max_waiting=WAITING, clock=clock)
    accounts.offer(Source(nothing))
    accounts.counts()
    elsewhere.join()
    assert found == [1]


def test_threads_that_offer_at_once_share_the_budget_exactly(hurry):
    accounts = Accounts(max_bytes=BUDGET, max_waiting=1_000)
    offered, threads = 2_000, 4

    def offer():
        for _ in range(offered):
            accounts.offer(Source(nothing, size=100))

    working = [threading.Thread(target=offer) for _ in range(threads)]
    for thread in working:
        thread.start()
    while any(thread.is_alive() for thread in working):
        assert accounts.snapshot().bytes <= BUDGET
        if (ticket := accounts.take()) is not None:
            accounts.mirrored(ticket)
    while (ticket := accounts.take()) is not None:
        accounts.mirrored(ticket)
    counts = accounts.counts()["intent"]
    assert counts["accepted"] == offered * threads == counts["mirrored"] + counts["dropped:byte_budget"]
    assert accounts.offer(Source(nothing, size=BUDGET - OVERHEAD_BYTES)), "all of the budget is free again"


def test_an_offer_returns_what_was_reserved_for_it_whether_it_is_taken_or_not():
    accounts = Accounts(max_bytes=BUDGET, max_waiting=1)
    for taken in (True, False):
        assert accounts.reserve(5_000)
        assert accounts.offer(Source(nothing, size=6_000), reserved=5_000) == taken
        assert accounts.snapshot().bytes == 6_000 + OVERHEAD_BYTES
