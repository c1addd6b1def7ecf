"""One user request: what was asked, what was heard, and the exchange the two make.

On the application's thread only references are kept: to the bytes of the request as they were
sent, and to the bytes of the answer as they came. They do not change, whatever the application
does with its own objects afterwards. Reading them is left to the publisher's thread.
"""

import secrets
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from shadow import identify, prices, replies
from shadow.capture.tape import LIMIT_BYTES, Tape, decoded
from shadow.eventstream import EventStream
from shadow.publisher import Dropped
from shadow.records import Api, Exchange, Failure, Reply
from shadow.settings import Settings

TRACEPARENT: Final = "traceparent"


class Heard(msgspec.Struct):
    """What came back. `body` is a whole answer, `tape` a streamed one, `failure` none at all.

    `ended` is on the clock of `time.perf_counter()` (seconds).
    """

    ended: float = msgspec.field(default_factory=time.perf_counter)
    body: bytes | None = None
    tape: Tape | None = None
    coding: str = ""
    content_type: str = ""
    status: int | None = None
    failure: Failure | None = None
    detail: str = ""


class Call(msgspec.Struct, kw_only=True):
    """One request of the application, however often the SDK tries.

    These are structs because making one is a quarter of the work of a dataclass, and it happens
    while the application waits. `id` is made on the publisher's thread, unless sampling needs it.
    `segment`, `unit` and `headers` (ours alone) are what the application said of it, `at` is
    Unix time, `started` on the clock of `time.perf_counter()`. `body` is the request as the SDK
    will send it, until `request`, the bytes it did send, takes its place.
    """

    api: Api
    task: str
    segment: Mapping[str, str]
    unit: str | None
    headers: Mapping[str, str]
    probability: float
    at: float
    started: float
    body: Mapping[str, Any] | None = None
    request: bytes = b""
    id: str = ""

    def size(self, heard: Heard) -> int:
        """Bytes that are kept alive until the exchange is published."""
        return len(self.request) + len(heard.body or b"") + (heard.tape.size if heard.tape else 0)


def new_id(at: float) -> str:
    """A unique id (32 hexadecimal digits) that sorts by time; `at` is Unix time."""
    return f"{int(at * 1_000):012x}{secrets.token_hex(10)}"


def exchange_of(call: Call, heard: Heard, settings: Settings) -> Exchange:
    """The exchange of a call. Raises Dropped where its request cannot be read."""
    request = _request(call)
    asked = request.get("model")
    asked = asked if isinstance(asked, str) else ""
    reply = _reply(call, heard, asked)
    role = settings.role_of(call.task, asked) or settings.role_of(call.task, reply.model) or "frontier"
    return Exchange(
        id=call.id or new_id(call.at),
        task=call.task,
        at=datetime.fromtimestamp(call.at, UTC),
        request=request,
        reply=msgspec.structs.replace(
            reply,
            latency_ms=(heard.ended - call.started) * 1_000,
            cost_usd=_cost(settings, (asked, reply.model), reply),
            status=heard.status,
        ),
        api=call.api,
        served_by=role,
        segment=identify.segment_of(settings, call.task, request, call.headers, call.segment),
        unit=identify.unit_of(request, call.headers, call.unit),
        inclusion_probability=call.probability,
        traceparent=call.headers.get(TRACEPARENT),
        truncated=heard.tape is not None and heard.tape.cut,
    )


def _request(call: Call) -> dict[str, Any]:
    try:
        request = msgspec.json.decode(call.request)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as fault:
        raise Dropped("unencodable", f"the request is not JSON: {type(fault).__name__}") from None
    if not isinstance(request, dict):
        raise Dropped("unencodable", "the request is not a JSON object")
    return request


def _reply(call: Call, heard: Heard, model: str) -> Reply:
    if heard.failure is not None:
        return replies.failed(model, heard.failure, heard.detail)
    if heard.body is not None:
        return replies.read_bytes(call.api, heard.body, model=model)
    if heard.tape is None:
        raise Dropped("nothing_to_mirror")
    try:
        pieces = list(decoded(heard.tape, heard.coding))
    except ValueError as fault:
        raise Dropped("unencodable", str(fault)) from None
    if not heard.content_type.startswith("text/event-stream"):
        return _whole(call, heard.tape, b"".join(piece for piece, _ in pieces), model)
    return _streamed(call, heard.tape, pieces, model)


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


#: What the SDK's exceptions mean, by name: their classes are the application's `openai`.
_FAILURES: Final[Mapping[str, Failure]] = {
    "APITimeoutError": "timeout",
    "APIConnectionError": "endpoint_error",
    "APIResponseValidationError": "malformed",
    "CancelledError": "interrupted",
    "KeyboardInterrupt": "interrupted",
    "GeneratorExit": "interrupted",
}


def failure_of(fault: BaseException) -> Heard:
    """What an exception out of the SDK says of the endpoint. Keeps no reference to it."""
    name = type(fault).__name__
    status = getattr(fault, "status_code", None)
    if isinstance(status, int):
        return Heard(failure=replies.failure_of_status(status), detail=str(fault), status=status)
    return Heard(failure=_FAILURES.get(name, "endpoint_error"), detail=f"{name}: {fault}")
