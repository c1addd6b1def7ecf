"""The few pieces of ASGI that the gateway needs: read a body, notice a hang-up, give an answer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias

import msgspec

from shadow.errors import TransportError
from shadow.gateway.http.deadlines import Deadlines

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_DISCONNECT: Final = "http.disconnect"


class ClientDisconnected(TransportError, ConnectionError):  # noqa: N818 - an event, named as httpx would
    """The client went away before its request was whole."""


class BodyTooLargeError(TransportError, ValueError):
    """A request body is larger than the gateway takes."""


async def read_body(receive: Receive, *, limit: int) -> bytes:
    """The whole request body. Raises ClientDisconnected, or BodyTooLargeError beyond `limit` bytes.

    As much again is read and thrown away first: most clients look at the answer only when
    they have sent everything, and would see a broken connection instead of the reason.
    """
    parts: list[bytes] = []
    size = 0
    more = True
    while more and size <= 2 * limit:
        part, more = await _part(receive)
        size += len(part)
        if size <= limit:
            parts.append(part)
    if size > limit:
        raise BodyTooLargeError
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def stream_body(receive: Receive) -> AsyncIterator[bytes]:
    """The request body as it comes. Raises ClientDisconnected."""
    more = True
    while more:
        part, more = await _part(receive)
        yield part


async def _part(receive: Receive) -> tuple[bytes, bool]:
    """The next part of a request body, and whether there are more."""
    message = await receive()
    if message["type"] == _DISCONNECT:
        raise ClientDisconnected
    return message.get("body", b""), message.get("more_body", False)


class Listener:
    """Cancels the request's own task when its client hangs up.

    Servers do not do this by themselves: without a listener a gateway would wait for, and
    pay for, the rest of an answer that nobody reads. Made inside the task it is to cancel.
    It begins to listen a moment `late`, because an answer that comes at once is over before
    there is anything to save, and listening takes a task of its own.
    """

    def __init__(self, receive: Receive, moment: Deadlines) -> None:
        self.hung_up = False
        self._receive = receive
        self._moment = moment
        self._request = asyncio.current_task()
        self._listening: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Listen from now on; the request's body must have been read."""
        self._moment.start(self)

    def stop(self) -> None:
        """Stop listening; to be called before the last byte goes out, which also ends `receive`."""
        self._moment.stop(self)
        if self._listening is not None:
            self._listening.cancel()
            self._listening = None

    def late(self) -> None:
        """The moment is over."""
        self._listening = asyncio.ensure_future(self._listen())

    async def _listen(self) -> None:
        while (await self._receive())["type"] != _DISCONNECT:
            pass
        self.hung_up = True
        if self._request is not None:
            self._request.cancel()


async def answer(
    send: Send, status: int, body: bytes, content_type: bytes = b"application/json", *, close: bool = False
) -> None:
    """A whole answer of the gateway's own."""
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, status: int, code: str, message: str, *, close: bool = False) -> None:
    """An error in the OpenAI format, so that clients show `message` as they show the endpoint's own."""
    error = {"message": message, "type": "shadow_gateway_error", "param": None, "code": code}
    await answer(send, status, msgspec.json.encode({"error": error}), close=close)
