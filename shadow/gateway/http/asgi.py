"""The parts of ASGI that the gateway needs: read a body, notice a disconnect, send an answer."""

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
    """The client disconnected before its request was complete."""


class BodyTooLargeError(TransportError, ValueError):
    """A request body is larger than the gateway accepts."""


class BodyBudgetError(TransportError, MemoryError):
    """The request bodies of all clients together are larger than the gateway accepts."""


class BodyBudget:
    """The memory of all request bodies together, of which `held` bytes are in use."""

    def __init__(self, limit: int) -> None:
        self.held = 0
        self._limit = limit

    def take(self, size: int) -> bool:
        """Whether `size` bytes were free, and are now taken. A single body is always accepted."""
        if self.held and self.held + size > self._limit:
            return False
        self.held += size
        return True

    def give_back(self, size: int) -> None:
        self.held -= size


async def read_body(receive: Receive, budget: BodyBudget, *, limit: int) -> bytes:
    """The whole request body, whose size the caller gives back to `budget` once it is no longer needed.

    Raises ClientDisconnected, BodyTooLargeError beyond `limit` bytes, and BodyBudgetError. Of a body that
    is refused, up to twice the limit is read and discarded first: most clients read the answer only
    after they have sent everything, and would see a broken connection instead of the reason.
    """
    part, more = await _part(receive)
    if not more and len(part) <= limit and budget.take(len(part)):
        return part  # as nearly all
    parts: list[bytes] = []
    refusal: TransportError | None = None
    size = 0
    try:
        while True:
            size += len(part)
            if size > limit:
                refusal = BodyTooLargeError()
            elif refusal is None and not budget.take(len(part)):
                refusal = BodyBudgetError()
            if refusal is None:
                parts.append(part)
            else:
                _discard(parts, budget)
            if not more or size > 2 * limit:
                break
            part, more = await _part(receive)
    except BaseException:
        _discard(parts, budget)
        raise
    if refusal is not None:
        raise refusal
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _discard(parts: list[bytes], budget: BodyBudget) -> None:
    budget.give_back(sum(map(len, parts)))
    parts.clear()


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


class DisconnectListener:
    """Cancels the request's own task when its client disconnects.

    ASGI servers do not do this: without it the gateway would wait for, and pay for, the rest of an
    answer that no client reads. Made inside the task that it cancels. It starts to listen after
    `delay`, because listening takes a task of its own, and most answers are complete by then.
    """

    def __init__(self, receive: Receive, delay: Deadlines) -> None:
        self.disconnected = False
        self._receive = receive
        self._delay = delay
        self._request = asyncio.current_task()
        self._listening: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Listen after the delay; the request's body must have been read."""
        self._delay.start(self)

    def stop(self) -> None:
        """Stop listening; to be called before the last byte goes out, which also ends `receive`."""
        self._delay.stop(self)
        if self._listening is not None:
            self._listening.cancel()
            self._listening = None

    def on_timeout(self) -> None:
        """The delay is over."""
        self._listening = asyncio.ensure_future(self._listen())

    async def _listen(self) -> None:
        while (await self._receive())["type"] != _DISCONNECT:
            pass
        self.disconnected = True
        if self._request is not None:
            self._request.cancel()


async def answer(
    send: Send, status: int, body: bytes, content_type: bytes = b"application/json", *, close: bool = False
) -> None:
    """Send a complete answer of the gateway's own."""
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, status: int, code: str, message: str, *, close: bool = False) -> None:
    """Send an error of the gateway's own."""
    await answer(send, status, error_body(code, message), close=close)


def error_body(code: str, message: str) -> bytes:
    """An error in the OpenAI format, so that clients show `message` like the endpoint's errors."""
    error = {"message": message, "type": "shadow_gateway_error", "param": None, "code": code}
    return msgspec.json.encode({"error": error})
