"""One request through the gateway: read it, route it, forward it, and offer what was heard."""

import random
import time
from collections.abc import AsyncIterator
from typing import Final

from shadow.gateway.forwarding import Call, Forwarder, Passed
from shadow.gateway.http import asgi, headers
from shadow.gateway.http.asgi import BodyTooLargeError, ClientDisconnected, Listener, Receive, Scope, Send
from shadow.gateway.http.deadlines import Deadlines
from shadow.gateway.metrics import HUNG_UP, Metrics
from shadow.gateway.routing import Router
from shadow.policy import sampling
from shadow.recording import BodyBuffer, CapturedCall, PublisherPort, Tags
from shadow.recording.captured_call import CLIENT_DISCONNECTED
from shadow.records import Api
from shadow.settings import Settings

MIRRORED: Final[dict[str, Api]] = {"/v1/chat/completions": "chat", "/v1/responses": "responses"}

#: Why a request is not mirrored, beside the router's reasons.
UNFINISHED_REQUEST: Final = "unfinished_request"
RETRYABLE_ERROR: Final = "retryable_error"
NO_ANSWER: Final = "no_answer"

#: How long a request runs before it listens for its client's hanging up.
_LISTENS_AFTER_S: Final = 0.05
#: For ids, which must differ and keep no secret: seeded by the operating system once, instead
#: of a system call for each.
_random_bits: Final = random.Random().getrandbits  # noqa: S311 - see above


class Proxy:
    """Serves everything under `/v1`."""

    def __init__(self, settings: Settings, publisher: PublisherPort, metrics: Metrics) -> None:
        self._limits = settings.gateway
        self._rates = {name: task.mirror_rate for name, task in settings.tasks.items()}
        self._publisher = publisher
        self._metrics = metrics
        self._router = Router(settings)
        self._forwarder = Forwarder(timeout_s=settings.gateway.timeout_s)
        self._listening = Deadlines(_LISTENS_AFTER_S)

    def close(self) -> None:
        """Close the connections to the endpoints."""
        self._listening.close()
        self._forwarder.close()

    async def mirrored(self, api: Api, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request to a mirrored path, and offer its exchange once the answer is known.

        The request path only keeps references to bytes that pass anyway. Everything that
        reads them happens in `CapturedCall.to_exchange`, behind the publisher.
        """
        passing, told = headers.read(scope["headers"])
        body = await self._whole_body(receive, send)
        if body is None:
            return
        route = self._router.route(api, body, told)
        at, started = time.time(), time.perf_counter()
        identity = f"{_random_bits(128):032x}"
        rate = self._rates[route.task] if route.task and not route.unmirrored else 0.0
        chosen = sampling.chosen(route.unit or identity, rate=rate, salt="mirror")
        copy = None
        if chosen:
            copy = BodyBuffer(self._limits.mirror_body_bytes, self._publisher)
            passing = headers.readable(passing)
        passing = headers.authorized(passing, route.target.model.api_key())
        call = Call(target=route.target, method=b"POST", path=_path(scope), headers=passing, body=route.body)
        listener = Listener(receive, self._listening)
        listener.start()
        self._metrics.in_flight += 1
        try:
            passed = await self._forwarder.forward(call, send, listener, copy)
        finally:
            self._metrics.in_flight -= 1
            if copy is not None:
                copy.release()
        ended = time.perf_counter()
        self._metrics.served(task=route.task, arm=route.arm, status=passed.status, seconds=ended - started)
        if reason := route.unmirrored or _no_exchange(passed):
            self._metrics.unmirrored(reason)
        elif route.task and copy is None:
            self._publisher.count_sampled_out(route.task)
        elif route.task and copy is not None and copy.refused:
            self._publisher.refuse(route.task, "byte_budget")
        elif route.task and copy is not None:
            self._publisher.offer(
                CapturedCall(
                    tags=Tags(task=route.task, unit=route.unit, segment={}, rate=rate, id=identity),
                    api=api,
                    request=body,
                    request_headers=told,
                    started=started,
                    ended=ended,
                    size=len(body) + copy.size,
                    status=passed.answered,
                    pieces=copy.pieces,
                    response_headers=passed.headers,
                    limit=copy.limit,
                    cut=copy.cut,
                    error=passed.error,
                    endpoint=route.target.name,
                    served_by=route.arm,
                    at=at,
                )
            )

    async def untouched(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request through, streaming its body up and the answer's down."""
        passing, told = headers.read(scope["headers"])
        target = self._router.unread(told)
        listener = Listener(receive, self._listening)
        length = int(told["content-length"]) if "content-length" in told else None
        if length or any(name == b"transfer-encoding" for name, _ in scope["headers"]):
            body = _upload(receive, listener)
        else:
            body = None
            await receive()  # the empty body
            listener.start()
        call = Call(
            target=target,
            method=scope["method"].encode(),
            path=_path(scope),
            headers=headers.authorized(passing, target.model.api_key()),
            body=body,
            length=length,
        )
        started = time.perf_counter()
        self._metrics.in_flight += 1
        try:
            passed = await self._forwarder.forward(call, send, listener)
        finally:
            self._metrics.in_flight -= 1
        seconds = time.perf_counter() - started
        self._metrics.served(task=None, arm="frontier", status=passed.status, seconds=seconds)

    async def _whole_body(self, receive: Receive, send: Send) -> bytes | None:
        """The request's body; None when there is nobody to answer, or it was refused as too large."""
        limit = self._limits.max_body_bytes
        try:
            return await asgi.read_body(receive, limit=limit)
        except BodyTooLargeError:
            message = f"The request's body is larger than {limit} bytes (max_body_bytes under [gateway])."
            await asgi.refuse(send, 413, "request_too_large", message, close=True)
            status = 413
        except ClientDisconnected:
            status = HUNG_UP
        self._metrics.served(task=None, arm="frontier", status=status, seconds=0.0)
        self._metrics.unmirrored(UNFINISHED_REQUEST)
        return None


async def _upload(receive: Receive, listener: Listener) -> AsyncIterator[bytes]:
    """The request's body as it comes; once it is whole, the listener takes over `receive`."""
    try:
        async for part in asgi.stream_body(receive):
            yield part
    except ClientDisconnected:
        listener.hung_up = True
        raise
    listener.start()


def _no_exchange(passed: Passed) -> str | None:
    """Why an answer makes no exchange.

    Clients send a request again after the errors that the official ones retry (408, 409,
    429, 5xx): mirroring those would count one user request several times. What the user got
    in the end comes through here too, and is mirrored then.
    """
    if passed.error == CLIENT_DISCONNECTED:
        return None  # an interrupted exchange
    if passed.answered is None:
        return NO_ANSWER
    if passed.answered in (408, 409, 429) or passed.answered >= 500:
        return RETRYABLE_ERROR
    return None


def _path(scope: Scope) -> bytes:
    """What follows `/v1` of the requested path, query included, exactly as the client wrote it."""
    path: bytes = scope["raw_path"].removeprefix(b"/v1")
    query: bytes = scope["query_string"]
    return path + b"?" + query if query else path
