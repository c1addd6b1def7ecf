"""Reads a recorded reply into the fields of a `Reply`.

Three forms: our own fields; a message as the official client dumps it (`message.model_dump()`, with its nulls); an
API's whole answer (`response.model_dump()` of Chat Completions or Responses, or `{"message": …}`).
"""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any, Final

import msgspec

from shadow.openai_api import reasoning_fields, replies
from shadow.records import Reply, ToolCall

#: Known keys of API messages and log records that are not fields of a `Reply`; ignored.
_OTHER_KEYS: Final = frozenset({
    "role", "id", "object", "type", "created", "annotations", "audio", "function_call", *reasoning_fields.FIELDS,
    "logprobs", "index", "name", "parsed", "system_fingerprint", "service_tier",
})  # fmt: skip
#: Fields that may stand beside an API's answer, because no API's answer contains them. They go before what is read.
_MEASURED: Final = frozenset({"latency_ms", "ttft_ms", "cost_usd", "confidence"})
_REPLY_KEYS: Final = frozenset(Reply.__struct_fields__)


def fields_of(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a reply in `recorded`, without null ones. Raises msgspec.ValidationError."""
    answer = _answer(recorded)
    if answer is not None:
        measured = {name: value for name, value in recorded.items() if name in _MEASURED and value is not None}
        return {**msgspec.to_builtins(answer), **measured}
    refuse_misspelled(recorded, _REPLY_KEYS, _OTHER_KEYS, "a reply")
    found = {name: value for name, value in recorded.items() if name in _REPLY_KEYS and value is not None}
    found.pop("reasoning", None)
    if (reasoning := reasoning_fields.of_message(recorded)) is not None:
        found["reasoning"] = reasoning
    if isinstance(found.get("content"), list):  # a list of parts, which the API accepts and some servers return
        found["content"] = replies.content_text(found["content"]) or ""
    return found


def _answer(recorded: Mapping[str, Any]) -> Reply | None:
    """The reply in an API's whole answer; None if `recorded` is not one."""
    model = recorded.get("model")
    name = model if isinstance(model, str) else ""
    if isinstance(recorded.get("choices"), list):
        return replies.read("chat", recorded, model=name)
    if isinstance(recorded.get("output"), list):
        return replies.read("responses", recorded, model=name)
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
