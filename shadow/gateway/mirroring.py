"""From the bytes that passed through to an Exchange. Runs away from the request path."""

import time
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from shadow import prices, replies
from shadow.records import Api, Exchange, Reply, Role
from shadow.settings import Settings

#: Who broke off an answer.
Broken = Literal["client", "endpoint"]

_BROKEN: Final[dict[Broken, str]] = {
    "client": "the client hung up",
    "endpoint": "the endpoint broke off its answer",
}


class Copy(msgspec.Struct, kw_only=True, array_like=True):
    """The first `limit` bytes of an answer, as the chunks they came in, and when each came."""

    limit: int
    size: int = 0
    truncated: bool = False
    chunks: list[bytes] = []
    times: list[float] = []

    def add(self, chunk: bytes) -> None:
        room = self.limit - self.size
        if len(chunk) > room:
            self.truncated = True
            chunk = chunk[:room]
        if chunk:
            self.size += len(chunk)
            self.chunks.append(chunk)
            self.times.append(time.perf_counter())


class Heard(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """All that is known of one user request once its answer has passed.

    `model` is the name in [models] that served. `started`, `ended` and the copy's times are
    on the clock of `time.perf_counter` (seconds), `at` is Unix time. `status` is None where
    the client hung up before the endpoint's first byte.
    """

    id: str
    api: Api
    task: str
    arm: Role
    model: str
    segment: dict[str, str]
    unit: str | None
    request: bytes
    at: float
    started: float
    ended: float
    copy: Copy
    probability: float
    status: int | None = None
    content_type: str = ""
    content_encoding: str = ""
    broken: Broken | None = None
    traceparent: str | None = None

    @property
    def size(self) -> int:
        """Bytes this holds, for a byte budget."""
        return len(self.request) + self.copy.size


def exchange_of(heard: Heard, settings: Settings) -> Exchange | None:
    """The exchange that passed, or None for a request that is no JSON object after all."""
    request = msgspec.json.decode(heard.request)
    if not isinstance(request, dict):
        return None
    sent_name = settings.sent_name(heard.model)
    reply = _reply(heard, sent_name)
    return Exchange(
        id=heard.id,
        task=heard.task,
        at=datetime.fromtimestamp(heard.at, UTC),
        request=request,
        api=heard.api,
        reply=msgspec.structs.replace(
            reply,
            latency_ms=(heard.ended - heard.started) * 1_000,
            cost_usd=prices.cost_usd(settings.models[heard.model], sent_name, reply.usage),
            status=heard.status,
        ),
        served_by=heard.arm,
        segment=heard.segment,
        unit=heard.unit,
        inclusion_probability=heard.probability,
        traceparent=heard.traceparent,
        truncated=heard.copy.truncated,
    )


def _reply(heard: Heard, model: str) -> Reply:
    if heard.status is None:
        return replies.failed(model, "interrupted", "the client hung up before the first byte of an answer")
    chunks = list(_decoded(heard))
    if heard.status >= 400:
        words = b"".join(chunk for chunk, _ in chunks)[:500].decode("utf-8", "replace")
        return replies.failed(model, replies.failure_of_status(heard.status), words, status=heard.status)
    if heard.content_type.startswith("text/event-stream"):
        reply = replies.read_stream(heard.api, chunks, started=heard.started, model=model)
        whole = reply.failure != "interrupted"
    else:
        reply = replies.read_bytes(heard.api, b"".join(chunk for chunk, _ in chunks), model=model)
        whole = heard.broken is None and not heard.copy.truncated
    if whole:
        return reply
    if heard.copy.truncated:
        detail = f"larger than gateway.mirror_body_bytes ({heard.copy.limit}); the user got all of it"
        return msgspec.structs.replace(reply, failure="truncated", failure_detail=detail)
    why = _BROKEN[heard.broken] if heard.broken else reply.failure_detail
    return msgspec.structs.replace(reply, failure="interrupted", failure_detail=why)


def _decoded(heard: Heard) -> Iterator[tuple[bytes, float]]:
    """The copy's chunks without their content coding, with the time each came."""
    timed = zip(heard.copy.chunks, heard.copy.times, strict=True)
    coding = heard.content_encoding.lower()
    if coding in ("", "identity"):
        yield from timed
    elif coding in ("gzip", "x-gzip", "deflate"):
        # 32 + 15: zlib finds out itself whether this is gzip or zlib ("deflate").
        undo = zlib.decompressobj(32 + zlib.MAX_WBITS)
        room = heard.copy.limit  # a small answer may hide an enormous one
        for chunk, at in timed:
            try:
                plain = undo.decompress(chunk, max(room, 1))
            except zlib.error:
                return
            room -= len(plain)
            yield plain, at
            if room <= 0:
                return
