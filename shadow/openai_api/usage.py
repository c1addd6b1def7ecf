"""Reads the token counts that endpoints report."""

from collections.abc import Mapping
from typing import Any, Final

from shadow.openai_api.json_text import integer
from shadow.records import Usage

#: The keys of the prompt's and of the completion's tokens in Chat Completions, and in Responses.
_CHAT: Final = ("prompt_tokens", "completion_tokens")
_RESPONSES: Final = ("input_tokens", "output_tokens")


def usage_of(value: Any) -> Usage | None:
    """The token counts of an answer, and those of its reasoning. The two APIs name them differently.

    By the API, completion tokens include reasoning tokens. Some providers (Gemini, xAI) count these in
    `total_tokens` alone; they are added, because they are paid for.
    """
    if not isinstance(value, Mapping):
        return None
    of_chat = value.get("prompt_tokens") is not None or value.get("completion_tokens") is not None
    prompt, completion = _CHAT if of_chat else _RESPONSES
    asked, written, total = (_count(value.get(key)) for key in (prompt, completion, "total_tokens"))
    details = value.get(f"{completion}_details")
    reasoned = _count((details if isinstance(details, Mapping) else value).get("reasoning_tokens"))
    if asked is not None and written is not None and total is not None:
        beside = total - asked - written
        if beside > 0 and reasoned in (None, beside):
            written, reasoned = written + beside, beside
    if asked is None and written is None:
        return None
    return Usage(prompt_tokens=asked, completion_tokens=written, reasoning_tokens=reasoned)


def _count(value: Any) -> int | None:
    count = value if type(value) is int else integer(value)
    return count if count is not None and count >= 0 else None
