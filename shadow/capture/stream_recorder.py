"""Records a streamed answer while the application reads it.

The recorder sits between the HTTP response and its byte stream. Whoever reads the response (the
SDK's `Stream`, a raw response, `iter_lines`) gets the same pieces at the same time; the recorder
keeps a reference to each, and offers the call to the publisher when the stream is closed. Nothing
is read ahead.
"""

import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from functools import cache
from typing import Any, Final

from shadow.capture.process import report_bug
from shadow.recording import BodyBuffer, CapturedCall, PublisherPort
from shadow.recording.captured_call import CLIENT_DISCONNECTED

#: Only the beginning of a longer answer is kept. Some models stream tens of thousands of pieces.
LIMIT_BYTES: Final = 16 * 2**20
#: How many forks lie between this process and the first. A stream that was open at a fork is the
#: parent's to report, although the child has a copy of it and closes that too.
_forks: Final = [0]


class StreamRecorder(BodyBuffer):
    """Keeps the pieces of one answer, in the encoding they come in, and offers `call` when the stream closes.

    `call` is complete but for the answer's body. What was reserved of the publisher's byte budget
    is released before the offer.
    """

    limit = LIMIT_BYTES
    error: str = CLIENT_DISCONNECTED

    def __init__(self, call: CapturedCall, publisher: PublisherPort) -> None:
        self.pieces = []  # as the base class does, without another call
        self._publisher = publisher
        self._call: CapturedCall | None = call
        self._forks = _forks[0]

    def on_error(self, error: BaseException) -> None:
        """The stream raised. GeneratorExit means that its reader closed it, and is no error of the stream."""
        if not isinstance(error, GeneratorExit):
            self.error = type(error).__name__

    def end(self) -> None:
        """The stream was closed, or is no longer referenced. Only the first call does something."""
        call, self._call = self._call, None
        if call is None or self._forks != _forks[0]:
            return
        try:
            self.release()
            if self.refused:
                self._publisher.refuse(call.tags.task, "byte_budget")
                return
            pieces = self.pieces
            if pieces:
                call.ended = pieces[-1][1]
            call.pieces = pieces
            call.size += self.size
            call.limit = self.limit
            call.cut = self.cut
            call.error = self.error
            self._publisher.offer(call)
        except Exception as bug:  # noqa: BLE001 - nothing of ours may raise into the application
            report_bug(bug)

    def __del__(self) -> None:
        self.end()


def record(response: Any, recorder: StreamRecorder) -> None:
    """Put `recorder` in front of the byte stream of an HTTP response that was not read yet."""
    stream = response.stream
    response.stream = _recorded(stream.__class__)(stream, recorder)


@cache
def _recorded(kind: type[Any]) -> Any:
    """The class of byte streams like `kind`, synchronous or not, that pass through a recorder.

    Made at run time because the HTTP library is the application's (`httpx2`, or `httpx` with an
    older client), and it checks the type.
    """
    base: Any = next(base for base in kind.__mro__ if base.__name__ in ("SyncByteStream", "AsyncByteStream"))

    class SyncRecorded(base):  # type: ignore[misc] # the base is known only at run time
        def __init__(self, stream: Any, recorder: StreamRecorder) -> None:
            self._stream, self._recorder = stream, recorder

        def __iter__(self) -> Iterator[bytes]:
            recorder = self._recorder
            try:
                for piece in self._stream:
                    recorder.add(piece)
                    yield piece
            except BaseException as error:
                recorder.on_error(error)
                raise

        def close(self) -> None:
            try:
                self._stream.close()
            finally:
                self._recorder.end()

        def __getattr__(self, name: str) -> Any:
            return getattr(self._stream, name)  # `elapsed`, which the response looks up here

    class AsyncRecorded(base):  # type: ignore[misc] # as above
        def __init__(self, stream: Any, recorder: StreamRecorder) -> None:
            self._stream, self._recorder = stream, recorder

        async def __aiter__(self) -> AsyncIterator[bytes]:
            recorder, pieces = self._recorder, self._stream.__aiter__()
            try:
                async for piece in pieces:
                    recorder.add(piece)
                    yield piece
            except BaseException as error:
                recorder.on_error(error)
                raise
            finally:
                if isinstance(pieces, AsyncGenerator):
                    await pieces.aclose()

        async def aclose(self) -> None:
            try:
                await self._stream.aclose()
            finally:
                self._recorder.end()

        def __getattr__(self, name: str) -> Any:
            return getattr(self._stream, name)

    return SyncRecorded if base.__name__ == "SyncByteStream" else AsyncRecorded


def _count_fork() -> None:
    _forks[0] += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_count_fork)
