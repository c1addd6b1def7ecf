"""The exchanges on their way to Kafka: the memory they use, and the outcome of each. No I/O, thread-safe.

`accepted = mirrored + dropped + queued` holds per task in every snapshot. The application's
threads only append to an inbox; the publisher thread, or a snapshot, books the inbox under the
lock. An exchange leaves the queue once: delivered, evicted for a newer one, refused by the broker
for its content, or dropped when the publisher closes. Time alone never removes it.
"""

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from shadow.recording import ExchangeSource
from shadow.wire import Message

#: Charged for every exchange in addition to its own bytes: our bookkeeping and the Kafka client's.
OVERHEAD_BYTES: Final = 2_048
#: How many exchanges `offer` evicts at most to make room for one. The caller waits for it: an eviction takes
#: about half a microsecond, and one larger than so many others has taken longer to arrive.
MAX_EVICTIONS: Final = 128
#: Inbox entries booked under one hold of the lock.
_BOOKED_AT_ONCE: Final = 64

_NONE: Final = float("-inf")  # stays the same whatever is added to it


class QueuedExchange(msgspec.Struct, eq=False):
    """One accepted exchange. It holds the `call` that was offered until the `message` is made from it.

    `attempt` counts how often it was handed to a producer. From the first time on the broker may
    have it, even where no producer reported a delivery.
    """

    task: str
    size: int
    call: ExchangeSource | None
    message: Message | None = None
    attempt: int = 0

    def keep_only(self, message: Message | None) -> None:
        """Release everything else that it holds."""
        self.call, self.message = None, message


@dataclass(frozen=True, kw_only=True)
class QueueSnapshot:
    """The queue at one moment. `counts[task][outcome]` as in `CaptureCounts`; `queued` per task."""

    counts: dict[str, dict[str, int]]
    queued: dict[str, int]
    bytes: int
    waiting: int
    in_flight: int
    in_flight_bytes: int


class ExchangeQueue:
    """The byte budget, the counts, and the exchanges that wait for the publisher thread.

    `start` is called with the first offer, and again with a later one where it returned False. The
    lock is re-entrant because garbage collection may finish an abandoned stream, and so call these
    methods, at any moment, on the very thread that holds it.

    An exchange that was handed to a producer is never evicted: the broker may have it, and an
    exchange that arrived must not be counted as dropped.
    """

    # Attributes of an object with slots lie side by side: `offer` reads three of them.
    __slots__ = (
        "_bytes_left",
        "_closed",
        "_counts",
        "_enter",
        "_in_flight",
        "_in_flight_bytes",
        "_inbox",
        "_lock",
        "_max_bytes",
        "_max_waiting",
        "_open",
        "_places_left",
        "_queued",
        "_returned",
        "_start",
        "_started",
        "_waiting",
    )

    def __init__(self, *, max_bytes: int, max_waiting: int, start: Callable[[], bool] = lambda: True) -> None:
        """`max_waiting` limits the exchanges that were not handed to a producer yet."""
        self._max_bytes = max_bytes
        self._max_waiting = max_waiting
        self._start = start
        self.reset()

    def reset(self) -> None:
        """Become empty, with a new lock: for the child after a fork."""
        self._lock = threading.RLock()
        self._inbox: deque[ExchangeSource] = deque()
        self._enter = self._inbox.append
        self._bytes_left = self._max_bytes
        self._places_left = _NONE  # until it has started
        self._started = False
        self._closed = False
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._queued: Counter[str] = Counter()
        #: Every exchange without an outcome, except those in the inbox.
        self._open: set[QueuedExchange] = set()
        #: Never handed to a producer, oldest first.
        self._waiting: deque[QueuedExchange] = deque()
        #: Handed to a producer that gave them up.
        self._returned: deque[QueuedExchange] = deque()
        #: With the producer, oldest first.
        self._in_flight: dict[QueuedExchange, None] = {}
        self._in_flight_bytes = 0

    # --- The application's threads -----------------------------------------------------------

    def offer(self, call: ExchangeSource, reserved: int = 0) -> bool:
        """Accept a call whose exchange will be made on another thread. Never blocks, never raises.

        `call.size` bytes and an overhead are charged until the exchange has an outcome, and `reserved`
        bytes, reserved for it before, are returned. Where there is no room, the oldest exchanges that
        wait are evicted. False: the offered one is dropped, and counted.

        The application waits for this, so it takes no lock while there is room. CPython changes
        threads only where something is called or a loop begins again, which is nowhere between
        finding room and having taken it.
        """
        charge = call.size + OVERHEAD_BYTES - reserved
        if charge > self._bytes_left or self._places_left <= 0:
            self._bytes_left += reserved
            return self._offer_without_room(call)
        self._bytes_left -= charge
        self._places_left -= 1
        self._enter(call)
        return True

    def reserve(self, size: int) -> bool:
        """Take `size` bytes of the budget for an answer that is still arriving. False: there are not so many.

        As in `offer`, no lock is taken while there is room, and the oldest that wait are evicted
        where there is none. `release` returns the bytes.
        """
        if size > self._bytes_left:
            return self._reserve_without_room(size)
        self._bytes_left -= size
        return True

    def release(self, size: int) -> None:
        """Return reserved bytes."""
        self._bytes_left += size

    def refuse(self, task: str, reason: str) -> None:
        """Count an exchange that was wanted but could not be queued."""
        with self._lock:
            counts = self._counts[task]
            counts["accepted"] += 1
            counts[f"dropped:{reason}"] += 1

    def count_sampled_out(self, task: str) -> None:
        """Count a request that sampling left out."""
        with self._lock:
            self._counts[task]["sampled_out"] += 1

    def add(self, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Add outcomes from elsewhere: `counts[task][outcome]`, in which `accepted` adds up as here."""
        with self._lock:
            for task, outcomes in counts.items():
                self._counts[task].update(outcomes)

    # --- The publisher thread ----------------------------------------------------------------

    def take(self) -> QueuedExchange | None:
        """The next exchange to encode and send; first those that a producer gave up.

        The caller owns it until `put_back`, `begin_attempt` or an outcome.
        """
        with self._lock:
            self._book(_BOOKED_AT_ONCE)
            for source in (self._returned, self._waiting):
                while source:
                    entry = source.popleft()
                    if entry in self._open:
                        return entry
            return None

    def put_back(self, entries: Iterable[QueuedExchange]) -> None:
        """Let `entries`, oldest first, wait again in front of the others."""
        with self._lock:
            for entry in reversed(list(entries)):
                if entry in self._open and entry not in self._in_flight:
                    (self._returned if entry.attempt else self._waiting).appendleft(entry)

    def begin_attempt(self, entry: QueuedExchange) -> int | None:
        """Call before `entry` is handed to the producer. The attempt's number; None: it has an outcome already."""
        with self._lock:
            if entry not in self._open:
                return None
            entry.attempt += 1
            if entry.attempt == 1:
                self._places_left += 1
            self._in_flight[entry] = None
            self._in_flight_bytes += entry.size
            return entry.attempt

    def cancel_attempt(self, entry: QueuedExchange) -> None:
        """The producer did not accept `entry`: it is the caller's again, as before `begin_attempt`."""
        with self._lock:
            if self._leave_flight(entry):
                entry.attempt -= 1
                if entry.attempt == 0:
                    self._places_left -= 1

    def attempt_failed(self, entry: QueuedExchange, attempt: int) -> bool:
        """The producer gave up `entry`, which is to be sent again. False: another attempt or an outcome came before."""
        with self._lock:
            if entry.attempt != attempt or not self._leave_flight(entry):
                return False
            self._returned.append(entry)
            return True

    def recall(self) -> int:
        """Let everything in flight wait again: its producer is given up. The number of exchanges."""
        with self._lock:
            recalled = list(self._in_flight)
            self._returned.extend(recalled)
            self._in_flight.clear()
            self._in_flight_bytes = 0
        return len(recalled)

    def mirrored(self, entry: QueuedExchange) -> bool:
        """The broker has it, from whichever attempt. False: it had an outcome before."""
        with self._lock:
            return self._settle(entry, "mirrored")

    def dropped(self, entry: QueuedExchange, reason: str) -> bool:
        """It is lost. False: it had an outcome before."""
        with self._lock:
            return self._settle(entry, f"dropped:{reason}")

    def stop_accepting(self) -> None:
        """Refuse every later offer; what is queued stays."""
        with self._lock:
            self._closed = True
            self._places_left = _NONE

    def drop_waiting(self) -> None:
        """Refuse every later offer, and drop as `closed` whatever is not in flight."""
        self.stop_accepting()
        for entry in self._all_open():
            with self._lock:
                if entry not in self._in_flight:
                    self._settle(entry, "dropped:closed")

    def close(self) -> None:
        """Refuse every later offer, and drop as `closed` whatever has no outcome."""
        self.stop_accepting()
        for entry in self._all_open():
            self.dropped(entry, "closed")

    # --- Any thread --------------------------------------------------------------------------

    def snapshot(self) -> QueueSnapshot:
        self._book_in_steps()
        with self._lock:
            return QueueSnapshot(
                counts=self.outcomes(),
                queued={task: number for task, number in self._queued.items() if number},
                bytes=self._max_bytes - self._bytes_left,
                waiting=len(self._open) - len(self._in_flight),
                in_flight=len(self._in_flight),
                in_flight_bytes=self._in_flight_bytes,
            )

    def outcomes(self) -> dict[str, dict[str, int]]:
        """`QueueSnapshot.counts` alone."""
        self._book_in_steps()
        with self._lock:
            self._book()
            return {task: dict(counts) for task, counts in self._counts.items()}

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    @property
    def in_flight_bytes(self) -> int:
        return self._in_flight_bytes

    @property
    def open(self) -> int:
        """The number of exchanges without an outcome."""
        with self._lock:  # an exchange that is being booked is in neither for a moment
            return len(self._inbox) + len(self._open)

    # --- Internals ---------------------------------------------------------------------------

    def _offer_without_room(self, call: ExchangeSource) -> bool:
        with self._lock:
            first, self._started = not self._started, True
            if first and not self._closed:
                self._places_left = self._max_waiting
        if first and not self._start():
            with self._lock:
                self._started = False
                self._places_left = _NONE
            self.refuse(call.task, "not_started")
            return False
        charge = call.size + OVERHEAD_BYTES
        with self._lock:
            while not self._closed and self._evict_for(charge, and_a_place=True):
                if charge <= self._bytes_left and self._places_left > 0:  # another thread may have taken it
                    self._bytes_left -= charge
                    self._places_left -= 1
                    self._enter(call)
                    return True
            reason = "closed" if self._closed else "queue_full" if self._places_left <= 0 else "byte_budget"
        self.refuse(call.task, reason)
        return False

    def _reserve_without_room(self, size: int) -> bool:
        with self._lock:
            while not self._closed and self._evict_for(size):
                if size <= self._bytes_left:
                    self._bytes_left -= size
                    return True
        return False

    def _evict_for(self, size: int, *, and_a_place: bool = False) -> bool:
        """Evict the oldest that wait until `size` bytes are free. False, and nothing is evicted: that is impossible.

        The caller holds the lock.
        """
        number, bytes_left, places_left = 0, self._bytes_left, self._places_left
        while size > bytes_left or (and_a_place and places_left <= 0):
            if number == len(self._waiting):
                self._book(1)
            if number >= min(len(self._waiting), MAX_EVICTIONS):
                return False
            bytes_left += self._waiting[number].size
            places_left += 1
            number += 1
        outcome = "dropped:byte_budget" if size > self._bytes_left else "dropped:queue_full"
        for _ in range(number):
            if self._waiting:  # garbage collection may have called this method within this call
                self._settle(self._waiting.popleft(), outcome)
        return True

    def _book(self, at_most: int | None = None) -> None:
        """Book the oldest `at_most` (None: all) entries of the inbox. The caller holds the lock."""
        inbox, booked = self._inbox, 0
        while inbox and booked != at_most:
            call = inbox.popleft()
            entry = QueuedExchange(call.task, call.size + OVERHEAD_BYTES, call)
            self._open.add(entry)
            self._waiting.append(entry)
            self._counts[entry.task]["accepted"] += 1
            self._queued[entry.task] += 1
            booked += 1

    def _book_in_steps(self) -> None:
        """Book most of the inbox, with the lock free in between: an offer may be waiting for it."""
        while len(self._inbox) > _BOOKED_AT_ONCE:
            with self._lock:
                self._book(_BOOKED_AT_ONCE)

    def _settle(self, entry: QueuedExchange, outcome: str) -> bool:
        """The caller holds the lock."""
        if entry not in self._open:
            return False
        self._open.remove(entry)
        self._leave_flight(entry)
        self._counts[entry.task][outcome] += 1
        self._queued[entry.task] -= 1
        self._bytes_left += entry.size
        if entry.attempt == 0:
            self._places_left += 1
        entry.keep_only(None)  # now, and not with the last reference to the entry
        return True

    def _leave_flight(self, entry: QueuedExchange) -> bool:
        """The caller holds the lock. False: it was not in flight."""
        if entry not in self._in_flight:
            return False
        del self._in_flight[entry]
        self._in_flight_bytes -= entry.size
        return True

    def _all_open(self) -> list[QueuedExchange]:
        with self._lock:
            self._book()
            return list(self._open)
