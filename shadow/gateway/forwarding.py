"""Send a request to its endpoint, and return every byte of the answer as it comes."""

import asyncio
from collections.abc import AsyncIterable, Coroutine

import msgspec
import structlog

from shadow.gateway.http import asgi, headers
from shadow.gateway.http.asgi import DisconnectListener, Send
from shadow.gateway.http.connections import Connection, Origin, Pool, origin_of
from shadow.gateway.http.headers import Headers
from shadow.gateway.metrics import CLIENT_CLOSED_REQUEST
from shadow.gateway.routing import Target
from shadow.recording import BodyBuffer
from shadow.recording.captured_call import CLIENT_DISCONNECTED

_log = structlog.get_logger()


class OutgoingRequest(msgspec.Struct, kw_only=True):
    """One request as it goes out. `path` follows the endpoint's `/v1` and includes the query.

    A `body` that comes in parts is sent as it comes; `length` is its size, where the client
    declared one. None for a request without a body.
    """

    target: Target
    method: bytes
    path: bytes
    headers: Headers
    body: bytes | AsyncIterable[bytes] | None
    length: int | None = None


class ForwardResult(msgspec.Struct, kw_only=True):
    """The result of forwarding a request.

    `status` is the one the client got (499 where it disconnected before), `answered` the
    endpoint's, None where it sent none. `headers` are those of its answer that are needed to
    read it. `error` is what ended the answer early, as in `CapturedCall`.
    """

    status: int = CLIENT_CLOSED_REQUEST
    answered: int | None = None
    headers: dict[str, str] = {}
    error: str | None = None


class Forwarder:
    """Forwards requests over pooled connections."""

    def __init__(self, *, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._pool = Pool(timeout_s=timeout_s)

    def close(self) -> None:
        """Close the connections that are idle."""
        self._pool.close()

    async def forward(
        self, request: OutgoingRequest, send: Send, listener: DisconnectListener, copy: BodyBuffer | None = None
    ) -> ForwardResult:
        """Forward `request`, and its answer to `send` and into `copy`.

        Endpoint failures become an error answer or, once the answer has begun, an incomplete one:
        the client must not take a part for the whole. Raises nothing but a cancellation that did
        not come from `listener`.
        """
        result = ForwardResult()
        try:
            origin = origin_of(request.target.model.base_url)
            connection = await self._pool.acquire(origin)
            try:
                await self._exchange(connection, request, send, listener, copy, result)
            finally:
                self._pool.release(connection)
        except asyncio.CancelledError:
            if not listener.disconnected:
                raise
            _uncancel()
            result.error = CLIENT_DISCONNECTED
        except (OSError, UnicodeError) as error:  # refused, unknown host, untrusted, timed out, broken off
            await self._failed(request, send, listener, result, error)
        finally:
            listener.stop()
        return result

    async def _exchange(
        self,
        connection: Connection,
        request: OutgoingRequest,
        send: Send,
        listener: DisconnectListener,
        copy: BodyBuffer | None,
        result: ForwardResult,
    ) -> None:
        head = _head(connection.origin, request)
        uploading = None
        if isinstance(request.body, bytes):
            connection.write(head, request.body)
        else:
            connection.write(head, bodiless=request.method == b"HEAD")
            if request.body is not None:
                # While the answer is read: an endpoint may refuse an upload before its end.
                uploading = asyncio.ensure_future(_upload(connection, request.body, chunked=request.length is None))
        try:
            await (connection.head() if uploading is None else _first(connection.head(), uploading))
            result.status = result.answered = status = connection.status
            fields = headers.answer(connection.headers, status)
            result.headers = headers.describing_body(fields)
            await send({"type": "http.response.start", "status": status, "headers": fields})
            more = True
            while more:
                chunk = await connection.chunk()
                more = not connection.ended
                if copy is not None and chunk:
                    copy.add(chunk)
                if not more:
                    listener.stop()
                await send({"type": "http.response.body", "body": chunk, "more_body": more})
        finally:
            if uploading is not None:
                sent = uploading.done() and not uploading.cancelled() and uploading.exception() is None
                if not sent:
                    connection.close()  # the rest of the upload is not wanted, or does not come
                uploading.cancel()
                await asyncio.gather(uploading, return_exceptions=True)

    async def _failed(
        self,
        request: OutgoingRequest,
        send: Send,
        listener: DisconnectListener,
        result: ForwardResult,
        error: Exception,
    ) -> None:
        if listener.disconnected:
            result.error = CLIENT_DISCONNECTED
            return
        name = request.target.name
        _log.warning("the endpoint failed", action="gateway.endpoint_failed", model=name, error=repr(error))
        if result.answered is not None:
            result.error = type(error).__name__
            return
        listener.stop()
        if isinstance(error, TimeoutError):
            result.status, code = 504, "endpoint_timeout"
            fix = f"It sent nothing for too long (timeout_s under [gateway] is {self._timeout_s:g})."
        else:
            result.status, code = 502, "endpoint_unreachable"
            fix = f"Check that it runs, and `base_url` under [models.{name}] in shadow.toml."
        message = f"The gateway got no answer from the endpoint of {name!r} ({type(error).__name__}). {fix}"
        await asgi.refuse(send, result.status, code, message)


def _head(origin: Origin, request: OutgoingRequest) -> bytes:
    """The request line and headers."""
    lines = [b"%b %b%b HTTP/1.1" % (request.method, origin.prefix, request.path), b"host: " + origin.host_header]
    lines += [name + b": " + value for name, value in request.headers]
    if isinstance(request.body, bytes):
        lines.append(b"content-length: %d" % len(request.body))
    elif request.body is not None:
        lines.append(
            b"transfer-encoding: chunked" if request.length is None else b"content-length: %d" % request.length
        )
    lines += (b"", b"")
    return b"\r\n".join(lines)


async def _upload(connection: Connection, body: AsyncIterable[bytes], *, chunked: bool) -> None:
    async for part in body:
        if part:
            connection.write_more(*((b"%x\r\n" % len(part), part, b"\r\n") if chunked else (part,)))
        await connection.writable()
    if chunked:
        connection.write_more(b"0\r\n\r\n")


async def _first(reading: Coroutine[None, None, None], uploading: asyncio.Task[None]) -> None:
    """Await `reading`, unless `uploading` fails first: then no answer will come."""
    answer = asyncio.ensure_future(reading)
    try:
        done, _ = await asyncio.wait({answer, uploading}, return_when=asyncio.FIRST_COMPLETED)
        if uploading in done and answer not in done:
            uploading.result()
        await answer
    finally:
        answer.cancel()


def _uncancel() -> None:
    """Revoke the listener's cancellation, so that the task can finish."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
