"""What an application has of an answer that the official client gave it.

Applications put streams together as OpenAI's guides show it: text is joined, tool calls by their index.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import openai

#: The kinds of failure that an exception of the client stands for. The first that matches counts.
_RAISED: tuple[tuple[type[BaseException], tuple[str, ...]], ...] = (
    (openai.LengthFinishReasonError, ("truncated",)),
    (openai.ContentFilterFinishReasonError, ("refusal",)),
    (openai.RateLimitError, ("rate_limited",)),
    (openai.InternalServerError, ("endpoint_error", "timeout")),
    (openai.APIStatusError, ("rejected", "rate_limited", "timeout")),
    (openai.APITimeoutError, ("timeout",)),
    (openai.APIConnectionError, ("endpoint_error", "interrupted", "timeout")),
    (openai.APIError, ("endpoint_error", "rate_limited", "rejected", "timeout")),  # an error event of a stream
    (ValueError, ("malformed",)),  # not JSON, or not UTF-8
)


@dataclass
class Got:
    """The answer as the application has it; `raised` is the exception that the client ended it with."""

    content: str = ""
    refusal: str = ""
    tool_calls: list[tuple[str, str]] = field(default_factory=list)
    finish_reason: str | None = None
    model: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    raised: BaseException | None = None


def failures_of(error: BaseException) -> tuple[str, ...]:
    """The kinds of failure that an exception of the client may stand for. Raises `error` if it is none of these."""
    for kind, failures in _RAISED:
        if isinstance(error, kind):
            return failures
    raise error


def whole(answer: Any) -> Got:
    """A chat completion or a response that came whole; text where the client could not read it."""
    if isinstance(answer, str) or answer is None:
        return Got()
    got = Got(model=answer.model) if hasattr(answer, "model") else Got()
    _usage(got, answer)
    if getattr(answer, "object", None) == "response" or getattr(answer, "output", None) is not None:
        _response(got, answer)
        return got
    for choice in (getattr(answer, "choices", None) or [])[:1]:
        got.finish_reason = getattr(choice, "finish_reason", None)
        message = getattr(choice, "message", None)
        if message is None:
            continue
        calls: dict[Any, list[str]] = {}
        _delta(got, calls, message, indexed=False)
        got.tool_calls = [(name, arguments) for name, arguments in calls.values()]
    return _joined(got)


def chat_stream(chunks: Iterable[Any]) -> Got:
    """The choice with the lowest index of a stream of chunks, up to the exception that ends it."""
    choices: dict[int, Got] = {}
    calls: dict[int, dict[Any, list[str]]] = {}
    common = Got()
    try:
        for chunk in chunks:
            common.model = getattr(chunk, "model", None) or common.model
            _usage(common, chunk)
            for choice in getattr(chunk, "choices", None) or []:
                index = int(choice.index or 0)
                got = choices.setdefault(index, Got())
                got.finish_reason = getattr(choice, "finish_reason", None) or got.finish_reason
                if getattr(choice, "delta", None) is not None:
                    _delta(got, calls.setdefault(index, {}), choice.delta, indexed=True)
    except Exception as error:  # noqa: BLE001 - what the application gets
        common.raised = error
    first = min(choices, default=0)
    got = choices.get(first, Got())
    got.tool_calls = [(name, arguments) for _, (name, arguments) in sorted(calls.get(first, {}).items(), key=_by_index)]
    got.model, got.raised = common.model, common.raised
    got.prompt_tokens, got.completion_tokens = common.prompt_tokens, common.completion_tokens
    return _joined(got)


def response_stream(events: Iterable[Any]) -> Got:
    """The response of a stream of events: of its last event, or of those before where that has no output."""
    got, last = Got(), None
    calls: dict[Any, tuple[str, str]] = {}
    try:
        for event in events:
            match getattr(event, "type", None):
                case "response.output_text.delta":
                    got.content += event.delta
                case "response.refusal.delta":
                    got.refusal += event.delta
                case "response.output_item.done" if event.item.type == "function_call":
                    calls[event.output_index] = (event.item.name, event.item.arguments)
                case "response.created":
                    got.model = event.response.model
                case "response.completed" | "response.incomplete" | "response.failed":
                    last = event.response
    except Exception as error:  # noqa: BLE001 - what the application gets
        got.raised = error
    got.tool_calls = list(calls.values())
    if last is None:
        return _joined(got)
    if last.output:
        return whole(last)
    got.model = last.model
    got.finish_reason = _reason(last, got)
    _usage(got, last)
    return _joined(got)


def _response(got: Got, response: Any) -> None:
    for item in response.output or []:
        if item.type == "function_call":
            got.tool_calls.append((item.name, item.arguments))
        elif item.type == "custom_tool_call":
            got.tool_calls.append((item.name, item.input))
        for part in getattr(item, "content", None) or []:
            got.content += (getattr(part, "text", None) or "") if part.type == "output_text" else ""
            got.refusal += (getattr(part, "refusal", None) or "") if part.type == "refusal" else ""
    got.finish_reason = _reason(response, got)


def _reason(response: Any, got: Got) -> str | None:
    """Responses have no finish reason; this is ours for them."""
    if (details := getattr(response, "incomplete_details", None)) is not None:
        return str(details.reason)
    if getattr(response, "status", None) in ("failed", "in_progress", "queued", "cancelled", "incomplete"):
        return None
    return "tool_calls" if got.tool_calls else "stop"


def _delta(got: Got, calls: dict[Any, list[str]], delta: Any, *, indexed: bool) -> None:
    got.content += _text(delta.content) or getattr(getattr(delta, "audio", None), "transcript", None) or ""
    got.refusal += getattr(delta, "refusal", None) or _refusal(delta.content)
    if getattr(delta, "function_call", None) is not None:
        _piece(calls.setdefault(-1, ["", ""]), delta.function_call, "arguments")
    for place, call in enumerate(getattr(delta, "tool_calls", None) or []):
        key = getattr(call, "index", None) if indexed else place
        custom = getattr(call, "custom", None)
        part = custom or getattr(call, "function", None)
        if part is not None:
            _piece(calls.setdefault(key, ["", ""]), part, "input" if custom else "arguments")


def _piece(call: list[str], part: Any, field_name: str) -> None:
    written = getattr(part, field_name, None) or ""
    call[0] += getattr(part, "name", None) or ""
    call[1] += written if isinstance(written, str) else json.dumps(written, separators=(",", ":"))


def _text(content: Any) -> str:
    if isinstance(content, list):
        texts = [part if isinstance(part, str) else part.get("text") for part in content if _is_text(part)]
        return "".join(text for text in texts if isinstance(text, str))
    if content is None or isinstance(content, str):
        return content or ""
    return json.dumps(content, separators=(",", ":"))


def _is_text(part: Any) -> bool:
    return isinstance(part, str) or (isinstance(part, dict) and part.get("type") in (None, "text", "output_text"))


def _refusal(content: Any) -> str:
    parts = content if isinstance(content, list) else []
    return "".join(part["refusal"] for part in parts if isinstance(part, dict) and part.get("type") == "refusal")


def _usage(got: Got, answer: Any) -> None:
    usage = getattr(answer, "usage", None)
    if usage is None:
        return
    for name, other in (("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens")):
        count = getattr(usage, name, None)
        count = getattr(usage, other, None) if count is None else count
        if count is not None:
            setattr(got, name, int(count))


def _by_index(call: tuple[Any, Any]) -> int:
    return int(call[0] or 0)


def _joined(got: Got) -> Got:
    """With surrogate pairs put together, as every output of the application does."""
    for name in ("content", "refusal"):
        text: str = getattr(got, name)
        setattr(got, name, text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))
    got.tool_calls = [
        (name, arguments.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))
        for name, arguments in got.tool_calls
    ]
    return got
