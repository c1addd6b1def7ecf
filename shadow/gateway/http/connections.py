"""HTTP/1.1 connections to endpoints, with nothing between the socket's bytes and their reader.

A general HTTP client spends more time on a request than the rest of the gateway together, and
when a connection breaks it throws away what had arrived before. This one keeps to what a proxy
needs: it sends bytes, parses heads, and hands out bodies piece by piece.
"""

import asyncio
import ssl
import time
from collections import defaultdict, deque
from functools import cache, lru_cache
from typing import Final, cast
from urllib.parse import urlsplit

import httptools
import msgspec

from shadow.errors import TransportError
from shadow.gateway.http.deadlines import Deadlines

_CONNECT_S: Final = 10.0
#: Idle connections are given up before common servers (uvicorn, so vLLM: 5 s) close them: a
#: request must not meet a connection that is just being closed.
_KEEPALIVE_S: Final = 4.0
#: A client that reads slowly makes the endpoint wait beyond so many unread bytes.
_HIGH_WATER: Final = 256 * 2**10


class RemoteProtocolError(TransportError, ConnectionError):
    """The endpoint closed the connection, or sent what is not HTTP, before its answer was whole."""


class ReadTimeout(TransportError, TimeoutError):  # noqa: N818 - as httpx names it
    """The endpoint sent nothing for too long."""


class Origin(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """The server behind a base URL, and the path there that answers to `/v1`."""

    secure: bool
    host: str
    port: int
    host_header: bytes
    prefix: bytes


@lru_cache(maxsize=1024)
def origin_of(base_url: str) -> Origin:
    """The origin of an address of the settings, which are known to be valid ones."""
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

    def __init__(self, origin: Origin, silence: Deadlines) -> None:
        """`silence` is how long the endpoint may say nothing while somebody waits for it."""
        self.origin = origin
        self.idle_since = 0.0
        self._silence = silence
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._reading: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._paused = False
        self._begin(bodiless=False)

    def _begin(self, *, bodiless: bool) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self._bodiless = bodiless
        self._headed = False
        self._done = False
        self._keep = False
        self._fault: Exception | None = None
        self._chunks: deque[bytes] = deque()
        self._unread = 0

    # what the forwarder uses

    def write(self, *parts: bytes, bodiless: bool = False) -> None:
        """Begin a request. `bodiless` for one whose answer never has a body (HEAD)."""
        self._begin(bodiless=bodiless)
        self.write_more(*parts)

    def write_more(self, *parts: bytes) -> None:
        """Go on with a request's body."""
        if self._transport is not None:
            self._transport.writelines(parts)

    async def writable(self) -> None:
        """Return once the endpoint has taken enough of what was written."""
        if self._writable is not None:
            await self._writable

    async def head(self) -> None:
        """Return once `status` and `headers` are known. Raises RemoteProtocolError or ReadTimeout."""
        while not self._headed:
            await self._more()

    async def chunk(self) -> bytes:
        """What has come of the body; waits for something, or `b""` at its end. Raises as `head`."""
        while not self._chunks and not self._done:
            await self._more()
        chunk = self._chunks.popleft() if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._unread = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return chunk

    @property
    def ended(self) -> bool:
        """Whether the body has been read to its end."""
        return self._done and not self._chunks

    @property
    def reusable(self) -> bool:
        """Whether another request may follow: the answer was whole, and both sides stay."""
        return self.ended and self._keep and self._fault is None and not self.closing

    @property
    def closing(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()  # nothing that is still to be written matters to anybody

    async def _more(self) -> None:
        if self._fault is not None:
            raise self._fault
        self._reading = self._loop.create_future()
        self._silence.start(self)
        try:
            await self._reading
        finally:
            self._silence.stop(self)
            self._reading = None

    def late(self) -> None:
        """Nothing came for too long."""
        self._fail(ReadTimeout(f"nothing for {self._silence.seconds:g} s"))

    def _fail(self, fault: Exception) -> None:
        self._fault = self._fault or fault
        self._wake()

    def _wake(self) -> None:
        if self._reading is not None and not self._reading.done():
            self._reading.set_result(None)

    # what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._done:  # nobody asked for this
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as fault:
            self.close()
            self._fail(RemoteProtocolError(f"not HTTP: {fault}"))
            return
        if self._unread > _HIGH_WATER and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.resume_writing()
        names = {name.lower() for name, _ in self.headers}
        if self._headed and not self._done and not names & {b"content-length", b"transfer-encoding"} and exc is None:
            self._done = True  # an answer without a length lasts until the connection ends
        if not self._done:
            self._fail(RemoteProtocolError("the endpoint closed the connection"))
        self._wake()

    def pause_writing(self) -> None:
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    # what the parser calls

    def on_message_begin(self) -> None:
        if self._done:  # right behind the answer: nobody asked for this either
            self._keep = False
            raise ValueError("an answer without a question")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status < 200:  # 103 and the like announce the answer, they are not it
            self.headers = []
            return
        self._headed = True
        self._done = self._bodiless

    def on_body(self, body: bytes) -> None:
        if not self._done:  # some servers send a body after HEAD all the same
            self._chunks.append(body)
            self._unread += len(body)

    def on_message_complete(self) -> None:
        if self._headed:
            self._done = True
            # After an answer to HEAD the parser is still waiting for its body.
            self._keep = self._parser.should_keep_alive() and not self._bodiless


class Pool:
    """Connections to any number of origins, kept for a while to be used again.

    As many as there are requests: a proxy that queues adds latency nobody can see.
    """

    def __init__(self, *, timeout_s: float) -> None:
        self._silence = Deadlines(timeout_s)
        self._idle: defaultdict[Origin, deque[Connection]] = defaultdict(deque)

    async def acquire(self, origin: Origin) -> Connection:
        """A connection nobody uses. Raises OSError, or TimeoutError, where none can be had."""
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
                lambda: Connection(origin, self._silence),
                origin.host,
                origin.port,
                ssl=_trust() if origin.secure else None,
            )
        return connection

    def release(self, connection: Connection) -> None:
        """Give a connection back, to be kept if it can be used again, and closed if not."""
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
        self._silence.close()


@cache
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()  # reads every certificate there is: once is enough
