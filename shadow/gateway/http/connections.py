"""HTTP/1.1 connections to endpoints, with nothing between the socket's bytes and their reader.

A general HTTP client spends more time on a request than the rest of the gateway together, and
when a connection breaks it discards what had arrived before. This one does what a proxy needs:
it sends bytes, parses heads, and returns bodies piece by piece.
"""

import asyncio
import ssl
import time
from collections import defaultdict, deque
from enum import Enum, auto
from functools import cache, lru_cache
from typing import Final, cast
from urllib.parse import urlsplit

import httptools
import msgspec

from shadow.errors import TransportError
from shadow.gateway.http.deadlines import Deadlines

_CONNECT_S: Final = 10.0
#: Idle connections are closed before common servers (uvicorn, and so vLLM: 5 s) close them: no
#: request may be sent on a connection that is just being closed.
_KEEPALIVE_S: Final = 4.0
#: Reading from the endpoint pauses above this many bytes that the client has not taken yet.
_HIGH_WATER: Final = 256 * 2**10


class RemoteProtocolError(TransportError, ConnectionError):
    """The endpoint closed the connection, or sent something that is not HTTP, before its answer was complete."""


class ReadTimeout(TransportError, TimeoutError):  # noqa: N818 - as httpx names it
    """The endpoint sent nothing for too long."""


class State(Enum):
    """What a connection is doing.

    NEW: no request was sent yet. ACTIVE: from a request to the end of its answer. IDLE: the answer
    was complete, and another request may follow. CLOSED: no other request may follow.
    """

    NEW = auto()
    ACTIVE = auto()
    IDLE = auto()
    CLOSED = auto()


NEW, ACTIVE, IDLE, CLOSED = State  # on the hot path a global name is faster than an attribute


class Origin(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """The server behind a base URL, and the path there that answers to `/v1`."""

    secure: bool
    host: str
    port: int
    host_header: bytes
    prefix: bytes


@lru_cache(maxsize=1024)
def origin_of(base_url: str) -> Origin:
    """The origin of a `base_url` of the settings, which was validated there."""
    parts = urlsplit(base_url)
    secure = parts.scheme == "https"
    return Origin(
        secure=secure,
        host=parts.hostname or "",
        port=parts.port or (443 if secure else 80),
        host_header=parts.netloc.encode("ascii" if parts.netloc.isascii() else "idna"),
        prefix=parts.path.rstrip("/").encode(),
    )


class Connection(asyncio.Protocol):
    """One connection: write a request, then read `head()`, then `chunk()`s until `ended`."""

    def __init__(self, origin: Origin, read_timeout: Deadlines) -> None:
        """`read_timeout` is how long the endpoint may send nothing while its answer is awaited."""
        self.origin = origin
        self.idle_since = 0.0
        self.status = 0  # of the answer, once its head is complete
        self.headers: list[tuple[bytes, bytes]] = []
        self._read_timeout = read_timeout
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._reading: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._reading_paused = False
        self._state = NEW
        self._error: Exception | None = None  # why the answer is incomplete
        self._bodiless = False
        self._chunks: deque[bytes] = deque()
        self._unread = 0

    # what the forwarder uses

    def write(self, *parts: bytes, bodiless: bool = False) -> None:
        """Begin a request. `bodiless` for one whose answer never has a body (HEAD)."""
        self._state = ACTIVE
        self._error = None
        self._bodiless = bodiless
        self.status = 0
        self.headers = []
        self._chunks.clear()
        self._unread = 0
        self.write_more(*parts)

    def write_more(self, *parts: bytes) -> None:
        """Continue a request's body."""
        if self._transport is not None:
            self._transport.writelines(parts)

    async def writable(self) -> None:
        """Return once the endpoint has taken enough of what was written."""
        if self._writable is not None:
            await self._writable

    async def head(self) -> None:
        """Return once `status` and `headers` are known. Raises RemoteProtocolError or ReadTimeout."""
        while not self.status:
            await self._more()

    async def chunk(self) -> bytes:
        """The next bytes of the body, or `b""` at its end. Raises as `head`, after all bytes that had come."""
        while not self._chunks and (self._state is ACTIVE or self._error is not None):
            await self._more()
        chunk = self._chunks.popleft() if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._unread = 0
        if self._reading_paused and self._transport is not None:
            self._reading_paused = False
            self._transport.resume_reading()
        return chunk

    @property
    def ended(self) -> bool:
        """Whether the body has been read to its end."""
        return self._state is not ACTIVE and self._error is None and not self._chunks

    @property
    def reusable(self) -> bool:
        """Whether another request may follow: all of the last one was sent, and all of its answer was read.

        An endpoint may answer before it has read the request; the rest of it would then be taken for
        the beginning of the next one.
        """
        if self._state is not IDLE or self._chunks or self._transport is None or self._transport.is_closing():
            return False
        return not self._transport.get_write_buffer_size()

    @property
    def closing(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()  # without sending what is still buffered

    async def _more(self) -> None:
        if self._error is not None:
            raise self._error
        self._reading = self._loop.create_future()
        self._read_timeout.start(self)
        try:
            await self._reading
        finally:
            self._read_timeout.stop(self)
            self._reading = None

    def on_timeout(self) -> None:
        self._fail(ReadTimeout(f"nothing for {self._read_timeout.seconds:g} s"))

    def _fail(self, error: Exception) -> None:
        """No other request may follow; if the answer is not complete, it never will be."""
        if self._state is ACTIVE:
            self._error = error
        self._state = CLOSED
        self._wake()

    def _wake(self) -> None:
        if self._reading is not None and not self._reading.done():
            self._reading.set_result(None)

    # what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._state is not ACTIVE:  # data without a request
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.close()
            self._fail(RemoteProtocolError(f"not HTTP: {error.__context__ or error}"))
            return
        if self._unread > _HIGH_WATER and not self._reading_paused and self._transport is not None:
            self._reading_paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.resume_writing()
        names = {name.lower() for name, _ in self.headers}
        if self.status and exc is None and not names & {b"content-length", b"transfer-encoding"}:
            self._state = CLOSED  # an answer without a length lasts until the connection ends
        self._fail(RemoteProtocolError("the endpoint closed the connection"))

    def pause_writing(self) -> None:
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    # what the parser calls

    def on_message_begin(self) -> None:
        if self._state is not ACTIVE:  # a second answer behind the first
            self._state = CLOSED
            raise ValueError("an answer without a request")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # 103 and the like come before the answer
            self.headers = []
            return
        if status > 599:  # no such status may be sent on (RFC 9110 §15)
            raise ValueError(f"status {status}")
        self.status = status
        if self._bodiless:
            self._state = CLOSED  # the parser goes on waiting for a body

    def on_body(self, body: bytes) -> None:
        if self._state is ACTIVE:  # some servers send a body even after HEAD
            self._chunks.append(body)
            self._unread += len(body)

    def on_message_complete(self) -> None:
        if self.status and self._state is ACTIVE:
            self._state = IDLE if self._parser.should_keep_alive() else CLOSED


class Pool:
    """Connections to any number of origins, kept for a while to be used again.

    There is no limit on their number: a proxy that queues requests adds latency that shows nowhere.
    """

    def __init__(self, *, timeout_s: float) -> None:
        self._read_timeout = Deadlines(timeout_s)
        self._idle: defaultdict[Origin, deque[Connection]] = defaultdict(deque)

    async def acquire(self, origin: Origin) -> Connection:
        """A connection for one request. Raises OSError, or TimeoutError, where none can be made."""
        idle = self._idle[origin]
        oldest = time.monotonic() - _KEEPALIVE_S
        while idle:
            connection = idle.pop()
            if not connection.closing and connection.idle_since > oldest:
                return connection
            connection.close()
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_CONNECT_S):
            _, connection = await loop.create_connection(
                lambda: Connection(origin, self._read_timeout),
                origin.host,
                origin.port,
                ssl=_ssl_context() if origin.secure else None,
            )
        return connection

    def release(self, connection: Connection) -> None:
        """Return a connection: it is kept if it can be used again, and closed if not."""
        if not connection.reusable:
            connection.close()
            return
        connection.idle_since = now = time.monotonic()
        idle = self._idle[connection.origin]
        idle.append(connection)
        while idle[0].idle_since < now - _KEEPALIVE_S:
            idle.popleft().close()

    def close(self) -> None:
        """Close every idle connection."""
        for idle in self._idle.values():
            for connection in idle:
                connection.close()
        self._idle.clear()
        self._read_timeout.close()


@cache
def _ssl_context() -> ssl.SSLContext:
    return ssl.create_default_context()  # reads every trusted certificate, so only once
