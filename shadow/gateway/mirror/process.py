"""A publisher in a process beside the gateway, so that it cannot slow a request down.

Redacting a long reply holds Python's interpreter lock for as long as it takes, and a Kafka client
in trouble may block for seconds. In another process neither is felt here: the request path puts
the captured call on a list, and the rest happens on another core, or later.
"""

import asyncio
import socket
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Final, TypeAlias

import structlog

from shadow.gateway.metrics import Counts
from shadow.gateway.mirror import ipc
from shadow.gateway.mirror.ipc import FrameDecoder, LeftOut, Report
from shadow.recording import CapturedCall
from shadow.settings import PostgresSettings, Settings

_RESTART_AFTER_S: Final = 1.0
#: Calls are handed over in batches, because each hand-over costs both processes: the gateway a
#: system call, the child a wake-up in the middle of a request.
_BATCH_AFTER_S: Final = 0.01
_BATCH_BYTES: Final = 128 * 2**10
_SEND_LEFT_OUT_EVERY_S: Final = 0.25
#: Time for the child's last report, beyond the publisher's own time for draining.
_LAST_REPORT_S: Final = 3.0
_LOST: Final = "dropped:mirror_down"

_log = structlog.get_logger()

#: `tallies[task][outcome]`.
_Tallies: TypeAlias = defaultdict[str, Counter[str]]


class MirrorProcess:
    """A `PublisherPort` whose publisher lives in a child process. Used from one event loop.

    Of `publisher.queue_bytes`, answers that are still arriving take up to half on this side, and
    calls that wait to be handed over up to a quarter; the child takes up to all of it. Beyond that,
    calls are dropped and counted. A child that dies is started again; what it had not accepted by
    then counts as dropped.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._max_waiting_bytes = settings.publisher.queue_bytes // 4
        self._unreserved_bytes = settings.publisher.queue_bytes // 2
        self._child: subprocess.Popen[bytes] | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._batch: list[CapturedCall] = []
        self._batch_bytes = 0
        self._batch_timer: asyncio.TimerHandle | None = None
        self._child_ended = asyncio.Event()
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()
        #: All that this side left out; how much of it was sent to the children, which report it to
        #: Kafka; and how much of that was sent to children that had counted it when they died.
        self._left_out: _Tallies = defaultdict(Counter)
        self._sent: _Tallies = defaultdict(Counter)
        self._sent_before: _Tallies = defaultdict(Counter)
        #: Calls taken for the present child by task, its last report, and what became of the calls
        #: of the children before it.
        self._handed_over: Counter[str] = Counter()
        self._last_report = Report(counts={}, left_out={})
        self._done_before: _Tallies = defaultdict(Counter)

    async def start(self) -> None:
        """Start the child; once, before the first request."""
        await self._start_child()
        self._run_in_background(self._send_left_out_regularly())

    async def stop(self) -> None:
        """Let the child deliver what is left, within the publisher's deadline; once, after the last request."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        self._send_batch()
        self._send_left_out()
        if self._transport is not None:
            self._transport.write_eof()
            drain_s = self.settings.publisher.drain_timeout_s + _LAST_REPORT_S
            with suppress(TimeoutError):
                await asyncio.wait_for(self._child_ended.wait(), drain_s)
        await self._end_child()

    def offer(self, call: CapturedCall, reserved: int = 0) -> bool:
        self._unreserved_bytes += reserved
        if self._transport is None:
            self._count_dropped(call.tags.task, _LOST)
            return False
        if self.waiting_bytes + call.size > self._max_waiting_bytes:
            self.refuse(call.tags.task, "byte_budget")
            return False
        self._handed_over[call.tags.task] += 1
        self._batch.append(call)
        self._batch_bytes += call.size
        if self._batch_bytes >= _BATCH_BYTES:
            self._send_batch()
        elif self._batch_timer is None:
            self._batch_timer = asyncio.get_running_loop().call_later(_BATCH_AFTER_S, self._send_batch)
        return True

    def reserve(self, size: int) -> bool:
        if size > self._unreserved_bytes:
            return False
        self._unreserved_bytes -= size
        return True

    def release(self, size: int) -> None:
        self._unreserved_bytes += size

    def refuse(self, task: str, reason: str) -> None:
        self._count_dropped(task, f"dropped:{reason}")

    def count_sampled_out(self, task: str) -> None:
        self._left_out[task]["sampled_out"] += 1

    def outcomes(self) -> Counts:
        """As in `PublisherPort`; lags behind the child by a fraction of a second."""
        total: _Tallies = defaultdict(Counter)
        for tallies in (self._done_before, self._done_by_child(), self._left_out):
            for task, outcomes in tallies.items():
                total[task].update(outcomes)
        return {task: {name: n for name, n in outcomes.items() if n} for task, outcomes in total.items()}

    @property
    def pid(self) -> int | None:
        """The child's process id, while it is connected."""
        return self._child.pid if self._child is not None and self._transport is not None else None

    @property
    def waiting_bytes(self) -> int:
        """Bytes on this side that the child has not read yet."""
        return self._batch_bytes + (0 if self._transport is None else self._transport.get_write_buffer_size())

    async def _start_child(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            command = [sys.executable, "-m", "shadow.gateway.mirror.child", str(number)]
            # Starting takes milliseconds, and happens before the first request or after a crash.
            self._child = subprocess.Popen(command, pass_fds=(number,), stdin=subprocess.DEVNULL)  # noqa: ASYNC220, S603
        self._child_ended.clear()
        loop = asyncio.get_running_loop()
        protocol = _ReportReader(self._on_report, self._on_child_end)
        self._transport, _ = await loop.create_unix_connection(lambda: protocol, sock=ours)
        # The child does not use the database, so it does not get the password in its address either.
        settings = self.settings.model_copy(update={"postgres": PostgresSettings()})
        self._transport.writelines(ipc.frame_bytes(settings.model_dump_json().encode()))

    async def _end_child(self) -> None:
        if self._child is not None:
            self._child.kill()
            await asyncio.to_thread(self._child.wait)
            self._child = None

    async def _restart_child(self) -> None:
        while self._transport is None:
            await self._end_child()
            await asyncio.sleep(_RESTART_AFTER_S)
            try:
                await self._start_child()
            except OSError as error:
                _log.exception("the mirror process could not be started", action="gateway.mirror_down", exc_info=error)

    def _send_batch(self) -> None:
        if self._batch_timer is not None:
            self._batch_timer.cancel()
            self._batch_timer = None
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        if batch and self._transport is not None:
            self._transport.writelines(ipc.frame(batch))

    async def _send_left_out_regularly(self) -> None:
        while True:
            await asyncio.sleep(_SEND_LEFT_OUT_EVERY_S)
            self._send_left_out()

    def _send_left_out(self) -> None:
        """Let the child count what it was not handed, so that its counts on Kafka are complete."""
        unsent = {
            task: dict(more) for task, left_out in self._left_out.items() if (more := left_out - self._sent[task])
        }
        if self._transport is None or not unsent:
            return
        self._transport.writelines(ipc.frame(LeftOut(counts=unsent)))
        for task, outcomes in unsent.items():
            self._sent[task].update(outcomes)

    def _count_dropped(self, task: str, outcome: str, number: int = 1) -> None:
        self._left_out[task]["accepted"] += number
        self._left_out[task][outcome] += number

    def _on_report(self, report: Report) -> None:
        self._last_report = report

    def _done_by_child(self) -> dict[str, Counter[str]]:
        """What the present child did with the calls it was handed."""
        left_out = self._last_report.left_out
        return {task: Counter(done) - Counter(left_out.get(task)) for task, done in self._last_report.counts.items()}

    def _on_child_end(self) -> None:
        """The child has ended: because we stop, or by itself."""
        self._transport = None
        self._send_batch()  # discards it: calls that never reached the child count among those it did not accept
        self._child_ended.set()
        done = self._done_by_child()
        for task, handed_over in self._handed_over.items():
            outcomes = done.get(task, Counter())
            self._done_before[task].update(outcomes)
            # The child reported those it accepted to Kafka, or would have. The others are in no report yet.
            self._done_before[task][_LOST] += outcomes["accepted"] - outcomes["mirrored"] - _dropped(outcomes)
            self._count_dropped(task, _LOST, handed_over - outcomes["accepted"])
        # What this child was sent and had not counted is sent to the next one again.
        for task, counted in self._last_report.left_out.items():
            self._sent_before[task].update(counted)
        self._sent = defaultdict(Counter, {task: Counter(sent) for task, sent in self._sent_before.items()})
        self._last_report = Report(counts={}, left_out={})
        self._handed_over.clear()
        if not self._stopping:
            _log.error("the mirror process ended; starting another", action="gateway.mirror_down")
            self._run_in_background(self._restart_child())

    def _run_in_background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)  # the event loop itself holds only weak references
        task.add_done_callback(self._tasks.discard)


def _dropped(outcomes: Mapping[str, int]) -> int:
    return sum(number for outcome, number in outcomes.items() if outcome.startswith("dropped:"))


class _ReportReader(asyncio.Protocol):
    """The gateway's end of the connection to the child."""

    def __init__(self, on_report: Callable[[Report], None], on_end: Callable[[], None]) -> None:
        self._on_report = on_report
        self._on_end = on_end
        self._frames = FrameDecoder()

    def data_received(self, data: bytes) -> None:
        for body in self._frames.feed(data):
            self._on_report(ipc.decode_report(body))

    def connection_lost(self, _error: Exception | None) -> None:
        self._on_end()
