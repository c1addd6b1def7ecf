"""Send a request to its endpoint, and hand back every byte of the answer as it comes."""

import asyncio
from collections.abc import AsyncIterable, Coroutine

import msgspec
import structlog

from shadow.gateway.http import asgi, headers
from shadow.gateway.http.asgi import Listener, Send
from shadow.gateway.http.connections import Connection, Origin, Pool, origin_of
from shadow.gateway.http.headers import Headers
from shadow.gateway.metrics import HUNG_UP
from shadow.gateway.routing import Target
from shadow.recording import BodyBuffer
from shadow.recording.captured_call import CLIENT_DISCONNECTED

_log = structlog.get_logger()


class Call(msgspec.Struct, kw_only=True):
    """One request as it goes out. `path` follows the endpoint's `/v1` and includes the query.

    A `body` that comes in parts is sent as it comes, and `length` is its size where the client
    told it. None for a request without a body.
    """

    target: Target
    method: bytes
    path: bytes
    headers: Headers
    body: bytes | AsyncIterable[bytes] | None
    length: int | None = None


class Passed(msgspec.Struct, kw_only=True):
    """What became of a call.

    `status` is what the client saw (499 where it hung up before seeing one), `answered` that
    of the endpoint, None where it gave none. `headers` are those of its answer that are needed to
    read it. `error` is what ended the answer early, as in `CapturedCall`.
    """

    status: int = HUNG_UP
    answered: int | None = None
    headers: dict[str, str] = {}
    error: str | None = None


class Forwarder:
    """Forwards calls over connections it keeps."""

    def __init__(self, *, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._pool = Pool(timeout_s=timeout_s)

    def close(self) -> None:
        """Close the connections that are idle."""
        self._pool.close()

    async def forward(self, call: Call, send: Send, listener: Listener, copy: BodyBuffer | None = None) -> Passed:
        """Forward `call`, its answer to `send` and into `copy`.

        Endpoint faults become an error answer or, once the answer has begun, a broken one:
        the client must not take a part for the whole. Never raises but for cancellation
        from outside.
        """
        passed = Passed()
        try:
            origin = origin_of(call.target.model.base_url)
            connection = await self._pool.acquire(origin)
            try:
                await self._exchange(connection, call, send, listener, copy, passed)
            finally:
                self._pool.release(connection)
        except asyncio.CancelledError:
            if not listener.hung_up:
                raise
            _cancelled_by_us()
            passed.error = CLIENT_DISCONNECTED
        except (OSError, UnicodeError) as fault:  # refused, unknown, no host name, untrusted, silent, broken
            await self._failed(call, send, listener, passed, fault)
        finally:
            listener.stop()
        return passed

    async def _exchange(
        self,
        connection: Connection,
        call: Call,
        send: Send,
        listener: Listener,
        copy: BodyBuffer | None,
        passed: Passed,
    ) -> None:
        head = _head(connection.origin, call)
        uploading = None
        if isinstance(call.body, bytes):
            connection.write(head, call.body)
        else:
            connection.write(head, bodiless=call.method == b"HEAD")
            if call.body is not None:
                # Beside the reading: an endpoint may refuse an upload before its end.
                uploading = asyncio.ensure_future(_upload(connection, call.body, chunked=call.length is None))
        try:
            await (connection.head() if uploading is None else _first(connection.head(), uploading))
            passed.status = passed.answered = status = connection.status
            fields = headers.answer(connection.headers, status)
            passed.headers = headers.describing_body(fields)
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
                if not uploading.done():
                    connection.close()  # the rest of the upload is nobody's
                uploading.cancel()
                await asyncio.gather(uploading, return_exceptions=True)

    async def _failed(self, call: Call, send: Send, listener: Listener, passed: Passed, fault: Exception) -> None:
        if listener.hung_up:
            passed.error = CLIENT_DISCONNECTED
            return
        name = call.target.name
        _log.warning("the endpoint failed", action="gateway.endpoint_failed", model=name, fault=repr(fault))
        if passed.answered is not None:
            passed.error = type(fault).__name__
            return
        listener.stop()
        if isinstance(fault, TimeoutError):
            passed.status, code = 504, "endpoint_timeout"
            mend = f"It was silent for too long (timeout_s under [gateway] is {self._timeout_s:g})."
        else:
            passed.status, code = 502, "endpoint_unreachable"
            mend = f"Check that it runs, and `base_url` under [models.{name}] in shadow.toml."
        message = f"The gateway got no answer from the endpoint of {name!r} ({type(fault).__name__}). {mend}"
        await asgi.refuse(send, passed.status, code, message)


def _head(origin: Origin, call: Call) -> bytes:
    """The request line and headers."""
    lines = [b"%b %b%b HTTP/1.1" % (call.method, origin.prefix, call.path), b"host: " + origin.host_header]
    lines += [name + b": " + value for name, value in call.headers]
    if isinstance(call.body, bytes):
        lines.append(b"content-length: %d" % len(call.body))
    elif call.body is not None:
        lines.append(b"transfer-encoding: chunked" if call.length is None else b"content-length: %d" % call.length)
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
    """Await `reading`, unless `uploading` fails first: then there will be no answer."""
    answer = asyncio.ensure_future(reading)
    try:
        done, _ = await asyncio.wait({answer, uploading}, return_when=asyncio.FIRST_COMPLETED)
        if uploading in done and answer not in done:
            uploading.result()
        await answer
    finally:
        answer.cancel()


def _cancelled_by_us() -> None:
    """Take back the listener's cancellation, so that the task may go on to its end."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
