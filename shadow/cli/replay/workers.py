"""Scores the chunks of a pairs file in several processes, and gives the results in the order of the file.

Each worker has a pipe, and one chunk at a time: the parent sends the next one before it uses the
result of the last. So memory is constant, and neither side can block on a full pipe. The parent
scores chunks itself until the workers have started; a small file never starts any.
"""

import os
import pickle
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from typing import Final, Self, TypeAlias

from scoring.replay import Batch, Scoring, score
from shadow.cli.runtime import scoring_process
from shadow.errors import UsageError
from shadow.pairs_file import BadLine, Chunk, read_chunk

#: A piece of a file, and the name of that file.
NamedChunk: TypeAlias = tuple[str, Chunk | BadLine]
NamedBatch: TypeAlias = tuple[str, Batch]

#: Chunks that the parent scores before it starts workers: less work than starting them.
_HEAD: Final = 6

#: More processes than this wait for the parent, which reads the file and adds the batches up.
_MAX_PROCESSES: Final = 8


def default_processes() -> int:
    """The number of processors that this process may use, at most `_MAX_PROCESSES`."""
    available = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return min(available, _MAX_PROCESSES)


def score_chunks(
    chunks: Iterable[NamedChunk],
    how: Scoring,
    *,
    processes: int,
    head: int = _HEAD,
    while_starting: Callable[[], object] = lambda: None,
) -> Iterator[NamedBatch]:
    """The batch of each chunk, in order: the same for every number of `processes`.

    `while_starting` is called while the workers start, if any do: work that comes later anyway.

    Raises UsageError if a worker is killed.
    """
    coming = iter(chunks)
    for count, (name, chunk) in enumerate(coming):
        if count >= head and processes > 1:
            yield from _score_in_workers(chain([(name, chunk)], coming), how, processes, while_starting)
        else:
            yield name, score(read_chunk(chunk), how)


def _score_in_workers(
    chunks: Iterator[NamedChunk], how: Scoring, processes: int, while_starting: Callable[[], object]
) -> Iterator[NamedBatch]:
    with _Workers(how, processes) as workers:
        while_starting()
        for name, chunk in chunks:
            if workers.have_started():
                yield from workers.exchange(name, chunk)
            else:
                yield name, score(read_chunk(chunk), how)
        yield from workers.rest()


class _Workers:
    """Processes that score chunks, each chunk in the next one. Use as a context manager."""

    def __init__(self, how: Scoring, count: int) -> None:
        # Not forked: a copy of a process with threads (a progress bar, a database) may hang.
        context = get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes = []
        # Ctrl-C reaches all processes of a terminal. Workers inherit that it is blocked; we end them.
        # The tracker goes first, because starting it unblocks the signal.
        resource_tracker.ensure_running()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            for _ in range(count):
                ours, theirs = context.Pipe()
                process = context.Process(target=scoring_process.work, args=(theirs, how), daemon=True)
                process.start()
                theirs.close()  # so that our read ends when the worker does
                self._pipes.append(ours)
                self._processes.append(process)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        self._starting = set(self._pipes)
        #: The workers that have a chunk, oldest chunk first, each with the name of the chunk's file.
        self._busy: deque[tuple[Connection, str]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self._pipes:
            pipe.close()  # which ends the worker
        for process in self._processes:
            process.terminate()  # also in the middle of a chunk
            process.join()

    def have_started(self) -> bool:
        """Whether all workers are ready."""
        for pipe in [pipe for pipe in self._starting if pipe.poll()]:
            self._receive(pipe)
            self._starting.remove(pipe)
        return not self._starting

    def exchange(self, name: str, chunk: Chunk | BadLine) -> Iterator[NamedBatch]:
        """Hand over a chunk. If all workers are busy, first takes the result of the oldest chunk."""
        if len(self._busy) < len(self._pipes):
            pipe = self._pipes[len(self._busy)]
            self._send(pipe, name, chunk)
            return
        pipe, finished = self._busy.popleft()
        received = self._receive(pipe)
        self._send(pipe, name, chunk)
        yield finished, pickle.loads(received)  # noqa: S301 - from our own child

    def rest(self) -> Iterator[NamedBatch]:
        """The results that have not been taken yet."""
        while self._busy:
            pipe, name = self._busy.popleft()
            yield name, pickle.loads(self._receive(pipe))  # noqa: S301 - from our own child

    def _send(self, pipe: Connection, name: str, chunk: Chunk | BadLine) -> None:
        try:
            pipe.send(chunk)
        except OSError:
            raise _killed() from None
        self._busy.append((pipe, name))

    def _receive(self, pipe: Connection) -> bytes:
        try:
            return pipe.recv_bytes()
        except (EOFError, OSError):
            raise _killed() from None


def _killed() -> UsageError:
    return UsageError("a process that scores pairs was killed; is there too little memory? Nothing more was read")
