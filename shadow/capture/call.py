"""One user request: what was asked, what was heard, and the exchange the two make.

On the application's thread only references are kept: to the bytes of the request as they were
sent, and to the bytes of the answer as they came. They do not change, whatever the application
does with its own objects afterwards. Reading them is left to the publisher's thread.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from time import perf_counter, time
from typing import Any, Final

import msgspec

from shadow import identify, prices, replies
from shadow.capture.labels import Labels, new_id
from shadow.capture.tape import LIMIT_BYTES, Tape, decoded
from shadow.publisher import Dropped
from shadow.records import Api, Exchange, Failure, Reply
from shadow.settings import Settings

TRACEPARENT: Final = "traceparent"


class Call(msgspec.Struct, eq=False):
    """One request of the application, however often the SDK tried, and what came of it.

    `headers` are those of the request that are ours; `started` and `ended` are
    on the clock of `time.perf_counter()` (seconds); `request` are the bytes that were sent. What
    came is a whole `answer`, a streamed one on `tape`, or a `failure`.
    """

    settings: Settings
    api: Api
    labels: Labels
    headers: Mapping[str, str]
    started: float
    ended: float
    request: bytes
    status: int | None = None
    answer: bytes | None = None
    tape: Tape | None = None
    failure: Failure | None = None
    detail: str = ""

    def exchange(self) -> Exchange:
        """What the call amounts to, on the publisher's thread. Raises Dropped where it cannot be read."""
        settings, labels = self.settings, self.labels
        request = _request(self)
        asked = request.get("model")
        asked = asked if isinstance(asked, str) else ""
        reply = _reply(self, asked)
        role = settings.role_of(labels.task, asked) or settings.role_of(labels.task, reply.model) or "frontier"
        at = time() - (perf_counter() - self.started)
        ended = self.tape.pieces[-1][1] if self.tape is not None and self.tape.pieces else self.ended
        return Exchange(
            id=labels.id or new_id(at),
            task=labels.task,
            at=datetime.fromtimestamp(at, UTC),
            request=request,
            reply=msgspec.structs.replace(
                reply,
                latency_ms=(ended - self.started) * 1_000,
                cost_usd=_cost(settings, (asked, reply.model), reply),
                status=self.status,
            ),
            api=self.api,
            served_by=role,
            segment=identify.segment_of(settings, labels.task, request, self.headers, labels.segment),
            unit=identify.unit_of(request, self.headers, labels.unit),
            inclusion_probability=labels.rate,
            traceparent=self.headers.get(TRACEPARENT),
            truncated=self.tape is not None and self.tape.cut,
        )


def exchange_of(*noted: Any) -> Exchange:
    """What a call amounts to of which this was `noted`, as `Call` takes it. Even the call is made here.

    Raises Dropped as `Call.exchange` does.
    """
    return Call(*noted).exchange()


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
        pieces = list(decoded(call.tape))
    except ValueError as fault:
        raise Dropped("unencodable", str(fault)) from None
    if not call.tape.headers.get("content-type", "").startswith("text/event-stream"):
        return _whole(call, call.tape, b"".join(piece for piece, _ in pieces), model)
    return _streamed(call, call.tape, pieces, model)


def _whole(call: Call, tape: Tape, body: bytes, model: str) -> Reply:
    """A reply that the application read piece by piece although it is one JSON object."""
    reply = replies.read_bytes(call.api, body, model=model)
    # Half an object is no fault of the model's: the application did not read it all.
    return _interrupted(reply, tape) if reply.failure == "malformed" else reply


def _streamed(call: Call, tape: Tape, pieces: Iterable[tuple[bytes, float]], model: str) -> Reply:
    reply = replies.read_stream(call.api, pieces, started=call.started, model=model)
    return _interrupted(reply, tape) if reply.failure == "interrupted" else reply


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


def failure_of(fault: BaseException) -> tuple[Failure, str, int | None]:
    """What an exception out of the SDK says of the endpoint: failure, detail and HTTP status."""
    name = type(fault).__name__
    status = getattr(fault, "status_code", None)
    if isinstance(status, int):
        return replies.failure_of_status(status), str(fault), status
    return _FAILURES.get(name, "endpoint_error"), f"{name}: {fault}", None
