"""Simulated OpenAI-compatible servers: the world's two models, and a plain echo for tests.

    app = simulated_app("frontier", world)          # answers as the seeded world says
    app = echo_app(latency_ms=200)                  # repeats the user's message

Both are plain ASGI, without a framework, because benchmarks measure others against them. Every
answer is marked as simulated: by a header, the system fingerprint and the model's name.
"""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import msgspec

from shadow.devstack.model_servers import openai_format
from shadow.devstack.model_servers.structured import shaped
from shadow.devstack.simulation.accuracy import MODEL_NAMES
from shadow.devstack.simulation.world import World, last_user_message
from shadow.records import Reply, Role, Usage

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

#: Gives the model's reply to a request's body. The number of the request distinguishes retries.
Answer: TypeAlias = Callable[[Mapping[str, Any], int], Reply]

_LABEL: Final = (b"x-shadow-simulated", b"true")
_JSON: Final = (b"content-type", b"application/json")
_EVENTS: Final = (b"content-type", b"text/event-stream; charset=utf-8")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Every `every`-th request fails in this way; `every=1` means each of them.

    `rate_limited` is a 429 with `retry-after`, `error` a 500, `malformed` a 200 whose body
    is broken JSON, `cut` a connection closed halfway through the answer, and `silent` no
    answer until the client disconnects.
    """

    kind: Literal["rate_limited", "error", "malformed", "cut", "silent"]
    every: int = 1
    retry_after_s: float = 1.0


class Seen(NamedTuple):
    """A request as the server received it; header names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


class SimulatedServer:
    """An ASGI app that answers `/v1/chat/completions`, `/v1/responses` and `/v1/models`.

    It sleeps `time_scale` times the latency that each reply reports. `seen` holds the last `keep`
    requests, `requests` counts all, and `hang_ups` those whose client disconnected early. A reply that
    is `rejected` goes out as a 400. Unless `shapes` is off, answers have the form that
    the request asks for.
    """

    def __init__(
        self,
        name: str,
        answer: Answer,
        *,
        time_scale: float = 1.0,
        fault: Fault | None = None,
        keep: int = 0,
        shapes: bool = True,
    ) -> None:
        self._name = name
        self._answer = answer
        self._shapes = shapes
        self._time_scale = time_scale
        self.fault = fault
        self._numbers = itertools.count(1)
        self.requests = 0
        self.hang_ups = 0
        self.seen: deque[Seen] = deque(maxlen=keep)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            for phase in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{phase}.complete"})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read(receive)
        self.requests += 1
        if self.seen.maxlen:
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            self.seen.append(Seen(scope["path"], headers, body))
        match scope["method"], scope["path"]:
            case "POST", "/v1/chat/completions":
                await self._complete("chat", body, receive, send)
            case "POST", "/v1/responses":
                await self._complete("responses", body, receive, send)
            case "GET", "/v1/models":
                await _respond(send, 200, openai_format.models([self._name]))
            case _:
                message = f"there is no such endpoint: {scope['method']} {scope['path']}"
                await _respond(send, 404, openai_format.error(message, kind="invalid_request_error"))

    async def _complete(self, api: Literal["chat", "responses"], raw: bytes, receive: Receive, send: Send) -> None:
        number = next(self._numbers)
        fault = self.fault if self.fault and number % self.fault.every == 0 else None
        try:
            body = msgspec.json.decode(raw, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            await _respond(send, 400, openai_format.error("the body is not JSON", kind="invalid_request_error"))
            return
        if fault is not None and fault.kind not in ("cut", "malformed"):
            await self._refuse(fault, receive, send)
            return
        reply = self._answer(body, number)
        if reply.failure == "rejected":
            message = reply.failure_detail or "rejected"
            await _respond(send, 400, openai_format.error(message, kind="invalid_request_error"))
            return
        reply = shaped(reply, body) if self._shapes else reply
        created = int(time.time())
        cut = fault is not None and fault.kind == "cut"
        logprobs = body.get("logprobs") is True
        if body.get("stream"):
            include_usage = bool((body.get("stream_options") or {}).get("include_usage"))
            events = (
                openai_format.chat_stream(
                    reply, number=number, created=created, include_usage=include_usage, logprobs=logprobs
                )
                if api == "chat"
                else openai_format.response_stream(reply, number=number, created=created)
            )
            if fault is not None and fault.kind == "malformed":
                events = iter([b'data: {"choices": [\n\n'])
            await self._stream(list(events), reply, receive, send, number=number, cut=cut)
            return
        if pause := (reply.latency_ms or 0.0) * self._time_scale / 1_000:
            await asyncio.sleep(pause)
        if api == "chat":
            content = openai_format.chat(reply, number=number, created=created, logprobs=logprobs)
        else:
            content = openai_format.response(reply, number=number, created=created)
        if fault is not None:
            await _respond(send, 200, content[: len(content) // 2], declared=len(content) if cut else None)
            return
        await _respond(send, 200, content, (b"x-request-id", b"simulated-%d" % number))

    async def _refuse(self, fault: Fault, receive: Receive, send: Send) -> None:
        if fault.kind == "silent":
            while (await receive())["type"] != "http.disconnect":
                pass
            self.hang_ups += 1
        elif fault.kind == "rate_limited":
            after = (b"retry-after", f"{fault.retry_after_s:g}".encode())
            body = openai_format.error("too many requests", kind="requests", code="rate_limit_exceeded")
            await _respond(send, 429, body, after)
        else:
            await _respond(send, 500, openai_format.error("simulated failure", kind="server_error"))

    async def _stream(
        self, events: list[bytes], reply: Reply, receive: Receive, send: Send, *, number: int, cut: bool
    ) -> None:
        """Send `events` at the pace that the reply reports, until all are sent, or cut, or the client disconnects."""
        first, total = reply.ttft_ms or 0.0, reply.latency_ms or 0.0
        between = max(0.0, total - first) / max(1, len(events) - 1)
        headers = [_EVENTS, _LABEL, (b"cache-control", b"no-cache"), (b"x-request-id", b"simulated-%d" % number)]
        client = asyncio.ensure_future(receive())
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            for event in events[: len(events) // 2] if cut else events:
                pause = (first if event is events[0] else between) * self._time_scale / 1_000
                if pause:
                    await asyncio.wait((client,), timeout=pause)
                if client.done():
                    self.hang_ups += 1
                    return
                await send({"type": "http.response.body", "body": event, "more_body": True})
            if not cut:  # an unfinished response makes the ASGI server close the connection
                await send({"type": "http.response.body", "body": b""})
        finally:
            client.cancel()


def simulated_app(
    role: Role, world: World, *, time_scale: float = 0.1, fault: Fault | None = None, keep: int = 0
) -> SimulatedServer:
    """A server for one of the world's models; it sleeps `time_scale` times the latency that it reports."""

    def answer(body: Mapping[str, Any], number: int) -> Reply:
        return world.reply_of(role, body, datetime.now(UTC), attempt=str(number))

    return SimulatedServer(MODEL_NAMES[role], answer, time_scale=time_scale, fault=fault, keep=keep)


def echo_app(
    *,
    name: str = "echo",
    content: str | None = None,
    latency_ms: float = 0.0,
    fault: Fault | None = None,
    keep: int = 0,
) -> SimulatedServer:
    """A server that answers with the user's message, or always with `content`, after `latency_ms`."""

    def answer(body: Mapping[str, Any], _number: int) -> Reply:
        message = last_user_message(body)
        usage = Usage(prompt_tokens=len(message) // 4 + 1, completion_tokens=len(content or message) // 4 + 1)
        return Reply(
            model=str(body.get("model", name)),
            content=message if content is None else content,
            finish_reason="stop",
            usage=usage,
            latency_ms=latency_ms,
            ttft_ms=latency_ms / 2,
        )

    return SimulatedServer(name, answer, fault=fault, keep=keep)


async def _read(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body


async def _respond(
    send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes], declared: int | None = None
) -> None:
    """Send an answer. With `declared`, a content length beyond `body`, it looks like one that was cut."""
    length = (b"content-length", b"%d" % (declared or len(body)))
    await send({"type": "http.response.start", "status": status, "headers": [_JSON, length, _LABEL, *headers]})
    await send({"type": "http.response.body", "body": body, "more_body": declared is not None})
