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

from shadow import prices
from shadow.capture.stream_recorder import LIMIT_BYTES, Tape
from shadow.capture.tags import Labels, new_id
from shadow.openai_api import captured_response, replies
from shadow.openai_api.captured_response import Answer
from shadow.openai_api.content_encoding import UnknownCodingError
from shadow.policy import identify
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
        reply, cut = _reply(self, asked)
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
            truncated=cut,
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


def _reply(call: Call, model: str) -> tuple[Reply, bool]:
    """The reply, and whether our copy of it is cut short."""
    if call.failure is not None:
        return replies.failed(model, call.failure, call.detail), False
    if call.answer is not None:
        return replies.read_bytes(call.api, call.answer, model=model), False
    if call.tape is None:
        raise Dropped("nothing_to_mirror")
    try:
        return captured_response.read(_answer(call, call.tape, model))
    except UnknownCodingError as fault:
        raise Dropped("unknown_coding", str(fault)) from None


def _answer(call: Call, tape: Tape, model: str) -> Answer:
    return Answer(
        api=call.api,
        model=model,
        started=call.started,
        pieces=tape.pieces,
        limit=LIMIT_BYTES,
        too_long=f"our copy ends after {LIMIT_BYTES} bytes; the application got all of it",
        cut=tape.cut,
        broken_off=_broken_off(tape),
        status=call.status,
        content_type=tape.headers.get("content-type", ""),
        content_encoding=tape.headers.get("content-encoding", ""),
    )


def _broken_off(tape: Tape) -> tuple[Failure, str] | None:
    if tape.fault is not None:
        if "Timeout" in tape.fault:
            return "timeout", f"the stream stopped: {tape.fault}"
        return "interrupted", f"the stream broke off: {tape.fault}"
    if tape.headers.get("content-length") == str(sum(len(piece) for piece, _ in tape.pieces)):
        return None
    return "interrupted", "the application stopped reading"


def _cost(settings: Settings, names: Iterable[str], reply: Reply) -> float | None:
    for name in names:
        for known, model in settings.models.items():
            if name and name in (known, model.model):
                return prices.cost_usd(model, settings.sent_name(known), reply.usage)
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


def failure_of(fault: BaseException) -> tuple[Failure | None, str, int | None]:
    """What an exception out of the SDK says of the endpoint: failure, detail and HTTP status.

    No failure: the endpoint has nothing to do with it. The request could not be written, say, or
    a hook of the application raised.
    """
    name = type(fault).__name__
    status = getattr(fault, "status_code", None)
    if isinstance(status, int):
        return replies.failure_of_status(status), str(fault), status
    of_the_sdk = hasattr(fault, "request")
    return _FAILURES.get(name, "endpoint_error" if of_the_sdk else None), f"{name}: {fault}", None
