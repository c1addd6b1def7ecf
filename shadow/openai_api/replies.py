"""Reads an endpoint's answer, as JSON or as a stream of events, into a `Reply`.

Capture, gateway and upstream share these parsers of the two APIs, Chat Completions and Responses.
They never raise on an answer: one that cannot be read is a `malformed` reply, because that is a
fact about the model.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from shadow.openai_api.sse import EventStream
from shadow.records import Api, Failure, Reply, ToolCall, Usage

#: `finish_reason` (chat) and `incomplete_details.reason` (responses) of an answer cut off at a token limit.
TRUNCATION_REASONS: Final = ("length", "max_output_tokens", "max_tokens")
#: Statuses of responses that are not complete.
_UNFINISHED: Final = ("queued", "in_progress", "cancelled", "incomplete")
#: `incomplete_details.reason` that explains why a response is incomplete.
_EXPLAINED: Final = (*TRUNCATION_REASONS, "content_filter")
#: Calls in a response that the application executes and that name no tool, each with the keys of its action.
_NAMELESS_CALLS: Final[Mapping[str, tuple[str, ...]]] = {
    "computer_call": ("action", "actions"),
    "local_shell_call": ("action",),
    "shell_call": ("action",),
    "apply_patch_call": ("operation",),
}
#: The index of a legacy `function_call` among streamed calls, whose indexes start at 0.
_LEGACY: Final = -1


def read(api: Api, body: Any, *, model: str = "") -> Reply:
    """The reply in a whole response body (already parsed JSON). `model` is used if the body names none."""
    if not isinstance(body, Mapping):
        return Reply(model=model, failure="malformed", failure_detail="the answer is not a JSON object")
    return _read_chat(body, model) if api == "chat" else _read_responses(body, model)


def read_bytes(api: Api, body: bytes, *, model: str = "") -> Reply:
    """The reply in a whole response body, as bytes."""
    try:
        parsed = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Reply(model=model, failure="malformed", failure_detail=f"not JSON: {error}"[:200])
    return read(api, parsed, model=model)


def read_stream(
    api: Api, pieces: Iterable[tuple[bytes, float]], *, started: float, model: str = ""
) -> tuple[Reply, bool]:
    """The reply in a streamed answer's bytes, each piece with its time, and whether it is complete.

    `started` is the time of the request, on the same clock (seconds). A stream without its final
    event is `interrupted`, and not complete.
    """
    reader = StreamReader(api, model=model)
    events = EventStream()
    ttft_ms: float | None = None
    for piece, at in pieces:
        _feed(reader, events.feed(piece))
        if ttft_ms is None and reader.started:
            ttft_ms = (at - started) * 1_000
    _feed(reader, events.close())
    return msgspec.structs.replace(reader.reply(), ttft_ms=ttft_ms), reader.ended


def failed(model: str, failure: Failure, detail: str, *, status: int | None = None) -> Reply:
    """The reply of a request that failed."""
    return Reply(model=model, failure=failure, failure_detail=detail[:500], status=status)


def failure_of_status(status: int) -> Failure:
    """The failure that an HTTP error status stands for."""
    if status == 429:
        return "rate_limited"
    if status in (408, 504):
        return "timeout"
    return "endpoint_error" if status >= 500 else "rejected"


class StreamReader:
    """Builds the reply of a stream from its events, one parsed `data:` object at a time.

    `started` becomes true with the first token, so that the caller can measure the time to the
    first token.
    """

    def __init__(self, api: Api, *, model: str = "") -> None:
        self._api = api
        self._model = model
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._calls: dict[int, list[str]] = {}
        self._finish: str | None = None
        self._usage: Usage | None = None
        self._whole: Reply | None = None
        self._error: str | None = None
        self.started = False

    @property
    def ended(self) -> bool:
        """Whether the stream has sent its final event."""
        return not (self._whole is None and self._error is None and self._finish is None)

    def feed(self, event: Any) -> None:
        """Add one event. Events of unknown kinds are ignored."""
        if not isinstance(event, Mapping):
            return
        if isinstance(event.get("error"), Mapping):
            self._error = str(event["error"].get("message", "error event in the stream"))
        if self._api == "chat":
            self._feed_chat(event)
        else:
            self._feed_responses(event)

    def reply(self) -> Reply:
        """The reply so far; `interrupted` if the final event has not arrived."""
        if self._whole is not None:
            return self._whole
        reply = _reply(
            model=self._model,
            content="".join(self._text) if self._text else None,
            refusal="".join(self._refusal) if self._refusal else None,
            calls=tuple(ToolCall(name=name, arguments=args) for name, args in self._sorted_calls()),
            finish=self._finish,
            usage=self._usage,
        )
        if self._error is not None:
            return msgspec.structs.replace(reply, failure="endpoint_error", failure_detail=self._error[:500])
        if not self.ended:
            return msgspec.structs.replace(
                reply, failure="interrupted", failure_detail="the stream ended without a finish reason"
            )
        return reply

    def _sorted_calls(self) -> list[tuple[str, str]]:
        return [(name, arguments) for _, (name, arguments) in sorted(self._calls.items())]

    def _feed_chat(self, event: Mapping[str, Any]) -> None:
        self._model = _text(event.get("model")) or self._model
        self._usage = _usage(event.get("usage"), "prompt_tokens", "completion_tokens") or self._usage
        choice = _first(event.get("choices"))
        if _whole_number(choice.get("index")) != 0:
            return  # n > 1: only the first choice is compared
        delta = choice.get("delta")
        delta = delta if isinstance(delta, Mapping) else {}
        if text := _text(delta.get("content")):
            self._text.append(text)
        if refusal := _text(delta.get("refusal")):
            self._refusal.append(refusal)
        self._add_call(_LEGACY, _function(delta.get("function_call")))
        for part in _mappings(delta.get("tool_calls")):
            self._add_call(_whole_number(part.get("index")), _chat_call(part))
        if self._text or self._refusal or self._calls:
            self.started = True
        self._finish = _text(choice.get("finish_reason")) or self._finish

    def _add_call(self, index: int, part: ToolCall | None) -> None:
        if part is not None:
            call = self._calls.setdefault(index, ["", ""])
            call[0] += part.name
            call[1] += part.arguments

    def _feed_responses(self, event: Mapping[str, Any]) -> None:
        match event.get("type"):
            case "response.output_text.delta":
                self._text.append(_text(event.get("delta")) or "")
                self.started = True
            case "response.refusal.delta":
                self._refusal.append(_text(event.get("delta")) or "")
                self.started = True
            case "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta":
                self.started = True
            case "response.completed" | "response.incomplete" | "response.failed":
                self._whole = read("responses", event.get("response"), model=self._model)
            case "error":
                self._error = _text(event.get("message")) or "error event in the stream"


def _feed(reader: StreamReader, events: Iterable[bytes]) -> None:
    for event in events:
        try:
            reader.feed(msgspec.json.decode(event))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue  # `[DONE]`, or an event that was cut off


def _read_chat(body: Mapping[str, Any], model: str) -> Reply:
    choice = _first(body.get("choices"))
    message = choice.get("message")
    if not isinstance(message, Mapping):
        return Reply(
            model=_text(body.get("model")) or model,
            failure="malformed",
            failure_detail="no choices[0].message in the answer",
        )
    calls = [_function(message.get("function_call")), *map(_chat_call, _mappings(message.get("tool_calls")))]
    return _reply(
        model=_text(body.get("model")) or model,
        content=_text(message.get("content")),
        refusal=_text(message.get("refusal")),
        calls=tuple(call for call in calls if call is not None),
        finish=_text(choice.get("finish_reason")),
        usage=_usage(body.get("usage"), "prompt_tokens", "completion_tokens"),
    )


def _read_responses(body: Mapping[str, Any], model: str) -> Reply:
    model = _text(body.get("model")) or model
    if body.get("status") == "failed":
        error = body.get("error")
        detail = _text(error.get("message")) if isinstance(error, Mapping) else None
        return failed(model, "endpoint_error", detail or "the response failed")
    details = body.get("incomplete_details")
    reason = _text(details.get("reason")) if isinstance(details, Mapping) else None
    unfinished = body.get("status") in _UNFINISHED and reason not in _EXPLAINED
    if not isinstance(body.get("output"), list) and not unfinished:
        return Reply(model=model, failure="malformed", failure_detail="no output in the answer")
    texts: list[str] = []
    refusals: list[str] = []
    calls: list[ToolCall] = []
    for item in _mappings(body.get("output")):
        if (call := _response_call(item)) is not None:
            calls.append(call)
        for part in _mappings(item.get("content")):
            texts.append(_text(part.get("text")) or "" if part.get("type") == "output_text" else "")
            refusals.append(_text(part.get("refusal")) or "" if part.get("type") == "refusal" else "")
    reply = _reply(
        model=model,
        content="".join(texts) or None,
        refusal="".join(refusals) or None,
        calls=tuple(calls),
        finish=None if unfinished else reason or ("tool_calls" if calls else "stop"),
        usage=_usage(body.get("usage"), "input_tokens", "output_tokens"),
    )
    if unfinished:
        # As for a stream that broke off, the content so far is kept.
        detail = f"the response is {body['status']}"
        return msgspec.structs.replace(reply, failure="interrupted", failure_detail=detail)
    return reply


def _chat_call(part: Mapping[str, Any]) -> ToolCall | None:
    """A call of a chat answer, or a part of one."""
    custom = part.get("custom")
    if isinstance(custom, Mapping):
        return ToolCall(name=_text(custom.get("name")) or "", arguments=_text(custom.get("input")) or "")
    return _function(part.get("function"))


def _response_call(item: Mapping[str, Any]) -> ToolCall | None:
    """The call that the application must execute, if this output item of a response is one."""
    kind = _text(item.get("type")) or ""
    if kind == "function_call":
        return _function(item)
    if kind == "custom_tool_call":
        return ToolCall(name=_text(item.get("name")) or "", arguments=_text(item.get("input")) or "")
    if kind not in _NAMELESS_CALLS:
        return None
    action = {field: item[field] for field in _NAMELESS_CALLS[kind] if item.get(field) is not None}
    return ToolCall(name=kind.removesuffix("_call"), arguments=msgspec.json.encode(action).decode())


def _function(value: Any) -> ToolCall | None:
    if not isinstance(value, Mapping):
        return None
    return ToolCall(name=_text(value.get("name")) or "", arguments=_text(value.get("arguments")) or "")


def _reply(
    *,
    model: str,
    content: str | None,
    refusal: str | None,
    calls: tuple[ToolCall, ...],
    finish: str | None,
    usage: Usage | None,
) -> Reply:
    failure: Failure | None = None
    if refusal or finish == "content_filter":
        failure = "refusal"
    elif finish in TRUNCATION_REASONS:
        failure = "truncated"
    elif finish is not None and not content and not calls:
        failure = "empty"
    return Reply(
        model=model,
        content=content,
        refusal=refusal,
        tool_calls=calls,
        finish_reason=finish,
        usage=usage,
        failure=failure,
    )


def _usage(value: Any, prompt: str, completion: str) -> Usage | None:
    if not isinstance(value, Mapping):
        return None
    counts = [value.get(key) for key in (prompt, completion)]
    known = [n if isinstance(n, int) and not isinstance(n, bool) and n >= 0 else None for n in counts]
    return None if known == [None, None] else Usage(prompt_tokens=known[0], completion_tokens=known[1])


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _whole_number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _first(value: Any) -> Mapping[str, Any]:
    return next(iter(_mappings(value)), {})


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
