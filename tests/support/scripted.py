"""An OpenAI-compatible endpoint that answers, or fails, exactly as a test scripts it."""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

#: What a trial asks for beside the answer, where the endpoint has refused nothing yet.
STREAMED: Final = {"stream": True, "stream_options": {"include_usage": True}}

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Answer = Callable[[Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Request:
    """A request as the endpoint received it; header names in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Signal(threading.Event):
    """An event that the server's thread sets and a test's event loop waits for."""

    async def seen(self) -> None:
        """Return once it is set; AssertionError after 10 s."""
        assert await asyncio.to_thread(self.wait, 10.0), "it did not happen"


@dataclass(repr=False)
class ScriptedEndpoint:
    """An ASGI app that gives `answers` in turn, the last one for ever, and keeps the requests."""

    answers: list[Answer]
    requests: list[Request] = field(default_factory=list)
    asked: Signal = field(default_factory=Signal)
    hung_up: Signal = field(default_factory=Signal)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        self.requests.append(Request(scope["method"], scope["path"], scope["query_string"].decode(), headers, body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.asked.set()
        await self._until_hung_up(answer, receive, send)

    async def _until_hung_up(self, answer: Answer, receive: Receive, send: Send) -> None:
        """Give the answer, but stop when the client disconnects before its end."""
        answering = asyncio.ensure_future(answer(receive, send))
        listening = asyncio.ensure_future(receive())
        await asyncio.wait({answering, listening}, return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            self.hung_up.set()
        for task in (answering, listening):
            task.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        with contextlib.suppress(asyncio.CancelledError):
            await answering


def whole(body: bytes, *, status: int = 200, **headers: str) -> Answer:
    """One body; underscores in header names stand for hyphens."""

    async def answer(_receive: Receive, send: Send) -> None:
        await _start(send, status, {"content_length": str(len(body)), "content_type": "application/json", **headers})
        await send({"type": "http.response.body", "body": body})

    return answer


def chat(text: str, *, model: str = "small", **extra: Any) -> Answer:
    """An ordinary chat completion of 3 prompt and 2 completion tokens."""
    return whole(json.dumps(chat_body(text, model=model, **extra)).encode())


def chat_body(text: str, *, model: str = "small", **extra: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        **extra,
    }


def events(*data: Any, done: bool = True) -> list[bytes]:
    """The events of a stream with these values, one part of the body each, and `[DONE]`."""
    parts = [b"data: " + json.dumps(value).encode() + b"\n\n" for value in data]
    return [*parts, b"data: [DONE]\n\n"] if done else parts


def chat_events(*texts: str, usage: bool = True, model: str = "small", **choice: Any) -> list[bytes]:
    """A streamed chat completion of 3 prompt and 2 completion tokens, one chunk for each of `texts`."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}, *({"content": text} for text in texts)]
    chunks: list[dict[str, Any]] = [{**head, "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop", **choice}]})
    if usage:
        chunks.append({**head, "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}})
    return events(*chunks)


def error(status: int, message: str, **headers: str) -> Answer:
    return whole(json.dumps({"error": {"message": message}}).encode(), status=status, **headers)


def after(seconds: float, answer: Answer) -> Answer:
    async def late(receive: Receive, send: Send) -> None:
        await asyncio.sleep(seconds)
        await answer(receive, send)

    return late


def closed_for(seconds: float, answer: Answer) -> Answer:
    """For `seconds` from the first request on, 429 with a true `retry-after`; then `answer`."""
    opens_at: list[float] = []

    async def turned_away_at_first(receive: Receive, send: Send) -> None:
        if not opens_at:
            opens_at.append(time.monotonic() + seconds)
        left_ms = (opens_at[0] - time.monotonic()) * 1_000
        away = error(429, "later", retry_after_ms=f"{left_ms + 1:.0f}") if left_ms > 0 else answer
        await away(receive, send)

    return turned_away_at_first


def chunks(*parts: bytes, pause_s: float = 0.0, cut: bool = False, forever: bool = False, **headers: str) -> Answer:
    """A streamed body, part by part; `cut` breaks the connection after the last, `forever` never ends."""

    async def answer(_receive: Receive, send: Send) -> None:
        await _start(send, 200, {"content_type": "text/event-stream", **headers})
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
            await asyncio.sleep(pause_s)
        if forever:
            await asyncio.Event().wait()
        if not cut:
            await send({"type": "http.response.body", "body": b""})

    return answer


def broken(_receive: Receive, _send: Send) -> Awaitable[None]:
    """The connection closes before any answer."""
    raise ConnectionAbortedError


async def _start(send: Send, status: int, headers: dict[str, str]) -> None:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
