"""Send an answer's head and body in one write.

uvicorn writes them separately: two system calls here and two wake-ups for the client. A head without a
body yet, such as that of a stream whose first token takes time, is sent by itself in the next turn of
the event loop.
"""

import asyncio
from typing import Final

_HEAD: Final = b"HTTP/1."


class JoinedWrites:
    """A transport that holds an answer's head until more is written, or until the event loop's next turn."""

    __slots__ = ("_head", "_loop", "_transport", "get_extra_info", "is_closing", "pause_reading", "resume_reading")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._head: bytes | None = None
        self.get_extra_info = transport.get_extra_info
        self.is_closing = transport.is_closing
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading

    def write(self, data: bytes) -> None:
        head = self._head
        if head is not None:
            self._head = None
            self._transport.writelines((head, data))
        elif data.startswith(_HEAD):
            self._head = data
            self._loop.call_soon(self._flush)
        else:
            self._transport.write(data)

    def end(self) -> None:
        """Send what is left and then the end, while reading goes on. TLS cannot end one direction alone."""
        self._flush()
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        head, self._head = self._head, None
        if head is not None:
            self._transport.write(head)
