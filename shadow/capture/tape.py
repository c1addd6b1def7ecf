"""A streamed answer as it passed: the bytes, and when each piece came.

The tape stands between the HTTP response and its byte stream. Whatever reads the response (the
SDK's `Stream`, a raw response, `iter_lines`) gets the very pieces, at the very moment; the tape
keeps a reference to each and is told when the stream is closed. Nothing is read ahead.
"""

import sys
import time
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from functools import cache
from typing import Any, Final

#: Of a longer answer only the beginning is kept.
LIMIT_BYTES: Final = 4 * 2**20


class Tape:
    """The pieces of one answer, in the encoding they came in; times are `time.perf_counter()`."""

    __slots__ = ("_ended", "cut", "fault", "pieces", "size", "times")

    def __init__(self, ended: "Callable[[Tape], None]") -> None:
        self.pieces: list[bytes] = []
        self.times: list[float] = []
        self.size = 0
        self.cut = False
        self.fault: str | None = None
        self._ended: Callable[[Tape], None] | None = ended

    def add(self, piece: bytes) -> None:
        if self.size + len(piece) > LIMIT_BYTES:
            self.cut = True
        if not self.cut:
            self.pieces.append(piece)
            self.size += len(piece)
            self.times.append(time.perf_counter())

    def broke(self, fault: BaseException) -> None:
        """The stream raised. A generator that is closed early is not a fault of the stream."""
        if not isinstance(fault, GeneratorExit):
            self.fault = type(fault).__name__

    def end(self) -> None:
        """The stream was closed, or its last reader is gone. Does its work once."""
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(self)

    def __del__(self) -> None:
        self.end()


def record(response: Any, tape: Tape) -> None:
    """Put `tape` in front of the byte stream of an HTTP response that was not read yet."""
    response.stream = _recorded(_library(response))(response.stream, tape)


def decoded(tape: Tape, coding: str) -> Iterator[tuple[bytes, float]]:
    """The pieces without their content coding, each with the time it came.

    Raises ValueError for a coding we do not know, or for bytes that are not in it.
    """
    timed = zip(tape.pieces, tape.times, strict=True)
    if coding in ("", "identity"):
        yield from timed
        return
    if coding not in ("gzip", "deflate"):
        raise ValueError(f"unknown content coding {coding!r}")
    unzip = zlib.decompressobj(zlib.MAX_WBITS | 32)  # 32: tell gzip from zlib by the header
    try:
        for piece, at in timed:
            yield unzip.decompress(piece), at
    except zlib.error as fault:
        raise ValueError(str(fault)) from None


def _library(response: Any) -> str:
    """`httpx2`, or `httpx` with an older client: whose response this is."""
    return type(response).__module__.partition(".")[0]


@cache
def _recorded(library: str) -> Any:
    """A byte stream of `library` that goes through a tape.

    Made at run time because the library is the application's, and it checks the type.
    """
    module = sys.modules[library]
    synchronous, asynchronous = module.SyncByteStream, module.AsyncByteStream

    class SyncRecorded(synchronous):  # type: ignore[misc, valid-type] # the base is known only at run time
        def __init__(self, stream: Any, tape: Tape) -> None:
            self._stream, self._tape = stream, tape

        def __iter__(self) -> Iterator[bytes]:
            try:
                for piece in self._stream:
                    self._tape.add(piece)
                    yield piece
            except BaseException as fault:
                self._tape.broke(fault)
                raise

        def close(self) -> None:
            try:
                self._stream.close()
            finally:
                self._tape.end()

        def __getattr__(self, name: str) -> Any:
            return getattr(self._stream, name)  # `elapsed`, which the response looks up here

    class AsyncRecorded(asynchronous):  # type: ignore[misc, valid-type] # as above
        def __init__(self, stream: Any, tape: Tape) -> None:
            self._stream, self._tape = stream, tape

        async def __aiter__(self) -> AsyncIterator[bytes]:
            pieces = self._stream.__aiter__()
            try:
                async for piece in pieces:
                    self._tape.add(piece)
                    yield piece
            except BaseException as fault:
                self._tape.broke(fault)
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

    def wrap(stream: Any, tape: Tape) -> Any:
        return (SyncRecorded if isinstance(stream, synchronous) else AsyncRecorded)(stream, tape)

    return wrap
