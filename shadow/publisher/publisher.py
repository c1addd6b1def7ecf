"""The queue between the host application and Kafka, and the one thread that empties it.

The application's threads do one thing: `offer`, which charges the byte budget and appends to
a queue. Everything slow (building the exchange, redacting, encoding) and everything that can
block or fail (the broker) happens on a daemon thread of ours, which alone owns the producer.
"""

import os
import secrets
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from itertools import islice
from time import monotonic, sleep
from typing import Final

from shadow import wire
from shadow.errors import DroppedError
from shadow.publisher import lifecycle
from shadow.publisher.connection import Connection
from shadow.publisher.encode import Preparer
from shadow.publisher.queue import Accounts, Snapshot, Ticket
from shadow.publisher.reporting import Reporter
from shadow.records import CaptureCounts
from shadow.redact import Redactor
from shadow.settings import Settings
from shadow.wire import Message

#: How often the thread looks at the queue while there is traffic, and at the clock when there is none.
_PAUSE_S: Final = 0.01
_TICK_S: Final = 0.25
_RESTS_AFTER_S: Final = 5.0
#: Pause before trying a broker again that could not be reached.
_RETRY_S: Final = 0.25
#: More than this is not handed to the producer at once: while a broker is away, the rest waits
#: as it came, and no work is spent on what may have to be dropped.
_IN_FLIGHT_BYTES: Final = 8 * 2**20
#: So many are prepared together, where no application waits for the interpreter.
_TOGETHER: Final = 32
#: Of the time for closing, this much is kept for the last counts.
_LAST_WORDS_S: Final = 0.5


class Publisher:
    """Takes exchanges from any thread and puts them on `settings.kafka.topics.exchanges`.

    Making one does no I/O and starts no thread: both begin with the first offer, so that a
    server that forks its workers afterwards gets one publisher in each. Nothing here raises
    into the caller, unless `raise_bugs` (by default: under pytest), where a bug of ours in
    building or encoding is raised by `close()`. A broker's faults are never raised.
    """

    source: str
    _thread: threading.Thread | None
    _held: deque[Ticket]
    _closing_at: float | None
    _bug: Exception | None

    def __init__(
        self, settings: Settings, *, source: str | None = None, raise_bugs: bool | None = None, is_guest: bool = True
    ) -> None:
        """`is_guest`: this process belongs to an application, whose threads go first."""
        self.settings = settings
        self._is_guest = is_guest
        self._limits = settings.publisher
        self._redact = Redactor.of(settings)
        self._accounts = Accounts(
            max_bytes=self._limits.queue_bytes, max_waiting=self._limits.queue_items, begin=self._start
        )
        #: A `PublisherPort`: takes a call, or memory for one that is still coming, from any thread; see `Accounts`.
        #: No methods of ours between: callers wait.
        self.offer = self._accounts.offer
        self.reserve = self._accounts.reserve
        self.release = self._accounts.release
        self.refuse = self._accounts.refuse
        self.count_sampled_out = self._accounts.sampled_out
        self.outcomes = self._accounts.counts
        self._named = source
        self._raise_bugs = "PYTEST_VERSION" in os.environ if raise_bugs is None else raise_bugs
        self._reset()
        lifecycle.reset_after_fork(self)

    def count_elsewhere(self, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Count, and tell with ours, what another process settled that has no publisher of its own.

        `counts[task][outcome]` as in `CaptureCounts`.
        """
        self._accounts.add(counts)
        if self._thread is None:  # nobody may ever offer anything, and these must be told
            self._start()

    def counts(self) -> CaptureCounts:
        """What this process has captured since it started."""
        return CaptureCounts(source=self.source, at=wire.utc_now(), counts=self._accounts.counts())

    def snapshot(self) -> Snapshot:
        """The counts together with what is still queued and the bytes it holds."""
        return self._accounts.snapshot()

    def close(self, timeout_s: float | None = None) -> None:
        """Deliver what is queued within `timeout_s` (`publisher.drain_timeout_s` if left out).

        What cannot be delivered by then is dropped and counted as `closed`. Later offers are
        dropped too. Runs by itself at exit; closing twice does nothing.
        """
        with self._starting:
            if self._closing_at is None:
                budget = self._limits.drain_timeout_s if timeout_s is None else timeout_s
                self._closing_at = monotonic() + budget
                self._accounts.shut()
                self._closing.set()
            thread = self._thread
        lifecycle.closed(self)
        if thread is not None and thread is not threading.current_thread():
            thread.join(max(0.0, self._closing_at - monotonic()) + _LAST_WORDS_S)
            if thread.is_alive():  # stuck inside the Kafka client
                self._connection.give_up()
        self._accounts.close()
        bug, self._bug = self._bug, None
        if bug is not None and self._raise_bugs:
            raise bug

    def _reset(self) -> None:
        """As new: at first, and in the child after a fork, where nothing of the parent's is ours."""
        self._accounts.reset()
        self._held = deque()
        self._thread = None
        self._starting = threading.RLock()
        self._closing_at = None
        self._closing = threading.Event()
        self._progress_at = self._busy_at = monotonic()
        self._report = Reporter()
        self._preparer = Preparer(self._accounts, self.settings, self._redact, self._report, on_bug=self._keep_bug)
        self._connection = Connection(self.settings, self._report, lambda: lifecycle.close_at_exit(self))
        self._counts_due_at = monotonic() + self._limits.counts_every_s
        self._told: dict[str, dict[str, int]] = {}
        self._bug = None
        # Counts are cumulative per source, so a source must never start again from nothing
        # under an old name: containers like to give every process the same host and pid.
        self.source = self._named or f"{socket.gethostname()}/{os.getpid()}"
        self.source += f"/{secrets.token_hex(4)}"

    def after_fork(self) -> None:
        """Begin anew in the child; what the parent has under way stays the parent's."""
        self._connection.leave_to_parent()
        self._reset()

    def _start(self, *, _finalizing: Callable[[], bool] = sys.is_finalizing) -> bool:
        """Start the thread. False where the process can have no more of them; a later try may do.

        While the interpreter ends (an open stream may be closed as late as that) a new thread
        would never run, and starting one wait for it for ever.
        """
        with self._starting:
            if self._thread is not None or self._closing_at is not None:
                return True
            if _finalizing():
                self._closing_at = monotonic()
                self._accounts.close()
                return True
            thread = threading.Thread(target=self._run, name="shadow-publisher", daemon=True)
            try:
                thread.start()
            except RuntimeError as fault:
                self._report.warn("not_started", "no thread could be started; exchanges are dropped", fault=fault)
                return False
            self._thread = thread
        lifecycle.close_at_exit(self)
        lifecycle.close_with_multiprocessing(self)
        return True

    def _run(self) -> None:
        while not self._done():
            try:
                self._step()
            except Exception as bug:  # noqa: BLE001 - this thread must live; the bug is kept and shown
                self._keep_bug(bug)
                self._report.warn("publisher_bug", "the publisher failed; exchanges may be dropped", fault=bug)
                sleep(_RETRY_S)
        self._finish()

    def _keep_bug(self, bug: Exception) -> None:
        self._bug = self._bug or bug

    def _done(self) -> bool:
        if self._closing_at is None:
            return False
        return self._accounts.open == 0 or monotonic() > self._closing_at

    def _step(self) -> None:
        now = monotonic()
        self._look_after_producer(now)
        self._tell_counts(now)
        if self._producer_is_full():
            sleep(0.005)
            return
        if not self._held:
            self._take()
        while self._held and not self._producer_is_full():
            if not self._forward(self._held[0]):
                sleep(_RETRY_S)
                return
            self._held.popleft()

    def _producer_is_full(self) -> bool:
        return self._accounts.in_flight_bytes >= min(_IN_FLIGHT_BYTES, self._limits.queue_bytes // 2)

    def _forward(self, ticket: Ticket) -> bool:
        """Whether we are done with the ticket: it is with the producer, or has settled."""
        if self._is_late(ticket):
            return True
        return ticket.message is None or self._send_exchange(ticket, ticket.message)

    def _is_late(self, ticket: Ticket) -> bool:
        late = monotonic() - ticket.since > self._limits.delivery_timeout_s
        if late:
            self._accounts.dropped(ticket, "delivery_timeout")
        return late

    def _take(self) -> None:
        """Hold the next tickets, with their messages; pause where none waits.

        Nobody wakes this thread, it looks now and then: waking it would cost the caller, who
        would moreover compete with it for the interpreter just before it gets its answer.
        """
        # A guest takes one at a time: a waiting application thread gets the interpreter in between.
        tickets = list(islice(iter(self._accounts.take, None), 1 if self._is_guest else _TOGETHER))
        if tickets:
            self._busy_at = monotonic()
            sleep(0)
            self._held.extend(ticket for ticket in tickets if not self._is_late(ticket))
            self._preparer.prepare(self._held, source=self.source, limit=self._limits.max_message_bytes)
        elif monotonic() - self._busy_at < _RESTS_AFTER_S or self._closing.is_set():
            sleep(_PAUSE_S)
        else:
            self._closing.wait(_TICK_S)

    def _send_exchange(self, ticket: Ticket, message: Message) -> bool:
        """Whether the ticket is with the producer, or has settled."""
        accounts, attempt = self._accounts, ticket.attempt

        def done(reason: str | None) -> None:
            if reason is None:
                self._progress_at = monotonic()
                accounts.mirrored(ticket)
            elif ticket.attempt == attempt:
                accounts.dropped(ticket, reason)

        if accounts.in_flight == 0:
            self._progress_at = monotonic()  # nothing was owed until now
        try:
            sent = self._connection.send(message, done)
        except DroppedError as outcome:
            accounts.dropped(ticket, outcome.reason)
            return True
        if sent:
            accounts.sent(ticket)
        return sent

    def _look_after_producer(self, now: float) -> None:
        """Give up a producer that owes us deliveries and makes none; the next send builds another.

        What it had is sent again, as far as it is still fresh: what then arrives twice has the
        same id, and is one at the sink.
        """
        owes = self._accounts.in_flight > 0 and now - self._progress_at > self._limits.stalled_after_s
        if owes and self._connection.courier is not None:
            # In this order: what the old producer says while it is given up no longer counts.
            recalled = self._accounts.recall()
            self._connection.give_up()
            self._report.warn("producer_rebuilt", f"nothing delivered for too long: {recalled} are sent again")

    def _tell_counts(self, now: float, *, last: bool = False) -> None:
        """Report the counts when they are due and have changed."""
        if now < self._counts_due_at and not last:
            return
        self._counts_due_at = now + self._limits.counts_every_s
        counts = self.counts()
        if counts.counts == self._told:
            return

        def done(reason: str | None) -> None:
            if reason is None:
                self._told = counts.counts

        self._connection.send(wire.encode(self._redact.counts(counts), source=self.source), done)

    def _finish(self) -> None:
        self._accounts.close()
        self._tell_counts(monotonic(), last=True)
        self._connection.close(_LAST_WORDS_S)
