"""Records a streamed answer while the application reads it.

The recorder sits between the HTTP response and its byte stream. Whoever reads the response (the
SDK's `Stream`, a raw response, `iter_lines`) gets the same pieces at the same time; the recorder
keeps a reference to each, and offers the call to the publisher when the stream is closed. Nothing
is read ahead.
"""

import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from functools import cache
from typing import Any, Final

from shadow.capture.process import report_bug
from shadow.openai_api.content_encoding import Piece
from shadow.recording import BodyBuffer, CapturedCall, PublisherPort

#: Only the beginning of a longer answer is kept. Some models stream tens of thousands of pieces.
LIMIT_BYTES: Final = 16 * 2**20
#: How many forks lie between this process and the first. A stream that was open at a fork is the
#: parent's to report, although the child has a copy of it and closes that too.
_forks: Final = [0]


class StreamRecorder(BodyBuffer):
    """Keeps the pieces of one answer, in the encoding they come in, and offers `call` when the stream closes.

    `call` is complete but for the answer's body; its `pieces` are this buffer's. The request counts
    against the byte budget from the first piece on. An answer that does not fit is counted as
    dropped at once.

    The application waits for whatever must be fetched from memory when the stream ends. So the
    attributes are set here, and not by the base class or as defaults of the class; and `offer`,
    which is `publisher.offer`, is one of them.
    """

    def __init__(
        self,
        stream: Any,
        call: CapturedCall,
        pieces: list[Piece],
        publisher: PublisherPort,
        offer: Callable[[CapturedCall, int], object],
    ) -> None:
        self.pieces = pieces
        self.size = call.size
        self.limit = call.limit + call.size  # the request is part of `size`
        self._reserved = 0
        self._publisher = publisher
        self._stream = stream
        self._call: CapturedCall | None = call
        self._offer = offer
        self._forks = _forks
        self._fork = _forks[0]

    def on_error(self, error: BaseException) -> None:
        """The stream raised. GeneratorExit means that its reader closed it, and is no error of the stream."""
        if self._call is not None and not isinstance(error, GeneratorExit):
            self._call.error = type(error).__name__

    def on_end(self) -> None:
        """The stream gave its last piece."""
        if self._call is not None:
            self._call.error = None

    def end(self) -> None:
        """The stream was closed, or is no longer referenced. Only the first call does something."""
        call = self._call
        if call is None or self._forks[0] != self._fork:
            return
        self._call = None
        try:
            call.size = self.size
            self._offer(call, self._reserved)
        except Exception as bug:  # noqa: BLE001 - nothing of ours may raise into the application
            report_bug(bug)

    def __del__(self) -> None:
        self.end()

    @property
    def elapsed(self) -> Any:
        """What a response of `httpx2` asks its stream for. No `__getattr__`: it would slow every other access."""
        return self._stream.elapsed

    def on_cut(self) -> None:
        if self._call is not None:
            self._call.cut = True

    def on_refused(self) -> None:
        call, self._call = self._call, None
        if call is not None and self._forks[0] == self._fork:
            self._publisher.refuse(call.tags.task, "byte_budget")


@cache
def recorder_for(kind: type[Any]) -> Any:
    """The class of recorders for byte streams of this kind, synchronous or not, which replaces them in the response.

    Its arguments are those of `StreamRecorder`. Made at run time because the HTTP library is the
    application's (`httpx2`, or `httpx` with an older client), and it checks the type.
    """
    base: Any = next(base for base in kind.__mro__ if base.__name__ in ("SyncByteStream", "AsyncByteStream"))

    class SyncRecorder(StreamRecorder, base):  # type: ignore[misc] # the base is known only at run time
        def __iter__(self) -> Iterator[bytes]:
            add = self.add
            try:
                for piece in self._stream:
                    add(piece)
                    yield piece
                self.on_end()
            except BaseException as error:
                self.on_error(error)
                raise

        def close(self) -> None:
            try:
                self._stream.close()
            finally:
                self.end()

    class AsyncRecorder(StreamRecorder, base):  # type: ignore[misc] # as above
        async def __aiter__(self) -> AsyncIterator[bytes]:
            add, pieces = self.add, self._stream.__aiter__()
            try:
                async for piece in pieces:
                    add(piece)
                    yield piece
                self.on_end()
            except BaseException as error:
                self.on_error(error)
                raise
            finally:
                if isinstance(pieces, AsyncGenerator):
                    await pieces.aclose()

        async def aclose(self) -> None:
            try:
                await self._stream.aclose()
            finally:
                self.end()

    return SyncRecorder if base.__name__ == "SyncByteStream" else AsyncRecorder


def _count_fork() -> None:
    _forks[0] += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_count_fork)
