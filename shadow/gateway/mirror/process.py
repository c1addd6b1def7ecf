"""Mirroring in a process beside the gateway, so that it cannot slow a request down.

Redacting a long reply holds Python's interpreter lock for as long as it takes, and a Kafka
client in trouble takes what it likes. In another process neither is felt here: the request
path puts what it heard on a list, and the rest happens on another core, or later.
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
from shadow.gateway.mirror import ipc as mirror_link
from shadow.gateway.mirror.exchange import Heard
from shadow.gateway.mirror.ipc import Frames, Left, Report
from shadow.settings import PostgresSettings, Settings

_RESTART_AFTER_S: Final = 1.0
#: What was heard is handed over together, for each time costs both processes: the gateway a
#: system call, the child a wake-up in the middle of somebody's request.
_HAND_OVER_AFTER_S: Final = 0.01
_HAND_OVER_BYTES: Final = 128 * 2**10
_TELL_LEFT_EVERY_S: Final = 0.25
#: Time for the last report, beyond the publisher's own time for draining.
_LAST_WORDS_S: Final = 3.0
_LOST: Final = "dropped:mirror_down"

_log = structlog.get_logger()

#: `tallies[task][outcome]`.
_Tallies: TypeAlias = defaultdict[str, Counter[str]]


class MirrorProcess:
    """A `Mirror` whose publisher lives in a child process. Used from one event loop.

    Of `publisher.queue_bytes`, answers that are still coming take up to half on this side, and
    what waits to be handed over up to a quarter; the child takes up to all of it. Beyond that,
    exchanges are dropped and counted. A child that dies is started again;
    what it had not yet accepted counts as dropped.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._room = settings.publisher.queue_bytes // 4
        self._room_to_hear = settings.publisher.queue_bytes // 2
        self._child: subprocess.Popen[bytes] | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._batch: list[Heard] = []
        self._batch_bytes = 0
        self._hand_over_soon: asyncio.TimerHandle | None = None
        self._over = asyncio.Event()
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()
        #: All that this side left out, how much of it some child was told so that it may tell
        #: Kafka, and how much of that was told to children that had counted it when they died.
        self._left: _Tallies = defaultdict(Counter)
        self._told: _Tallies = defaultdict(Counter)
        self._told_before: _Tallies = defaultdict(Counter)
        #: Meant for the present child, what it says it has done, and what those before it had.
        self._handed: Counter[str] = Counter()
        self._reported = Report(counts={}, left={})
        self._before: _Tallies = defaultdict(Counter)

    async def start(self) -> None:
        await self._start_child()
        self._keep(self._tell_left_regularly())

    async def stop(self) -> None:
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        self._hand_over()
        self._tell_left()
        if self._transport is not None:
            self._transport.write_eof()
            drain_s = self._settings.publisher.drain_timeout_s + _LAST_WORDS_S
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), drain_s)
        await self._end_child()

    def offer(self, heard: Heard) -> None:
        if self._transport is None:
            self._drop(heard.task, _LOST)
        elif self.waiting_bytes + heard.size > self._room:
            self.no_room(heard.task)
        else:
            self._handed[heard.task] += 1
            self._batch.append(heard)
            self._batch_bytes += heard.size
            if self._batch_bytes >= _HAND_OVER_BYTES:
                self._hand_over()
            elif self._hand_over_soon is None:
                self._hand_over_soon = asyncio.get_running_loop().call_later(_HAND_OVER_AFTER_S, self._hand_over)

    def reserve(self, size: int) -> bool:
        if size > self._room_to_hear:
            return False
        self._room_to_hear -= size
        return True

    def release(self, size: int) -> None:
        self._room_to_hear += size

    def no_room(self, task: str) -> None:
        self._drop(task, "dropped:byte_budget")

    def sampled_out(self, task: str) -> None:
        self._left[task]["sampled_out"] += 1

    def counts(self) -> Counts:
        total: _Tallies = defaultdict(Counter)
        for tallies in (self._before, self._done(), self._left):
            for task, outcomes in tallies.items():
                total[task].update(outcomes)
        return {task: {name: n for name, n in outcomes.items() if n} for task, outcomes in total.items()}

    @property
    def pid(self) -> int | None:
        """The child's process id, while there is a child to talk to."""
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
        self._over.clear()
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_unix_connection(lambda: _Link(self._on_report, self._on_end), sock=ours)
        # The database is none of the child's business, nor is the password in its address.
        settings = self._settings.model_copy(update={"postgres": PostgresSettings()})
        self._transport.writelines(mirror_link.frame_of(settings.model_dump_json().encode()))

    async def _end_child(self) -> None:
        if self._child is not None:
            self._child.kill()
            await asyncio.to_thread(self._child.wait)
            self._child = None

    async def _restart(self) -> None:
        while self._transport is None:
            await self._end_child()
            await asyncio.sleep(_RESTART_AFTER_S)
            try:
                await self._start_child()
            except OSError as fault:
                _log.exception("no mirror process", action="gateway.mirror_down", exc_info=fault)

    def _hand_over(self) -> None:
        """Send the batch on its way to the child."""
        if self._hand_over_soon is not None:
            self._hand_over_soon.cancel()
            self._hand_over_soon = None
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        if batch and self._transport is not None:
            self._transport.writelines(mirror_link.frame(batch))

    async def _tell_left_regularly(self) -> None:
        while True:
            await asyncio.sleep(_TELL_LEFT_EVERY_S)
            self._tell_left()

    def _tell_left(self) -> None:
        """Let the child count what it was not given, so that its counts to Kafka are complete."""
        untold = {task: dict(more) for task, left in self._left.items() if (more := left - self._told[task])}
        if self._transport is None or not untold:
            return
        self._transport.writelines(mirror_link.frame(Left(counts=untold)))
        for task, outcomes in untold.items():
            self._told[task].update(outcomes)

    def _drop(self, task: str, outcome: str, number: int = 1) -> None:
        self._left[task]["accepted"] += number
        self._left[task][outcome] += number

    def _on_report(self, report: Report) -> None:
        self._reported = report

    def _done(self) -> dict[str, Counter[str]]:
        """What the present child did with the exchanges it was handed."""
        left = self._reported.left
        return {task: Counter(done) - Counter(left.get(task)) for task, done in self._reported.counts.items()}

    def _on_end(self) -> None:
        """The child is gone: because we stop, or on its own."""
        self._transport = None
        self._hand_over()  # to nobody: what the child never got is counted with what it did not accept
        self._over.set()
        done = self._done()
        for task, handed in self._handed.items():
            outcomes = done.get(task, Counter())
            self._before[task].update(outcomes)
            # It told Kafka of those it accepted, or would have; of the rest nobody has heard yet.
            self._before[task][_LOST] += outcomes["accepted"] - outcomes["mirrored"] - _dropped(outcomes)
            self._drop(task, _LOST, handed - outcomes["accepted"])
        # What it was told and had not counted, the next one is told again.
        for task, left in self._reported.left.items():
            self._told_before[task].update(left)
        self._told = defaultdict(Counter, {task: Counter(told) for task, told in self._told_before.items()})
        self._reported = Report(counts={}, left={})
        self._handed.clear()
        if not self._stopping:
            _log.error("the mirror process ended; starting another", action="gateway.mirror_down")
            self._keep(self._restart())

    def _keep(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)  # the event loop itself holds only weak references
        task.add_done_callback(self._tasks.discard)


def _dropped(outcomes: Mapping[str, int]) -> int:
    return sum(number for outcome, number in outcomes.items() if outcome.startswith("dropped:"))


class _Link(asyncio.Protocol):
    """The gateway's end of the connection to the child."""

    def __init__(self, on_report: Callable[[Report], None], on_end: Callable[[], None]) -> None:
        self._on_report = on_report
        self._on_end = on_end
        self._frames = Frames()

    def data_received(self, data: bytes) -> None:
        for body in self._frames.feed(data):
            self._on_report(mirror_link.decode_report(body))

    def connection_lost(self, _fault: Exception | None) -> None:
        self._on_end()
