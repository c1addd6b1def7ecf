"""One request through the gateway: read it, route it, forward it, and offer the captured call."""

import random
import time
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Final

from shadow.gateway import compressed_request
from shadow.gateway.forwarding import Forwarder, ForwardResult, OutgoingRequest
from shadow.gateway.http import asgi, headers
from shadow.gateway.http.asgi import (
    BodyBudget,
    BodyBudgetError,
    BodyTooLargeError,
    ClientDisconnected,
    DisconnectListener,
    Receive,
    Scope,
    Send,
)
from shadow.gateway.http.deadlines import Deadlines
from shadow.gateway.metrics import CLIENT_CLOSED_REQUEST, Metrics
from shadow.gateway.routing import BAD_JSON, Route, Router
from shadow.policy import sampling
from shadow.recording import BodyBuffer, CapturedCall, PublisherPort, Tags
from shadow.recording.captured_call import CLIENT_DISCONNECTED
from shadow.recording.credentials import credentials_of
from shadow.records import Api
from shadow.settings import Settings

MIRRORED: Final[dict[str, Api]] = {"/v1/chat/completions": "chat", "/v1/responses": "responses"}

#: Why a request is not mirrored, beside the router's reasons.
UNFINISHED_REQUEST: Final = "unfinished_request"
REDIRECTED: Final = "redirected"
RETRYABLE_ERROR: Final = "retryable_error"
NO_ANSWER: Final = "no_answer"

#: How long a request runs before it listens for its client's disconnect.
_LISTEN_AFTER_S: Final = 0.05
#: For ids, which must be unique and need not be secret: seeded by the operating system once, instead
#: of a system call for each.
_random_bits: Final = random.Random().getrandbits  # noqa: S311 - see above


class Proxy:
    """Serves everything under `/v1`."""

    def __init__(self, settings: Settings, publisher: PublisherPort, metrics: Metrics) -> None:
        self._limits = settings.gateway
        self._rates = {name: task.mirror_rate for name, task in settings.tasks.items()}
        self._bodies = BodyBudget(settings.gateway.max_bodies_bytes)
        self._publisher = publisher
        self._metrics = metrics
        self._router = Router(settings)
        self._forwarder = Forwarder(timeout_s=settings.gateway.timeout_s)
        self._listen_delay = Deadlines(_LISTEN_AFTER_S)

    def close(self) -> None:
        """Close the connections to the endpoints."""
        self._listen_delay.close()
        self._forwarder.close()

    async def mirrored(self, api: Api, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request to a mirrored path, and offer it to the publisher once the answer is complete.

        The request path only keeps references to bytes that pass through anyway. Everything that
        reads them happens in `CapturedCall.to_exchange`, behind the publisher.
        """
        body = await self._whole_body(receive, send)
        if body is None:
            return
        held = len(body)
        try:
            forwarded, own_headers = headers.read(scope["headers"])
            route = self._router.route(api, body, own_headers)
            if route.unmirrored == BAD_JSON and compressed_request.encodings_of(forwarded):
                decoded = await self._decoded(api, route, forwarded, own_headers, send)
                if decoded is None:
                    return
                body, route, forwarded = decoded
                held += len(body)
            at, started = time.time(), time.perf_counter()
            identity = f"{_random_bits(128):032x}"
            rate = self._rates[route.task] if route.task and not route.unmirrored else 0.0
            chosen = sampling.chosen(route.unit or identity, rate=rate, salt="mirror")
            copy = None
            if chosen:
                copy = BodyBuffer(self._limits.mirror_body_bytes, self._publisher)
                forwarded = headers.readable(forwarded)
            key = route.target.model.api_key()
            forwarded = headers.authorized(forwarded, key, meant=route.target.public)
            outgoing = OutgoingRequest(
                target=route.target, method=b"POST", path=_path(scope), headers=forwarded, body=route.body
            )
            listener = DisconnectListener(receive, self._listen_delay)
            listener.start()
            self._metrics.in_flight += 1
            try:
                result = await self._forwarder.forward(outgoing, send, listener, copy)
            finally:
                self._metrics.in_flight -= 1
                if copy is not None:
                    copy.release()
            ended = time.perf_counter()
            self._metrics.served(task=route.task, arm=route.arm, status=result.status, seconds=ended - started)
            if reason := route.unmirrored or _no_exchange(result):
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
                        request_headers=own_headers,
                        credentials=_credentials(scope, key),
                        started=started,
                        ended=ended,
                        size=len(body) + copy.size,
                        status=result.answered,
                        pieces=copy.pieces,
                        response_headers=result.headers,
                        limit=copy.limit,
                        cut=copy.cut,
                        error=result.error,
                        endpoint=route.target.name,
                        served_by=route.arm,
                        at=at,
                    )
                )
        finally:
            self._bodies.give_back(held)

    async def pass_through(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request that is not mirrored, streaming both bodies."""
        forwarded, own_headers = headers.read(scope["headers"])
        target = self._router.route_unread(own_headers)
        listener = DisconnectListener(receive, self._listen_delay)
        length = int(own_headers["content-length"]) if "content-length" in own_headers else None
        if length or any(name == b"transfer-encoding" for name, _ in scope["headers"]):
            body = _upload(receive, listener)
        else:
            body = None
            await receive()  # the empty body
            listener.start()
        outgoing = OutgoingRequest(
            target=target,
            method=scope["method"].encode(),
            path=_path(scope),
            headers=headers.authorized(forwarded, target.model.api_key(), meant=target.public),
            body=body,
            length=length,
        )
        started = time.perf_counter()
        self._metrics.in_flight += 1
        try:
            result = await self._forwarder.forward(outgoing, send, listener)
        finally:
            self._metrics.in_flight -= 1
        seconds = time.perf_counter() - started
        self._metrics.served(task=None, arm="frontier", status=result.status, seconds=seconds)

    async def _decoded(
        self, api: Api, unread: Route, forwarded: headers.Headers, own_headers: dict[str, str], send: Send
    ) -> tuple[bytes, Route, headers.Headers] | None:
        """A compressed request's body, which counts as decoded too, its route and its headers. None: it was refused."""
        limit = self._limits.max_body_bytes
        try:
            decoded = await compressed_request.route(self._router, api, unread, forwarded, own_headers, limit=limit)
        except BodyTooLargeError:
            await self._refuse_too_large(send, "decompresses to more than")
            return None
        if not self._bodies.take(len(decoded[0])):
            await self._refuse_too_many(send)
            return None
        return decoded

    async def _whole_body(self, receive: Receive, send: Send) -> bytes | None:
        """The request's body. None: the client disconnected, or the body was refused as too large."""
        try:
            return await asgi.read_body(receive, self._bodies, limit=self._limits.max_body_bytes)
        except BodyTooLargeError:
            await self._refuse_too_large(send, "is larger than")
        except BodyBudgetError:
            await self._refuse_too_many(send)
        except ClientDisconnected:
            self._unfinished(CLIENT_CLOSED_REQUEST)
        return None

    async def _refuse_too_large(self, send: Send, problem: str) -> None:
        message = f"The request's body {problem} {self._limits.max_body_bytes} bytes (max_body_bytes under [gateway])."
        await asgi.refuse(send, 413, "request_too_large", message, close=True)
        self._unfinished(413)

    async def _refuse_too_many(self, send: Send) -> None:
        message = (
            "The request bodies of all clients together are larger than "
            f"{self._limits.max_bodies_bytes} bytes (max_bodies_bytes under [gateway]); try again."
        )
        await asgi.refuse(send, 503, "too_many_bodies", message, close=True)
        self._unfinished(503)

    def _unfinished(self, status: int) -> None:
        """Count a request that is not forwarded."""
        self._metrics.served(task=None, arm="frontier", status=status, seconds=0.0)
        self._metrics.unmirrored(UNFINISHED_REQUEST)


async def _upload(receive: Receive, listener: DisconnectListener) -> AsyncIterator[bytes]:
    """The request's body as it comes; once it is complete, the listener takes over `receive`."""
    try:
        async for part in asgi.stream_body(receive):
            yield part
    except ClientDisconnected:
        listener.disconnected = True
        raise
    listener.start()


def _no_exchange(result: ForwardResult) -> str | None:
    """Why an answer makes no exchange.

    Clients repeat a request after the errors that the official ones retry (408, 409, 429, 5xx):
    mirroring those would count one user request several times. The answer that the user gets in
    the end passes through here too, and is mirrored then. A redirect is no answer either: FastAPI, and
    so vLLM, redirects a path with a slash at its end, and the client repeats its request there.
    """
    if result.error == CLIENT_DISCONNECTED:
        return None  # an interrupted exchange
    if result.answered is None:
        return NO_ANSWER
    if 300 <= result.answered < 400:
        return REDIRECTED
    if result.answered in (408, 409, 429) or result.answered >= 500:
        return RETRYABLE_ERROR
    return None


def _credentials(scope: Scope, key: str | None) -> tuple[str, ...]:
    """Those of the client's request, and the key that the gateway sent in their place."""
    found: tuple[str, ...] = () if key is None else (key.strip(),)
    for name, value in scope["headers"]:
        if name not in headers.WITHOUT_CREDENTIALS:
            found += _credentials_in(name, value)
    if query := scope["query_string"]:
        found += credentials_of((), query.decode("latin-1"))
    return found


@lru_cache(256)  # clients send the same with every request
def _credentials_in(name: bytes, value: bytes) -> tuple[str, ...]:
    return credentials_of([(name.decode("latin-1"), value.decode("latin-1"))])


def _path(scope: Scope) -> bytes:
    """The requested path after `/v1`, with its query, exactly as the client wrote it."""
    path: bytes = scope["raw_path"].removeprefix(b"/v1")
    query: bytes = scope["query_string"]
    return path + b"?" + query if query else path
