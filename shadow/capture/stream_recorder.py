"""A streamed answer as it passed: the bytes, and when each piece came.

The tape stands between the HTTP response and its byte stream. Whatever reads the response (the
SDK's `Stream`, a raw response, `iter_lines`) gets the very pieces, at the very moment; the tape
keeps a reference to each and is told when the stream is closed. Nothing is read ahead.
"""

import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from functools import cache
from typing import Any, Final, TypeAlias

from shadow.openai_api.body_buffer import Budget, Copy

#: What was noted of the request before its answer began to stream.
Noted: TypeAlias = tuple[Any, ...]
Ended: TypeAlias = Callable[[Noted, "Tape"], object]

#: Of a longer answer only the beginning is kept. Some models stream tens of thousands of pieces.
LIMIT_BYTES: Final = 16 * 2**20
#: How many forks lie between this process and the first. A stream that was open then is the
#: parent's to tell of, although the child has a copy and closes it too.
_forks: Final = [0]


class Tape(Copy):
    """The pieces of one answer, in the encoding they came in, each with its `time.perf_counter()`.

    `headers` are those of the answer. `ended(noted, tape)` is called when the stream is closed, and
    what was reserved of the `budget` is given back before. `refused`: the budget was spent, and
    nothing is kept.
    """

    limit = LIMIT_BYTES
    fault: str | None = None

    def __init__(self, ended: "Ended", noted: Noted, headers: Mapping[str, str], budget: Budget) -> None:
        self.pieces = []  # what the base class does, without another call
        self._budget = budget
        self.headers = headers
        self._ended: Ended | None = ended
        self._noted = noted
        self._forks = _forks[0]

    def broke(self, fault: BaseException) -> None:
        """The stream raised. A generator that is closed early is not a fault of the stream."""
        if not isinstance(fault, GeneratorExit):
            self.fault = type(fault).__name__

    def end(self) -> None:
        """The stream was closed, or its last reader is gone. Does its work once."""
        ended, self._ended = self._ended, None
        if ended is not None and self._forks == _forks[0]:
            self.release()
            ended(self._noted, self)

    def __del__(self) -> None:
        self.end()


def record(response: Any, tape: Tape) -> None:
    """Put `tape` in front of the byte stream of an HTTP response that was not read yet."""
    stream = response.stream
    response.stream = _recorded(stream.__class__)(stream, tape)


@cache
def _recorded(kind: type[Any]) -> Any:
    """The class of byte streams like `kind`, synchronous or not, that go through a tape.

    Made at run time because the HTTP library is the application's (`httpx2`, or `httpx` with an
    older client), and it checks the type.
    """
    base: Any = next(base for base in kind.__mro__ if base.__name__ in ("SyncByteStream", "AsyncByteStream"))

    class SyncRecorded(base):  # type: ignore[misc] # the base is known only at run time
        def __init__(self, stream: Any, tape: Tape) -> None:
            self._stream, self._tape = stream, tape

        def __iter__(self) -> Iterator[bytes]:
            tape = self._tape
            try:
                for piece in self._stream:
                    tape.add(piece)
                    yield piece
            except BaseException as fault:
                tape.broke(fault)
                raise

        def close(self) -> None:
            try:
                self._stream.close()
            finally:
                self._tape.end()

        def __getattr__(self, name: str) -> Any:
            return getattr(self._stream, name)  # `elapsed`, which the response looks up here

    class AsyncRecorded(base):  # type: ignore[misc] # as above
        def __init__(self, stream: Any, tape: Tape) -> None:
            self._stream, self._tape = stream, tape

        async def __aiter__(self) -> AsyncIterator[bytes]:
            tape, pieces = self._tape, self._stream.__aiter__()
            try:
                async for piece in pieces:
                    tape.add(piece)
                    yield piece
            except BaseException as fault:
                tape.broke(fault)
                raise
            finally:
                if isinstance(pieces, AsyncGenerator):
                    await pieces.aclose()

        async def aclose(self) -> None:
            try:
                await self._stream.aclose()
            finally:
                self._tape.end()

        def __getattr__(self, name: str) -> Any:
            return getattr(self._stream, name)

    return SyncRecorded if base.__name__ == "SyncByteStream" else AsyncRecorded


def _count_fork() -> None:
    _forks[0] += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_count_fork)
