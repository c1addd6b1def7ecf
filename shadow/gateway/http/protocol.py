"""One client's connection: uvicorn's, with limits on what comes before a request reaches the application.

Without them one client could take the memory and the event loop that all others share: uvicorn accepts
heads of any size and number, waits for them without end, and reads pipelined requests ahead.
"""

from typing import Any, Final

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shadow.errors import TransportError
from shadow.gateway.http.asgi import error_body
from shadow.gateway.http.deadlines import Deadlines
from shadow.gateway.http.hosts import AllowedHosts
from shadow.gateway.http.joined_writes import JoinedWrites

#: Requests that may wait behind the one being served. Clients of these APIs do not pipeline.
_MAX_PIPELINED: Final = 4
#: Slowest that a body may come, measured over each period of `receive_timeout_s`; as Apache's mod_reqtimeout.
_MIN_BYTES_PER_S: Final = 500
#: Of this connection only (RFC 9110 §7.6.1), and so dropped in any case.
_ABOUT_UPGRADES: Final = frozenset({b"connection", b"upgrade", b"http2-settings"})
_ERROR_HEAD: Final = (
    b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
)
_EXAMINED: Final = frozenset({b"host", b"upgrade", b"expect"})
_REASONS: Final = {
    400: b"Bad Request",
    408: b"Request Timeout",
    421: b"Misdirected Request",
    431: b"Request Header Fields Too Large",
    501: b"Not Implemented",
}


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What every connection of a server shares.

    `receive` is how long a head may take, and the period over which bodies are measured; `linger` how long a
    refused client may take to read why.
    """

    header_bytes: int
    receive: Deadlines
    linger: Deadlines
    hosts: AllowedHosts


class RequestRefusedError(TransportError):
    """Ends the parsing of a request that is refused."""


class LimitedProtocol(HttpToolsProtocol):
    """Serves one connection.

    A request that is refused gets an error in the OpenAI format and ends the connection, because the
    rest of it cannot be distinguished from the next request.
    """

    def __init__(self, limits: Limits, **options: Any) -> None:
        super().__init__(**options)
        self._limits = limits
        self._in_head = True  # also between requests
        self._piece = 0  # size of what is being parsed
        self._unparsed_bytes = 0  # received since the parser last completed something
        self._body_bytes = 0
        self._body_bytes_at_start = 0  # of the period that `receive` measures
        self._waiting = False  # for the rest of a request, limited by `receive`
        self._host: bytes | None = None
        self._hosts = 0
        self._upgrade = b""
        self._refusal: tuple[int, str, str] | None = None
        self._input_ended = False  # nothing more of this connection is read

    # what the event loop calls

    def connection_made(self, transport: Any) -> None:
        self._writes = JoinedWrites(transport)
        super().connection_made(self._writes)  # type: ignore[arg-type] # all of a transport that uvicorn uses
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._limits.linger.stop(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._input_ended:
            return
        self._unset_keepalive_if_required()
        self._piece = len(data)
        self._unparsed_bytes += self._piece
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._parse_without_upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            self._refuse(*(self._refusal or (400, "invalid_request", "This is not a valid HTTP request.")))
            return
        if self._unparsed_bytes > self._limits.header_bytes and not self._input_ended:
            self._refuse(*self._too_large())
        elif not self._in_head or self.cycle is None or self.cycle.response_complete:
            if not self._waiting:  # the client has to send more before anything is answered
                self._wait()
        elif self._waiting:
            self._stop_waiting()

    def on_timeout(self) -> None:
        """The client has not sent the rest of its request, or has had the time to read why it was refused."""
        if self._input_ended:
            self.transport.close()
            return
        self._waiting = False
        if self._in_head:
            if self._unparsed_bytes:
                self._refuse(408, "request_timeout", "The rest of the request's headers did not come in time.")
            else:
                self.transport.close()
            return
        expected = _MIN_BYTES_PER_S * self._limits.receive.seconds
        if self.flow.read_paused or self._body_bytes - self._body_bytes_at_start >= expected:
            self._wait()
        else:
            self._refuse(408, "request_timeout", f"The request's body came slower than {_MIN_BYTES_PER_S} bytes/s.")

    # what the parser calls

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._body_bytes = 0
        self._host = None
        self._hosts = 0
        self._upgrade = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return  # a trailer: no proxy in between may have checked it
        name = name.lower()
        if name in _EXAMINED:
            self._examine(name, value)
        self.headers.append((name, value))

    def _examine(self, name: bytes, value: bytes) -> None:
        if name == b"host":
            self._host = value
            self._hosts += 1
        elif name == b"upgrade":
            self._upgrade = value.strip().lower()
        elif value.lower() == b"100-continue":
            self.expect_100_continue = True

    def on_headers_complete(self) -> None:
        # A head that came in several pieces is limited by `_unparsed_bytes`.
        if self._piece > self._limits.header_bytes and self._head_size() > self._limits.header_bytes:
            self._stop(*self._too_large())
        self._unparsed_bytes = 0
        if self._hosts > 1:
            self._stop(400, "invalid_request", "A request may have one Host header.")
        if self._host is not None and not self._limits.hosts.allow(self._host):
            name = self._host.decode("latin-1")[:100]
            fix = "add its name to `allowed_hosts` under [gateway], or use an address"
            self._stop(421, "unknown_host", f"The gateway is not known as {name!r}; {fix}.")
        if self._upgrade == b"websocket":
            message = "The gateway does not forward WebSockets (the Realtime API); connect to the endpoint itself."
            self._stop(501, "websocket_unsupported", message)
        if self.parser.get_method() == b"CONNECT":
            message = "The gateway is not a forward proxy; set its address as the client's base_url."
            self._stop(501, "method_unsupported", message)
        if self.parser.should_upgrade():
            return  # it is parsed once more
        if len(self.pipeline) >= _MAX_PIPELINED:
            # The requests that wait are still served; the connection ends after the last.
            self.pipeline[0][0].keep_alive = False
            self._input_ended = True
            return
        super().on_headers_complete()
        self._in_head = False

    def on_body(self, body: bytes) -> None:
        if not self._input_ended:
            self._unparsed_bytes = 0
            self._body_bytes += len(body)
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._input_ended and not self._in_head:
            self._in_head = True
            self._unparsed_bytes = 0
            super().on_message_complete()

    # limits

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _too_large(self) -> tuple[int, str, str]:
        limit = self._limits.header_bytes
        return (
            431,
            "headers_too_large",
            f"The headers are larger than {limit} bytes (max_header_bytes under [gateway]).",
        )

    def _wait(self) -> None:
        self._waiting = True
        self._body_bytes_at_start = self._body_bytes
        self._limits.receive.start(self)

    def _stop_waiting(self) -> None:
        self._waiting = False
        self._limits.receive.stop(self)

    def _parse_without_upgrade(self, rest: bytes) -> None:
        """Parse a request once more, without its offer to upgrade to another protocol, and then `rest`.

        Java's client offers HTTP/2 with its first request on every connection. A server may ignore that
        (RFC 9110 §7.8), but the parser takes the body of such a request for the other protocol.
        """
        lines = [self.parser.get_method() + b" " + self.url + b" HTTP/1.1"]
        lines += [name + b": " + value for name, value in self.headers if name not in _ABOUT_UPGRADES]
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"\r\n".join((*lines, b"", rest)))

    def _stop(self, status: int, code: str, message: str) -> None:
        """Refuse from inside of the parser."""
        self._refusal = status, code, message
        raise RequestRefusedError

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Answer the request being received with an error, and end the connection."""
        self._input_ended = True
        self._stop_waiting()
        cycle = self.cycle
        serving = cycle is not None and not cycle.response_complete
        if serving and self._in_head:
            cycle.keep_alive = False  # an earlier request is being served, and gets its answer first
            return
        if not serving or not (cycle.response_started or self.pipeline):
            body = error_body(code, message)
            self.transport.write(_ERROR_HEAD % (status, _REASONS[status], len(body)) + body)
            # Closing while the client still sends would reset the connection, and with it the answer.
            self._writes.end()
            self._limits.linger.start(self)
        else:
            self.transport.close()
