"""One call to a model as it was captured, and the exchange that is read from it.

On the path of production only references are kept: to the bytes of the request and of the answer,
which do not change, whatever the application does with its own objects afterwards. `to_exchange`
reads them, on the publisher's thread or in the gateway's mirror process.
"""

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from time import perf_counter, time
from typing import Any, Final

import msgspec

from shadow import prices
from shadow.errors import DroppedError
from shadow.openai_api import content_encoding, error_bodies, replies, stream_reader
from shadow.openai_api.content_encoding import Piece, UnknownEncodingError
from shadow.openai_api.json_text import DECODE_ERRORS, decode, repaired
from shadow.policy import identify
from shadow.recording.credentials import without_credentials
from shadow.records import Api, Exchange, Failure, Part, Reply, Role
from shadow.settings import Settings

#: The `error` of a call whose reader closed the answer before its end.
CLIENT_DISCONNECTED: Final = "ClientDisconnected"

#: How much of an error's body is read for its message. It is cut to its length after redaction: of a key at the
#: end of a text that is cut before, the most part would stay.
_MAX_MESSAGE_BYTES: Final = 16 * 2**10


class Tags(msgspec.Struct, frozen=True, eq=False, array_like=True):
    """What the application declares about a request, and the probability `rate` in (0, 1] of its being mirrored.

    `id` becomes the exchange's where sampling already needed one; if it is empty, one is made later.
    """

    task: str
    unit: str | None
    segment: Mapping[str, str]
    rate: float
    id: str = ""


class CapturedCall(msgspec.Struct, eq=False, array_like=True, gc=False):
    """One user request, however often the client tried, and what came back.

    `request_headers` are the request's headers that concern us (`x-shadow-*`, `traceparent`),
    `response_headers` those of the answer; both are looked up by names in lower case. `pieces` are
    the answer's bytes as received, at most `limit` of them, and `cut` says that the answer was
    longer. `started`, `ended` and the times of the pieces are seconds of `time.perf_counter()`; the
    call ends no earlier than its last piece. `at` is the Unix time of the start (None: worked out
    from `started`, in the same process).
    `size` is the memory in bytes that all of it takes. `credentials` are those of the request, which
    its exchange must not repeat.

    `error` is the name of the exception that ended the answer, or CLIENT_DISCONNECTED; it counts
    only if the answer turns out to be incomplete. `failure` and `detail` stand for a call that
    ended without an answer. `endpoint` is the name in [models] that served and `served_by` its
    role, where the gateway chose them; else both are derived from the model names in the request
    and the answer. `status` is None where no status line came.
    """

    tags: Tags
    api: Api
    request: bytes
    request_headers: Mapping[str, str]
    started: float
    ended: float
    size: int
    credentials: Collection[str] = ()
    status: int | None = None
    pieces: Sequence[Piece] = ()
    response_headers: Mapping[str, str] = {}
    limit: int = 0
    error: str | None = None
    cut: bool = False
    failure: Failure | None = None
    detail: str = ""
    endpoint: str = ""
    served_by: Role | None = None
    at: float | None = None

    @property
    def task(self) -> str:
        return self.tags.task

    def to_exchange(self, settings: Settings) -> Exchange:
        """The exchange that this call makes. Raises DroppedError where the request or the answer cannot be read."""
        tags, headers = self.tags, self.request_headers
        request = _json_object(self.request)
        requested = settings.sent_name(self.endpoint) if self.endpoint else request.get("model")
        requested = requested if isinstance(requested, str) else ""
        reply, cut = _reply(self, requested, streamed=request.get("stream") is True)
        ended = max(self.ended, self.pieces[-1][1]) if self.pieces else self.ended
        at = time() - (perf_counter() - self.started) if self.at is None else self.at
        exchange = Exchange(
            id=tags.id or new_id(at),
            task=tags.task,
            at=datetime.fromtimestamp(at, UTC),
            request=request,
            reply=msgspec.structs.replace(
                reply,
                latency_ms=(ended - self.started) * 1_000,
                cost_usd=_cost(settings, (self.endpoint,) if self.endpoint else (requested, reply.model), reply),
                status=self.status,
            ),
            api=self.api,
            served_by=self.served_by or _role(settings, tags.task, (requested, reply.model)),
            segment=identify.segment_of(settings, tags.task, request, headers, tags.segment),
            unit=identify.unit_of(request, headers, tags.unit),
            inclusion_probability=tags.rate,
            traceparent=headers.get(identify.TRACEPARENT_HEADER),
            truncated=cut is not None,
            cut=cut,
        )
        if not self.credentials:
            return exchange
        return without_credentials(exchange, self.credentials, raw=self.request)


def new_id(at: float) -> str:
    """A unique id (32 hexadecimal digits) that sorts by time; `at` is Unix time."""
    return f"{int(at * 1_000):012x}{secrets.token_hex(10)}"


def _json_object(request: bytes) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(request)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        try:
            body = msgspec.json.decode(repaired(request))
        except DECODE_ERRORS:
            raise DroppedError("unencodable", f"the request is not JSON: {type(error).__name__}") from None
    if not isinstance(body, dict):
        raise DroppedError("unencodable", "the request is not a JSON object")
    return body


def _role(settings: Settings, task: str, models: Iterable[str]) -> Role:
    """The role in which `task` names one of these models; `frontier` if it names none of them."""
    return next((role for model in models if (role := settings.role_of(task, model))), "frontier")


def _cost(settings: Settings, models: Iterable[str], reply: Reply) -> float | None:
    """The price in USD by the first of these models that is in [models], under its key or its `model`."""
    for name in filter(None, models):
        aliases = (known for known, model in settings.models.items() if model.model == name)
        known = name if name in settings.models else next(aliases, None)
        if known is not None:
            return prices.cost_usd(settings.models[known], settings.sent_name(known), reply.usage)
    return None


def _reply(call: CapturedCall, model: str, *, streamed: bool) -> tuple[Reply, tuple[Part, ...] | None]:
    """The reply, and what it lacks because our copy was cut short (before or after decoding); None: it was not.

    Our copy may end before the answer did, and the answer may break off. Neither is the model's
    doing: only a complete answer can be `malformed`, and an answer that is complete up to the
    model's finish marker is a reply, whatever happened after it. `model` is used if the
    answer names none. `streamed`: the request asked for a stream.
    """
    if call.failure is not None:
        return replies.failed(model, call.failure, call.detail), None
    if call.status is not None and call.status >= 400:
        failure = error_bodies.failure_of_status(call.status)
        return replies.failed(model, failure, _error_message(call), status=call.status), _REPLY if call.cut else None
    encoding = call.response_headers.get("content-encoding", "")
    decoded = content_encoding.decode(call.pieces, encoding, limit=call.limit)
    cut = _REPLY if call.cut or decoded.cut else None
    if _is_stream(call, decoded.pieces, asked=streamed):
        reply, complete = stream_reader.read_stream(call.api, decoded.pieces, started=call.started, model=model)
    else:
        body = _joined(decoded.pieces)
        reply = replies.read_bytes(call.api, body, model=model)
        complete = reply.failure != "malformed" or _is_json(body)
        if streamed and complete and reply.failure not in _REPORTED:
            reply = _failed(reply, "malformed", "a stream of events was asked for, and the answer holds none")
    if complete:
        return reply, cut and ()
    if decoded.error is not None:
        return _failed(reply, "endpoint_error", decoded.error), cut
    if cut:
        return _failed(reply, "truncated", f"longer than the {call.limit} bytes that are kept{_LIMITS}"), cut
    return _broken_off(call, reply), cut


def _is_stream(call: CapturedCall, pieces: Sequence[Piece], *, asked: bool) -> bool:
    """Whether an answer is a stream of events.

    Where it asked for a stream, the official client reads every answer as one, whatever its content type: some servers
    say application/x-ndjson or text/plain. In JSON or HTML it finds no event. Some servers always stream; there the
    content type is not known if the application had the whole answer at once.
    """
    beginning = b""
    for piece, _ in pieces:
        beginning += (piece if beginning else piece.lstrip().removeprefix(b"\xef\xbb\xbf"))[:_EVENT_BYTES]
        if len(beginning) >= _EVENT_BYTES:
            break
    if asked:
        return beginning[:1] not in (b"{", b"[", b"<")
    content_type = call.response_headers.get("content-type", "").lower()
    return beginning.startswith((b"data:", b"event:")) or (
        content_type.startswith("text/event-stream") and beginning[:1] not in (b"{", b"[")
    )


_REPLY: Final[tuple[Part, ...]] = ("reply",)
#: Enough of an answer to see whether it begins with an event.
_EVENT_BYTES: Final = len(b"event:")
#: Failures that an endpoint reports in an answer in place of a stream.
_REPORTED: Final = ("endpoint_error", "rate_limited", "timeout", "rejected")
_LIMITS: Final = " (in the gateway: mirror_body_bytes under [gateway] in shadow.toml); the user got all of it"


def _broken_off(call: CapturedCall, reply: Reply) -> Reply:
    """The failure of an incomplete answer: `reply` itself where the answer was complete."""
    received = sum(len(piece) for piece, _ in call.pieces)
    if call.error is None or call.response_headers.get("content-length") == str(received):
        return reply
    if call.error == CLIENT_DISCONNECTED:
        return _failed(reply, "interrupted", "the client stopped reading before the end of the answer")
    if "Timeout" in call.error:
        return _failed(reply, "timeout", f"the endpoint stopped sending in the middle of its answer: {call.error}")
    return _failed(reply, "interrupted", f"the endpoint broke off its answer: {call.error}")


def _error_message(call: CapturedCall) -> str:
    """The beginning of the body of an error answer, as far as it can be decoded."""
    encoding = call.response_headers.get("content-encoding", "")
    try:
        decoded = content_encoding.decode(call.pieces, encoding, limit=_MAX_MESSAGE_BYTES)
    except UnknownEncodingError as error:
        return str(error)
    return _joined(decoded.pieces)[:_MAX_MESSAGE_BYTES].decode("utf-8", "replace")


def _joined(pieces: Iterable[Piece]) -> bytes:
    return b"".join(piece for piece, _ in pieces)


def _failed(reply: Reply, failure: Failure, detail: str) -> Reply:
    return msgspec.structs.replace(reply, failure=failure, failure_detail=detail)


def _is_json(body: bytes) -> bool:
    try:
        decode(body)
    except DECODE_ERRORS:
        return False
    return True
