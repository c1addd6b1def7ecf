"""What became of every exchange that was offered. No I/O, no clock, safe in threads.

`accepted = mirrored + dropped + queued` holds per task in every snapshot. The application's
threads only put it into the inbox; from there it is entered in the books under one lock, before
anybody looks at them, and settles there once, whoever settles it first.
"""

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from shadow.records import Exchange
from shadow.wire import Message

#: Charged for every exchange beside its own bytes: our bookkeeping and the Kafka client's.
OVERHEAD_BYTES: Final = 2_048

#: Builds the exchange, later and on another thread; None when there is nothing to mirror.
Finish = Callable[[], Exchange | None]


class Dropped(Exception):  # noqa: N818 - it is an outcome, not an error
    """Raised while an exchange is built or encoded: it cannot be mirrored, for this `reason`."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason


class Ticket(msgspec.Struct, eq=False):
    """One accepted exchange on its way; `offered_at` is on the monotonic clock (seconds).

    It holds what is needed to go on: first `finish`, then the `message` made with it. `attempt`
    grows when it is taken back from a producer, whose later words about it do not count.
    """

    task: str
    size: int
    finish: Finish | None
    offered_at: float
    message: Message | None = None
    in_flight: bool = False
    attempt: int = 0


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """One consistent look. `counts[task][outcome]` as in `CaptureCounts`; `queued` per task."""

    counts: dict[str, dict[str, int]]
    queued: dict[str, int]
    bytes: int
    waiting: int
    in_flight: int
    in_flight_bytes: int


class Accounts:
    """The byte budget, the counts, and what waits for the publishing thread.

    The lock is re-entrant because garbage collection may finish an abandoned stream, and so
    come back in here, at any moment, on the very thread that holds it.
    """

    def __init__(self, *, max_bytes: int, max_waiting: int) -> None:
        self._room = max_bytes
        self._max_waiting = max_waiting
        self._inbox: deque[tuple[str, int, Finish | None, float]] = deque()
        self._closed = False
        self._lock = threading.RLock()
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._open: set[Ticket] = set()
        self._waiting: deque[Ticket] = deque()
        self._bytes = 0
        self._in_flight = 0
        self._in_flight_bytes = 0

    def admit(self, task: str, size: int, finish: Finish | None = None, offered_at: float = 0.0) -> bool:
        """Accept an exchange of about `size` bytes; False where there is no room (counted).

        The application waits for this, so it takes no lock. CPython changes threads only where
        something is called or a loop begins again, which is nowhere between finding room and
        having taken it.
        """
        charge = size + OVERHEAD_BYTES
        if len(self._inbox) + len(self._open) - self._in_flight >= self._max_waiting:
            reason = "queue_full"
        elif charge > self._room:
            reason = "byte_budget"
        elif self._closed:
            reason = "closed"
        else:
            self._room -= charge
            self._inbox.append((task, charge, finish, offered_at))
            return True
        self.refuse(task, reason)
        return False

    def take(self) -> Ticket | None:
        """The oldest ticket that waits, which is then the caller's to send or to drop."""
        with self._lock:
            self._book()
            return self._waiting.popleft() if self._waiting else None

    def refuse(self, task: str, reason: str) -> None:
        """Count an exchange that was wanted but could not even be queued."""
        with self._lock:
            counts = self._counts[task]
            counts["accepted"] += 1
            counts[f"dropped:{reason}"] += 1

    def sampled_out(self, task: str) -> None:
        with self._lock:
            self._counts[task]["sampled_out"] += 1

    def add(self, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Enter what was settled elsewhere: `counts[task][outcome]`, in which `accepted` adds up as here."""
        with self._lock:
            for task, outcomes in counts.items():
                self._counts[task].update(outcomes)

    def sent(self, ticket: Ticket) -> bool:
        """The ticket was handed to the producer. False if it has settled meanwhile."""
        with self._lock:
            if ticket not in self._open or ticket.in_flight:
                return False
            ticket.in_flight = True
            self._in_flight += 1
            self._in_flight_bytes += ticket.size
        return True

    def mirrored(self, ticket: Ticket) -> bool:
        """The broker has it. False if the ticket had settled before."""
        return self._settle(ticket, "mirrored")

    def dropped(self, ticket: Ticket, reason: str) -> bool:
        """It is lost. False if the ticket had settled before."""
        return self._settle(ticket, f"dropped:{reason}")

    def recall(self) -> int:
        """Put everything in flight back in front of what waits, oldest first: its producer is given up."""
        with self._lock:
            found = sorted((t for t in self._open if t.in_flight), key=lambda ticket: ticket.offered_at)
            for ticket in found:
                ticket.in_flight = False
                ticket.attempt += 1
            self._waiting.extendleft(reversed(found))
            self._in_flight = self._in_flight_bytes = 0
        return len(found)

    def shut(self) -> None:
        """Refuse whatever comes later; what is open goes on."""
        self._closed = True

    def close(self) -> None:
        """Refuse whatever comes later, and settle what is open as dropped:closed."""
        with self._lock:
            self._closed = True
            self._book()
            for ticket in list(self._open):
                self.dropped(ticket, "closed")

    def snapshot(self) -> Snapshot:
        with self._lock:
            self._book()
            return Snapshot(
                counts={task: dict(counts) for task, counts in self._counts.items()},
                queued=dict(Counter(ticket.task for ticket in self._open)),
                bytes=self._bytes,
                waiting=len(self._open) - self._in_flight,
                in_flight=self._in_flight,
                in_flight_bytes=self._in_flight_bytes,
            )

    def counts(self) -> dict[str, dict[str, int]]:
        """`Snapshot.counts` alone, which does not have to look at every open ticket."""
        with self._lock:
            self._book()
            return {task: dict(counts) for task, counts in self._counts.items()}

    @property
    def in_flight(self) -> int:
        return self._in_flight

    @property
    def in_flight_bytes(self) -> int:
        return self._in_flight_bytes

    @property
    def open(self) -> int:
        """Tickets whose fate is still open."""
        return len(self._inbox) + len(self._open)

    def _book(self) -> None:
        """Enter what was admitted since. Needs the lock."""
        while self._inbox:
            ticket = Ticket(*self._inbox.popleft())
            self._open.add(ticket)
            self._waiting.append(ticket)
            self._counts[ticket.task]["accepted"] += 1
            self._bytes += ticket.size

    def _settle(self, ticket: Ticket, outcome: str) -> bool:
        with self._lock:
            if ticket not in self._open:
                return False
            self._open.remove(ticket)
            self._counts[ticket.task][outcome] += 1
            self._bytes -= ticket.size
            self._room += ticket.size
            if ticket.in_flight:
                self._in_flight -= 1
                self._in_flight_bytes -= ticket.size
        ticket.finish = ticket.message = None  # let go now, and not with the last reference to the ticket
        return True
