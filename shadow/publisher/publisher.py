"""The publisher: a bounded queue between the host application and Kafka, and the one thread that empties it.

The application's threads do one thing: `offer`, which charges the byte budget and appends to
the queue. Everything slow (building the exchange, redacting, encoding) and everything that can
block or fail (the broker) happens on a daemon thread, which alone uses the producer.
"""

import os
import secrets
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from itertools import islice
from time import monotonic, sleep
from typing import Final

from shadow import wire
from shadow.errors import DroppedError
from shadow.publisher import lifecycle
from shadow.publisher.connection import BrokerConnection
from shadow.publisher.encode import Encoder
from shadow.publisher.flow_control import FlowControl
from shadow.publisher.kafka_producer import refusal
from shadow.publisher.queue import ExchangeQueue, QueuedExchange, QueueSnapshot
from shadow.publisher.rate_limited_log import RateLimitedLog
from shadow.records import CaptureCounts
from shadow.redact import Redactor
from shadow.settings import Settings

#: How often the thread looks at the queue and the producer, and after `_IDLE_AFTER_S` without traffic.
_POLL_S: Final = 0.01
_IDLE_POLL_S: Final = 0.25
_IDLE_AFTER_S: Final = 5.0
_PAUSE_AFTER_ERROR_S: Final = 0.25
#: So many exchanges are encoded together where no application's threads wait.
_BATCH_SIZE: Final = 32
#: How much longer than the time for draining closing may take: half of it to learn the outcome of what is in
#: flight, half of it to send the last counts.
_FINISH_S: Final = 0.5


class Publisher:
    """Takes exchanges from any thread and puts them on `settings.kafka.topics.exchanges`.

    Creating one does no I/O and starts no thread: both begin with the first offer, so that a
    server that forks its workers afterwards gets one publisher in each. Nothing here raises
    into the caller, except that `close()` raises the first internal error (a bug in building,
    encoding or publishing) if `raise_internal_errors`, which is the default under pytest. Errors
    of the broker are never raised.
    """

    source: str
    _thread: threading.Thread | None
    _close_at: float | None
    _internal_error: Exception | None

    def __init__(
        self,
        settings: Settings,
        *,
        source: str | None = None,
        raise_internal_errors: bool | None = None,
        in_application: bool = True,
    ) -> None:
        """`in_application`: the process is an application's, and its threads have priority over the publisher's.

        `source` is the start of the name under which counts are reported (default: host and process id).
        """
        self.settings = settings
        self._in_application = in_application
        self._limits = settings.publisher
        self._redactor = Redactor.of(settings)
        self._queue = ExchangeQueue(
            max_bytes=self._limits.queue_bytes, max_waiting=self._limits.queue_items, start=self._start
        )
        #: A `PublisherPort`. The application's threads wait for these, so they are the queue's own methods.
        self.offer = self._queue.offer
        self.reserve = self._queue.reserve
        self.release = self._queue.release
        self.refuse = self._queue.refuse
        self.count_sampled_out = self._queue.count_sampled_out
        self.outcomes = self._queue.outcomes
        self._source_prefix = source
        self._raise_internal_errors = (
            "PYTEST_VERSION" in os.environ if raise_internal_errors is None else raise_internal_errors
        )
        self._reset()
        lifecycle.reset_after_fork(self)

    def add_counts(self, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Count and report with its own what a process without a publisher dropped: `counts[task][outcome]`."""
        self._queue.add(counts)
        if self._thread is None:  # there may never be an offer, and these must be reported
            self._start()

    def counts(self) -> CaptureCounts:
        """What this process has captured since it started."""
        return CaptureCounts(source=self.source, at=wire.utc_now(), counts=self.outcomes())

    def snapshot(self) -> QueueSnapshot:
        """The counts together with what is still queued and the bytes it takes."""
        return self._queue.snapshot()

    def close(self, timeout_s: float | None = None) -> None:
        """Deliver what is queued within `timeout_s` (default: `publisher.drain_timeout_s`).

        What cannot be delivered by then is dropped and counted as `closed`. Later offers are
        dropped too. Runs by itself at exit; closing twice does nothing.
        """
        with self._start_lock:
            if self._close_at is None:
                self._close_at = monotonic() + (self._limits.drain_timeout_s if timeout_s is None else timeout_s)
                self._queue.stop_accepting()
                self._closing.set()
            thread = self._thread
        lifecycle.cancel_close_at_exit(self)
        if thread is not None and thread is not threading.current_thread():
            thread.join(max(0.0, self._close_at - monotonic()) + _FINISH_S)
            if thread.is_alive():  # blocked inside the Kafka client
                self._connection.discard_producer()
        self._queue.close()
        error, self._internal_error = self._internal_error, None
        if error is not None and self._raise_internal_errors:
            raise error

    def after_fork(self) -> None:
        """Start with an empty queue in the child; what the parent has queued stays the parent's."""
        self._connection.leave_to_parent()
        self._reset()

    def _reset(self) -> None:
        """The state of a new publisher: at first, and in the child after a fork."""
        self._queue.reset()
        self._thread = None
        self._start_lock = threading.RLock()
        self._close_at = None
        self._closing = threading.Event()
        self._busy_at = monotonic()
        self._log = RateLimitedLog()
        self._encoder = Encoder(
            self._queue, self.settings, self._redactor, self._log, on_internal_error=self._keep_internal_error
        )
        self._connection = BrokerConnection(self.settings, self._log, self._on_connect)
        self._flow = FlowControl(queue_bytes=self._limits.queue_bytes, stalled_after_s=self._limits.stalled_after_s)
        self._counts_due_at = monotonic() + self._limits.counts_every_s
        self._reported_counts: dict[str, dict[str, int]] = {}
        self._internal_error = None
        # Counts are cumulative per source, so a source must never start again from zero
        # under an old name: containers often give every process the same host and pid.
        self.source = self._source_prefix or f"{socket.gethostname()}/{os.getpid()}"
        self.source += f"/{secrets.token_hex(4)}"

    def _start(self, *, _finalizing: Callable[[], bool] = sys.is_finalizing) -> bool:
        """Start the thread. False where the process cannot start one; a later try may succeed.

        While the interpreter ends (an open stream may be closed as late as that) a new thread
        would never run, and starting one would wait for it without end.
        """
        with self._start_lock:
            if self._thread is not None or self._close_at is not None:
                return True
            if _finalizing():
                self._close_at = monotonic()
                self._queue.close()
                return True
            thread = threading.Thread(target=self._run, name="shadow-publisher", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                self._log.warning("not_started", "no thread could be started; exchanges are dropped", error=error)
                return False
            self._thread = thread
        lifecycle.close_at_exit(self)
        lifecycle.close_with_multiprocessing(self)
        return True

    def _run(self) -> None:
        while not self._is_drained():
            try:
                self._step()
            except Exception as error:  # noqa: BLE001 - this thread must live; the error is kept and logged
                self._keep_internal_error(error)
                self._log.warning("publisher_bug", "the publisher failed; exchanges may be dropped", error=error)
                sleep(_PAUSE_AFTER_ERROR_S)
        self._finish()

    def _keep_internal_error(self, error: Exception) -> None:
        self._internal_error = self._internal_error or error

    def _on_connect(self) -> None:
        self._flow.producer_made(monotonic())
        lifecycle.close_at_exit(self)

    def _is_drained(self) -> bool:
        """Whether the thread has to end: the publisher is closed, and its queue is empty or its deadline has passed."""
        if self._close_at is None:
            return False
        return self._queue.open == 0 or monotonic() > self._close_at

    def _step(self) -> None:
        now = monotonic()
        self._replace_stalled_producer(now)
        self._report_counts(now)
        if not self._may_send():
            sleep(_POLL_S)
            return
        # In an application one at a time: its waiting threads get the interpreter in between.
        entries = list(islice(iter(self._queue.take, None), 1 if self._in_application else _BATCH_SIZE))
        if not entries:
            self._wait_for_offers(now)
            return
        self._busy_at = now
        sleep(0)
        try:
            self._encoder.encode(entries, source=self.source, limit=self._limits.max_message_bytes)
            while entries and self._may_send() and self._send(entries[0]):
                del entries[0]
        finally:
            self._queue.put_back(entries)

    def _may_send(self) -> bool:
        queue = self._queue
        return self._flow.may_send(monotonic(), in_flight=queue.in_flight, in_flight_bytes=queue.in_flight_bytes)

    def _wait_for_offers(self, now: float) -> None:
        """Pause. An offer does not wake this thread: that would cost the caller time.

        The caller would also compete with it for the interpreter just before it gets its answer.
        """
        if now - self._busy_at < _IDLE_AFTER_S or self._closing.is_set():
            sleep(_POLL_S)
        else:
            self._closing.wait(_IDLE_POLL_S)

    def _send(self, entry: QueuedExchange) -> bool:
        """Whether the entry is with the producer, or has an outcome."""
        queue, flow = self._queue, self._flow
        if entry.message is None:  # dropped while it was encoded
            return True
        flow.sending(monotonic(), in_flight=queue.in_flight)
        # Before it is sent: the producer may report a delivery, or a failure, before `send` returns.
        attempt = queue.begin_attempt(entry)
        if attempt is None:
            return True

        def on_done(error: BaseException | None) -> None:
            if error is None:
                flow.answered(monotonic())
                queue.mirrored(entry)
            elif (reason := refusal(error)) is not None:
                flow.answered(monotonic())
                queue.dropped(entry, reason)
            elif queue.attempt_failed(entry, attempt):
                flow.failed(monotonic())
                self._log.warning("not_delivered", "exchanges were not delivered and are sent again", error=error)

        try:
            sent = self._connection.send(entry.message, on_done)
        except DroppedError as outcome:
            queue.dropped(entry, outcome.reason)
            return True
        except Exception:
            queue.dropped(entry, "delivery_failed")  # else it would be retried, and fail, without end
            raise
        if not sent:
            queue.cancel_attempt(entry)
            flow.failed(monotonic())
        return sent

    def _replace_stalled_producer(self, now: float) -> None:
        """Abandon a producer that acknowledged nothing for `stalled_after_s`; the next `send` makes another.

        What it had is sent again. What then arrives twice has the same id, and is one at the sink.
        """
        if self._connection.producer is not None and self._flow.is_stalled(now, in_flight=self._queue.in_flight):
            # In this order: failures that the old producer reports while it ends are ignored.
            self._queue.recall()
            self._connection.discard_producer()
            self._flow.failed(now)
            self._log.warning(
                "producer_rebuilt",
                f"nothing was delivered for {self._limits.stalled_after_s:g} s; the Kafka producer is replaced",
            )

    def _report_counts(self, now: float, *, last: bool = False) -> None:
        """Send the counts when they are due and have changed."""
        if now < self._counts_due_at and not last:
            return
        self._counts_due_at = now + self._limits.counts_every_s
        counts = self.counts()
        if counts.counts == self._reported_counts:
            return

        def on_done(error: BaseException | None) -> None:
            if error is None:
                self._reported_counts = counts.counts

        self._connection.send(wire.encode(self._redactor.counts(counts), source=self.source), on_done)

    def _finish(self) -> None:
        """Give every exchange an outcome, and report the last counts."""
        self._queue.drop_waiting()
        now = monotonic()
        # What is in flight may arrive: count it as dropped only when no answer comes.
        while self._queue.in_flight and monotonic() < now + _FINISH_S / 2:
            sleep(_POLL_S)
        self._queue.close()
        self._report_counts(monotonic(), last=True)
        left_s = 0.0 if self._close_at is None else self._close_at - monotonic()
        self._connection.close(max(_FINISH_S, left_s))
