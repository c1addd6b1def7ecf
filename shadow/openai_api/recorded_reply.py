"""Reads a recorded reply into the fields of a `Reply`.

Three forms: our own fields; a message as the official client dumps it (`message.model_dump()`, with its nulls); an
API's whole answer (`response.model_dump()` of Chat Completions or Responses, `{"message": …}`, or an error), which may
be the `body` of a recorded HTTP response, as in the output file of a batch.
"""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any, Final

import msgspec

from shadow.openai_api import reasoning_fields, replies
from shadow.openai_api.error_bodies import reported_error
from shadow.openai_api.json_text import integer
from shadow.records import Reply, ToolCall

#: Known keys of API messages and log records that are not fields of a `Reply`; ignored.
_OTHER_KEYS: Final = frozenset({
    "role", "id", "object", "type", "created", "annotations", "audio", "function_call", *reasoning_fields.FIELDS,
    "logprobs", "index", "name", "parsed", "system_fingerprint", "service_tier",
})  # fmt: skip
#: Fields that may stand beside an API's answer, because no API's answer contains them. They go before what is read.
_MEASURED: Final = frozenset({"latency_ms", "ttft_ms", "cost_usd", "confidence"})
_REPLY_KEYS: Final = frozenset(Reply.__struct_fields__)
#: Without one of these an object holds no reply.
_HOLDING: Final = frozenset(
    {"content", "tool_calls", "refusal", "failure", "finish_reason", "function_call", "audio", *reasoning_fields.FIELDS}
)


def fields_of(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a reply in `recorded`, without null ones. Raises msgspec.ValidationError."""
    answer = _answer(recorded)
    if answer is not None:
        measured = {name: value for name, value in recorded.items() if name in _MEASURED and value is not None}
        return {**msgspec.to_builtins(answer), **measured}
    refuse_misspelled(recorded, _REPLY_KEYS, _OTHER_KEYS, "a reply")
    if others := [key for key in recorded if key not in _REPLY_KEYS]:
        _refuse_without_reply(recorded, others)
    found = {name: value for name, value in recorded.items() if name in _REPLY_KEYS and value is not None}
    found.pop("reasoning", None)
    if (reasoning := reasoning_fields.of_message(recorded)) is not None:
        found["reasoning"] = reasoning
    if not isinstance(found.get("content"), str):  # a list of parts, a transcript, or JSON that is no text
        if (refusal := replies.refusal_text(recorded)) is not None:
            found["refusal"] = refusal
        if (content := replies.content_or_transcript(recorded)) is not None or "content" in found:
            found["content"] = content or ""
    if isinstance(usage := found.get("usage"), Mapping):  # counts may be text
        found["usage"] = {name: count if integer(count) is None else integer(count) for name, count in usage.items()}
    if isinstance(call := recorded.get("function_call"), Mapping) and not found.get("tool_calls"):
        found["tool_calls"] = [call]
    return found


def _refuse_without_reply(recorded: Mapping[str, Any], others: list[str]) -> None:
    """Raise msgspec.ValidationError for an object that has only keys with which no reply is recorded."""
    if not any(key in recorded for key in _HOLDING):
        raise msgspec.ValidationError(f"a reply has no `content`, only `{'`, `'.join(others)[:100]}`")


def _answer(recorded: Mapping[str, Any]) -> Reply | None:
    """The reply in an API's whole answer; None if `recorded` is not one."""
    model = recorded.get("model")
    name = model if isinstance(model, str) else ""
    if isinstance(choices := recorded.get("choices"), list) or recorded.get("object") == "chat.completion":
        first = next(iter(replies.mappings(choices)), {})
        if isinstance(first.get("text"), str) and "message" not in first:  # of the API before Chat Completions
            choices = [{**first, "message": {"content": first["text"]}}]
        return replies.read("chat", {**recorded, "choices": choices}, model=name)
    if isinstance(recorded.get("output"), list) or recorded.get("object") == "response":
        return replies.read("responses", recorded, model=name)
    for holder in ("body", "response"):
        if isinstance(inner := recorded.get(holder), Mapping):
            return _answer(inner)
    if not any(key in recorded for key in ("content", "tool_calls")) and (error := reported_error(recorded)):
        return replies.failed(name, *error)
    if isinstance(message := recorded.get("message"), Mapping):
        choice = {
            "message": message,
            "finish_reason": recorded.get("finish_reason") or "stop",
            "logprobs": recorded.get("logprobs"),
        }
        return replies.read("chat", {"choices": [choice], "usage": recorded.get("usage")}, model=name)
    return None


def refuse_misspelled(found: Collection[str], known: Collection[str], others: Collection[str], what: str) -> None:
    """Raise msgspec.ValidationError for a key that looks like a misspelling of a `known` one.

    Other unknown keys are ignored, because users may keep fields of their own. `what` names the object.
    """
    for key in found:
        if key not in known and key not in others and (near := get_close_matches(key, known, n=1, cutoff=0.75)):
            raise msgspec.ValidationError(f"unknown key `{key}` of {what}; did you mean `{near[0]}`?")


def tool_call(call: Any) -> ToolCall:
    """A recorded call: `{"name", "arguments"}`, or the API's `{"function": {…}}` and `{"custom": {…}}`.

    Arguments (`input` for a custom tool) are text or an object; null means the same as a missing key.
    Raises msgspec.ValidationError.
    """
    function = call.get("function") or call.get("custom") or call if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise msgspec.ValidationError("`tool_calls` has an item that is not a tool call")
    arguments = function.get("arguments", function.get("input"))
    if arguments is None:
        return ToolCall(name=function["name"])
    text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
    return ToolCall(name=function["name"], arguments=text)
