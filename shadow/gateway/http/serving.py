"""uvicorn as the gateway runs it: it adds nothing to answers, and sends short ones in one write.

uvicorn writes an answer's head and body separately: two system calls here and two wake-ups for the
client. A head without a body yet, such as that of a stream whose first token takes time, is sent
by itself in the next turn of the event loop.
"""

import asyncio
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shadow.gateway.http.asgi import App

_HEAD: Final = b"HTTP/1."
#: Longest that requests in flight may take to finish after SIGTERM.
_GRACE_S: Final = 30
#: Load balancers and clients keep idle connections for about a minute. Whoever closes first may
#: lose a request that is already on its way, so the gateway waits longer.
_KEEPALIVE_S: Final = 75


def config(application: App, **changes: Any) -> uvicorn.Config:
    """How the gateway is served; `changes` are uvicorn's options."""
    ours: dict[str, Any] = {
        "loop": "uvloop",
        "http": _JoinedWrites,
        "ws": "none",
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        # The endpoint's own headers are forwarded; the client's address is not used.
        "server_header": False,
        "date_header": False,
        "proxy_headers": False,
        "timeout_keep_alive": _KEEPALIVE_S,
        "timeout_graceful_shutdown": _GRACE_S,
    }
    return uvicorn.Config(application, **ours | changes)


class _JoinedWrites(HttpToolsProtocol):
    """Serves one connection."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(_Joined(transport))  # type: ignore[arg-type] # all of a transport that uvicorn uses


class _Joined:
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

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        head, self._head = self._head, None
        if head is not None:
            self._transport.write(head)
