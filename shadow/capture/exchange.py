"""The exchange that a call amounts to. Runs on the publisher's thread, and takes its time."""

from collections.abc import Iterable
from datetime import UTC, datetime
from time import perf_counter, time
from typing import Any

import msgspec

from shadow import identify, prices, replies
from shadow.capture.call import TRACEPARENT, Call, new_id
from shadow.capture.tape import LIMIT_BYTES, Tape, decoded
from shadow.eventstream import EventStream
from shadow.publisher import Dropped
from shadow.records import Exchange, Reply
from shadow.settings import Settings


def exchange_of(call: Call, settings: Settings) -> Exchange:
    """The exchange of a call. Raises Dropped where its request cannot be read."""
    request = _request(call)
    asked = request.get("model")
    asked = asked if isinstance(asked, str) else ""
    reply = _reply(call, asked)
    role = settings.role_of(call.task, asked) or settings.role_of(call.task, reply.model) or "frontier"
    at = time() - (perf_counter() - call.started)
    return Exchange(
        id=call.id or new_id(at),
        task=call.task,
        at=datetime.fromtimestamp(at, UTC),
        request=request,
        reply=msgspec.structs.replace(
            reply,
            latency_ms=(call.ended - call.started) * 1_000,
            cost_usd=_cost(settings, (asked, reply.model), reply),
            status=call.status,
        ),
        api=call.api,
        served_by=role,
        segment=identify.segment_of(settings, call.task, request, call.headers, call.segment),
        unit=identify.unit_of(request, call.headers, call.unit),
        inclusion_probability=call.rate,
        traceparent=call.headers.get(TRACEPARENT),
        truncated=call.tape is not None and call.tape.cut,
    )


def _request(call: Call) -> dict[str, Any]:
    try:
        request = msgspec.json.decode(call.request)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as fault:
        raise Dropped("unencodable", f"the request is not JSON: {type(fault).__name__}") from None
    if not isinstance(request, dict):
        raise Dropped("unencodable", "the request is not a JSON object")
    return request


def _reply(call: Call, model: str) -> Reply:
    if call.failure is not None:
        return replies.failed(model, call.failure, call.detail)
    if call.answer is not None:
        return replies.read_bytes(call.api, call.answer, model=model)
    if call.tape is None:
        raise Dropped("nothing_to_mirror")
    try:
        pieces = list(decoded(call.tape, call.answer_headers.get("content-encoding", "").strip().lower()))
    except ValueError as fault:
        raise Dropped("unencodable", str(fault)) from None
    if not call.answer_headers.get("content-type", "").startswith("text/event-stream"):
        return _whole(call, call.tape, b"".join(piece for piece, _ in pieces), model)
    return _streamed(call, call.tape, pieces, model)


def _whole(call: Call, tape: Tape, body: bytes, model: str) -> Reply:
    """A reply that the application read piece by piece although it is one JSON object."""
    reply = replies.read_bytes(call.api, body, model=model)
    # Half an object is no fault of the model's: the application did not read it all.
    return _interrupted(reply, tape) if reply.failure == "malformed" else reply


def _streamed(call: Call, tape: Tape, pieces: Iterable[tuple[bytes, float]], model: str) -> Reply:
    reader = replies.StreamReader(call.api, model=model)
    events = EventStream()
    ttft_ms: float | None = None
    for piece, at in pieces:
        _feed(reader, events.feed(piece))
        if ttft_ms is None and reader.started:
            ttft_ms = (at - call.started) * 1_000
    _feed(reader, events.close())
    reply = msgspec.structs.replace(reader.reply(), ttft_ms=ttft_ms)
    return _interrupted(reply, tape) if reply.failure == "interrupted" else reply


def _feed(reader: replies.StreamReader, events: Iterable[bytes]) -> None:
    for event in events:
        try:
            reader.feed(msgspec.json.decode(event))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue  # `[DONE]`, or an event that was cut off


def _interrupted(reply: Reply, tape: Tape) -> Reply:
    if tape.cut:
        detail = f"our copy ends after {LIMIT_BYTES} bytes; the application got all of it"
        return msgspec.structs.replace(reply, failure="truncated", failure_detail=detail)
    if tape.fault is not None and "Timeout" in tape.fault:
        return msgspec.structs.replace(reply, failure="timeout", failure_detail=f"the stream stopped: {tape.fault}")
    why = f"the stream broke off: {tape.fault}" if tape.fault else "the application stopped reading"
    return msgspec.structs.replace(reply, failure="interrupted", failure_detail=why)


def _cost(settings: Settings, names: Iterable[str], reply: Reply) -> float | None:
    for name in names:
        for known, model in settings.models.items():
            if name and name in (known, model.model):
                try:
                    return prices.cost_usd(model, name, reply.usage)
                except ImportError:  # the price list is not part of the base install
                    return None
    return None
