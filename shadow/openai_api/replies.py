"""Reads an endpoint's whole answer into a `Reply`, as the official client reads it. `stream_reader` reads streams.

Capture, gateway and upstream share these parsers of the two APIs, Chat Completions and Responses.
They never raise on an answer: one that cannot be read is a `malformed` reply, because that is a
fact about the model. An error that the endpoint reports inside its answer is a failure of the endpoint.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from shadow.openai_api import finish_reasons, reasoning_blocks, reasoning_fields
from shadow.openai_api.error_bodies import ReportedError, error_without_answer, read_error, reported_error
from shadow.openai_api.json_text import DECODE_ERRORS, decode, joined
from shadow.openai_api.log_probabilities import LogProbabilities
from shadow.openai_api.usage import usage_of
from shadow.records import Api, Failure, Ineligibility, Reply, ToolCall, Usage

#: Statuses of responses that are not complete.
_UNFINISHED: Final = ("queued", "in_progress", "cancelled", "incomplete")
#: Calls in a response that the application executes and that name no tool, each with the keys of its action.
_NAMELESS_CALLS: Final[Mapping[str, tuple[str, ...]]] = {
    "computer_call": ("action", "actions"),
    "local_shell_call": ("action",),
    "shell_call": ("action",),
    "apply_patch_call": ("operation",),
}
#: Types of content parts that hold the text of an answer. Others hold reasoning or refusals.
_TEXT_PARTS: Final = (None, "text", "output_text")


#: How many characters of a failure's detail are read. It is cut to its length after redaction.
_MAX_DETAIL: Final = 16 * 2**10


def read(api: Api, body: Any, *, model: str = "") -> Reply:
    """The reply in a whole response body (already parsed JSON). `model` is used if the body names none."""
    if not isinstance(body, Mapping):
        reported = error_without_answer(body)
        return failed(model, *(reported or ("malformed", "the answer is not a JSON object")))
    return _read_chat(body, model) if api == "chat" else _read_responses(body, model)


def read_bytes(api: Api, body: bytes, *, model: str = "") -> Reply:
    """The reply in a whole response body, as bytes."""
    try:
        parsed = decode(body)
    except DECODE_ERRORS as error:
        return Reply(model=model, failure="malformed", failure_detail=f"not JSON: {error}"[:200])
    return read(api, parsed, model=model)


def failed(model: str, failure: Failure, detail: str, *, status: int | None = None) -> Reply:
    """The reply of a request that failed."""
    return Reply(model=joined(model), failure=failure, failure_detail=joined(detail[:_MAX_DETAIL]), status=status)


def ineligible(model: str, reason: Ineligibility, detail: str, *, status: int | None = None) -> Reply:
    """The reply of a model that cannot serve the request."""
    return msgspec.structs.replace(failed(model, "ineligible", detail, status=status), ineligible=reason)


def with_error(reply: Reply, error: ReportedError) -> Reply:
    """`reply`, the part of the answer that arrived, with the failure that the endpoint reports."""
    return msgspec.structs.replace(reply, failure=error.failure, failure_detail=joined(error.message[:_MAX_DETAIL]))


def _read_chat(body: Mapping[str, Any], model: str) -> Reply:
    choice = next(iter(mappings(body.get("choices"))), {})
    message = choice.get("message")
    finish = string(choice.get("finish_reason"))
    model = string(body.get("model")) or model
    error = reported_error(body) or reported_error(choice)
    if not isinstance(message, Mapping):
        if error is None and not finish:
            return _without_answer(body, model, "no choices[0].message in the answer")
        message = {}  # the finish reason says why (Gemini)
    calls = [function_call(message.get("function_call")), *map(chat_call, mappings(message.get("tool_calls")))]
    reply = reply_of(
        model=model,
        content=content_or_transcript(message),
        reasoning=reasoning_fields.of_message(message),
        refusal=refusal_text(message),
        calls=tuple(call for call in calls if call is not None),
        finish=finish,
        usage=usage_of(body.get("usage")),
    )
    if (logprobs := choice.get("logprobs")) is not None:
        tokens = LogProbabilities()
        tokens.add(logprobs)
        reply = tokens.describe(reply)
    # An error beside an answer that came to its end is a note: the application has the answer.
    if error is not None and (reply.failure == "empty" or reply.finish_reason in (None, "", "error")):
        return with_error(reply, error)
    return reply


def _without_answer(body: Mapping[str, Any], model: str, detail: str) -> Reply:
    """The reply of a body that holds no answer: the error that it reports in its place, else malformed."""
    reply = failed(model, *(error_without_answer(body) or ("malformed", detail)))
    return msgspec.structs.replace(reply, usage=usage_of(body.get("usage")))


def _read_responses(body: Mapping[str, Any], model: str) -> Reply:
    model = string(body.get("model")) or model
    if body.get("status") == "failed":
        error = read_error(body.get("error") or "the response failed")
        return failed(model, *error)
    details = body.get("incomplete_details")
    reason = string(details.get("reason")) if isinstance(details, Mapping) else None
    # A reason that is not known does not explain why the response is incomplete.
    unfinished = body.get("status") in _UNFINISHED and finish_reasons.failure_of(reason) is None
    if not isinstance(body.get("output"), list) and not unfinished:
        return _without_answer(body, model, "no output in the answer")
    texts: list[str] = []
    refusals: list[str] = []
    reasoning: list[str] = []
    calls: list[ToolCall] = []
    tokens = LogProbabilities()
    for item in mappings(body.get("output")):
        if (call := response_call(item)) is not None:
            calls.append(call)
        if (thought := reasoning_fields.of_item(item)) is not None:
            reasoning.append(thought)
        for part in mappings(item.get("content")):
            tokens.add(part.get("logprobs"))
            texts.append(string(part.get("text")) or "" if part.get("type") == "output_text" else "")
            refusals.append(string(part.get("refusal")) or "" if part.get("type") == "refusal" else "")
    reply = reply_of(
        model=model,
        content="".join(texts) or None,
        reasoning=reasoning_blocks.paragraphs(reasoning),
        refusal="".join(refusals) or None,
        calls=tuple(calls),
        finish=None if unfinished else reason or ("tool_calls" if calls else "stop"),
        usage=usage_of(body.get("usage")),
    )
    if unfinished:
        # As for a stream that broke off, the content so far is kept.
        detail = f"the response is {body['status']}"
        return msgspec.structs.replace(reply, failure="interrupted", failure_detail=detail)
    return tokens.describe(reply)


def chat_call(part: Mapping[str, Any]) -> ToolCall | None:
    """A call of a chat answer, or a piece of one in a stream."""
    custom = part.get("custom")
    if isinstance(custom, Mapping):
        return ToolCall(name=string(custom.get("name")) or "", arguments=string(custom.get("input")) or "")
    return function_call(part.get("function"))


def response_call(item: Mapping[str, Any]) -> ToolCall | None:
    """The call that the application must execute, if this output item of a response is one."""
    kind = string(item.get("type")) or ""
    if kind == "function_call":
        return function_call(item)
    if kind == "custom_tool_call":
        return ToolCall(name=string(item.get("name")) or "", arguments=string(item.get("input")) or "")
    if kind not in _NAMELESS_CALLS:
        return None
    action = {field: item[field] for field in _NAMELESS_CALLS[kind] if item.get(field) is not None}
    return ToolCall(name=kind.removesuffix("_call"), arguments=as_text(action) or "")


def function_call(value: Any) -> ToolCall | None:
    """The `{"name", "arguments"}` object of a call, or a piece of one in a stream."""
    if not isinstance(value, Mapping):
        return None
    return ToolCall(name=string(value.get("name")) or "", arguments=as_text(value.get("arguments")) or "")


def reply_of(
    *,
    model: str,
    content: str | None,
    reasoning: str | None,
    refusal: str | None,
    calls: tuple[ToolCall, ...],
    finish: str | None,
    usage: Usage | None,
) -> Reply:
    """The reply of these fields, with the failure that they show.

    Takes the reasoning out of `content`, and puts surrogate pairs together.
    """
    content, reasoning = separated(content, reasoning)
    failure = "refusal" if refusal else finish_reasons.failure_of(finish)
    if failure is None and finish is not None and not calls and (not content or content.isspace()):
        failure = "empty"
    return Reply(
        model=joined(model),
        content=joined(content) if content else content,
        reasoning=reasoning,
        refusal=joined(refusal) if refusal else refusal,
        tool_calls=tuple(ToolCall(name=joined(call.name), arguments=joined(call.arguments)) for call in calls),
        finish_reason=joined(finish) if finish else finish,
        usage=usage,
        failure=failure,
        failure_detail=f"the finish reason is {finish}" if failure in ("endpoint_error", "malformed") else None,
    )


def separated(content: str | None, reasoning: str | None) -> tuple[str | None, str | None]:
    """(content, reasoning), after the reasoning that `content` begins with has moved to `reasoning`."""
    if content:
        block, answer = reasoning_blocks.split(content)
        if answer is not content:
            content = answer or None
        # Some servers give the same reasoning in a field and leave it in the text.
        if block and block not in (reasoning or ""):
            reasoning = reasoning_blocks.paragraphs([reasoning or "", block])
    if not reasoning or reasoning.isspace():
        return content, None
    # PostgreSQL stores no NUL, for which a pair is refused. No pair is lost for a character of its reasoning.
    return content, joined(reasoning).replace("\0", "\ufffd")


def with_reasoning_apart(reply: Reply) -> Reply:
    """`reply` with its reasoning apart from its content: it may come from a file, or from an older version."""
    text = reply.content
    if reply.reasoning is None and (text is None or not reasoning_blocks.may_begin_with_reasoning(text)):
        return reply
    content, reasoning = separated(reply.content, reply.reasoning)
    if content is reply.content and reasoning == reply.reasoning:
        return reply
    return msgspec.structs.replace(reply, content=content, reasoning=reasoning)


def content_text(content: Any) -> str | None:
    """The text of a chat answer's `content`: a string, or a list of parts.

    None where it holds no text. Parts that are reasoning (of Mistral's models) or refusals are left out.
    Another value, which Cloudflare sends where JSON was asked for, becomes its JSON text.
    """
    if isinstance(content, list):
        return "".join(map(_part_text, content)) or None
    return as_text(content)


def content_or_transcript(message: Mapping[str, Any]) -> str | None:
    """The text of a chat answer's message or delta; of an answer in sound, whose content is null, the transcript."""
    content = message.get("content")
    text = content if isinstance(content, str) else content_text(content)
    if text or not isinstance(audio := message.get("audio"), Mapping):
        return text
    return string(audio.get("transcript"))


def _part_text(part: Any) -> str:
    if isinstance(part, Mapping):
        part = part.get("text") if part.get("type") in _TEXT_PARTS else None
    return part if isinstance(part, str) else ""


def refusal_text(message: Mapping[str, Any]) -> str | None:
    """The refusal in a chat answer's message or delta, beside its content or as a part of it."""
    if refusal := string(message.get("refusal")):
        return refusal
    parts = mappings(message.get("content"))
    return "".join(string(part.get("refusal")) or "" for part in parts if part.get("type") == "refusal") or None


def string(value: Any) -> str | None:
    """`value` if it is a string."""
    return value if isinstance(value, str) else None


def as_text(value: Any) -> str | None:
    """`value` if it is a string; the JSON text of another value; None for null."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def mappings(value: Any) -> list[Mapping[str, Any]]:
    """The objects in `value`, if it is a list."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
