"""What became of every exchange that was offered. No I/O, safe in threads.

`accepted = mirrored + dropped + queued` holds per task in every snapshot. The application's
threads only put it into the inbox; from there it is entered in the books under one lock, before
anybody looks at them, and settles there once, whoever settles it first.
"""

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Final

import msgspec

from shadow.recording import ExchangeSource
from shadow.wire import Message

#: Charged for every exchange beside its own bytes: our bookkeeping and the Kafka client's.
OVERHEAD_BYTES: Final = 2_048

_NONE: Final = float("-inf")  # stays what it is, whatever is given back


class Ticket(msgspec.Struct, eq=False):
    """One accepted exchange on its way; `since` is when it was entered, on the clock of the accounts.

    It holds what is needed to go on: first the `call` that was offered, then the `message` made of
    it. `attempt` grows when it is taken back from a producer, whose later reports about it do not count.
    """

    task: str
    size: int
    call: ExchangeSource | None
    since: float
    message: Message | None = None
    in_flight: bool = False
    attempt: int = 0

    def keep_only(self, message: Message | None) -> None:
        """Let go of all else that it holds."""
        self.call, self.message = None, message


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

    `begin` is called with the first offer, and again with a later one where it was False. The
    lock is re-entrant because garbage collection may finish an abandoned stream, and so come back
    in here, at any moment, on the very thread that holds it.
    """

    # Attributes of an object with slots lie side by side: `offer` looks at three of them.
    __slots__ = (
        "_begin",
        "_begun",
        "_bytes_left",
        "_clock",
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
        "_waiting",
    )

    def __init__(
        self,
        *,
        max_bytes: int,
        max_waiting: int,
        begin: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._max_bytes = max_bytes
        self._max_waiting = max_waiting
        self._begin = begin
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Forget everything, also who holds the lock: as new, in the child after a fork."""
        self._lock = threading.RLock()
        self._inbox: deque[ExchangeSource] = deque()
        self._enter = self._inbox.append
        self._bytes_left = self._max_bytes
        self._places_left = _NONE  # until it has begun
        self._begun = False
        self._closed = False
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._open: set[Ticket] = set()
        self._waiting: deque[Ticket] = deque()
        self._in_flight = 0
        self._in_flight_bytes = 0

    def offer(self, call: ExchangeSource, reserved: int = 0) -> bool:
        """Take a call whose exchange will be made on another thread. Never blocks, never raises.

        `call.size` bytes are charged until the exchange is delivered or dropped, and `reserved`
        bytes, reserved for it before, are returned. False means dropped, and counted.

        The application waits for this, so it takes no lock. CPython changes threads only where
        something is called or a loop begins again, which is nowhere between finding room and
        having taken it.
        """
        charge = call.size + OVERHEAD_BYTES - reserved
        if charge > self._bytes_left or self._places_left <= 0:
            self._bytes_left += reserved
            return self._begin_or_refuse(call)
        self._bytes_left -= charge
        self._places_left -= 1
        self._enter(call)
        return True

    def reserve(self, size: int) -> bool:
        """Take `size` bytes of the budget for what is not an exchange yet. False: there are not so many left.

        Takes no lock, as `offer`, and is given back by `release`.
        """
        if size > self._bytes_left:
            return False
        self._bytes_left -= size
        return True

    def release(self, size: int) -> None:
        self._bytes_left += size

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
            self._places_left += 1
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
            found = sorted((t for t in self._open if t.in_flight), key=lambda ticket: ticket.since)
            for ticket in found:
                ticket.in_flight = False
                ticket.attempt += 1
            self._waiting.extendleft(reversed(found))
            self._places_left -= len(found)
            self._in_flight = self._in_flight_bytes = 0
        return len(found)

    def shut(self) -> None:
        """Refuse whatever comes later; what is open goes on."""
        with self._lock:
            self._closed = True
            self._places_left = _NONE

    def close(self) -> None:
        """Refuse whatever comes later, and settle what is open as dropped:closed."""
        with self._lock:
            self.shut()
            self._book()
            for ticket in list(self._open):
                self.dropped(ticket, "closed")

    def snapshot(self) -> Snapshot:
        with self._lock:
            self._book()
            return Snapshot(
                counts={task: dict(counts) for task, counts in self._counts.items()},
                queued=dict(Counter(ticket.task for ticket in self._open)),
                bytes=self._max_bytes - self._bytes_left,
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
        """Exchanges whose fate is still open."""
        with self._lock:  # else one that is being entered would be in neither
            return len(self._inbox) + len(self._open)

    def _begin_or_refuse(self, call: ExchangeSource) -> bool:
        with self._lock:
            first, self._begun = not self._begun, True
            if first and not self._closed:
                self._places_left = self._max_waiting
        if not first:
            reason = "closed" if self._closed else "queue_full" if self._places_left <= 0 else "byte_budget"
            self.refuse(call.task, reason)
            return False
        if self._begin():
            return self.offer(call)
        with self._lock:
            self._begun = False
            self._places_left = _NONE
        self.refuse(call.task, "not_started")
        return False

    def _book(self) -> None:
        """Enter what was accepted since. Needs the lock."""
        while self._inbox:
            call = self._inbox.popleft()
            ticket = Ticket(call.task, call.size + OVERHEAD_BYTES, call, self._clock())
            self._open.add(ticket)
            self._waiting.append(ticket)
            self._counts[ticket.task]["accepted"] += 1

    def _settle(self, ticket: Ticket, outcome: str) -> bool:
        with self._lock:
            if ticket not in self._open:
                return False
            self._open.remove(ticket)
            self._counts[ticket.task][outcome] += 1
            self._bytes_left += ticket.size
            if ticket.in_flight:
                self._in_flight -= 1
                self._in_flight_bytes -= ticket.size
            else:
                self._places_left += 1
        ticket.keep_only(None)  # now, and not with the last reference to the ticket
        return True
