"""Reads the token counts that endpoints report."""

from collections.abc import Mapping
from typing import Any

from shadow.records import Usage


def usage_of(value: Any, prompt: str, completion: str) -> Usage | None:
    """The token counts under the keys `prompt` and `completion`, and those of the reasoning.

    By the API, completion tokens include reasoning tokens. Some providers (Gemini, xAI) count these in
    `total_tokens` alone; they are added, because they are paid for.
    """
    if not isinstance(value, Mapping):
        return None
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
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
