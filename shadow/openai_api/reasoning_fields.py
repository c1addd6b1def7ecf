"""Reads the reasoning that servers put beside the answer, in fields, parts or items of their own.

    reasoning_content    DeepSeek, vLLM, SGLang, llama.cpp, LiteLLM, xAI
    reasoning            OpenRouter, newer vLLM, Ollama, Groq, Together
    reasoning_text       GitHub Copilot
    reasoning_details    OpenRouter
    thinking_blocks      LiteLLM
    thinking             parts of `content` (Mistral, Anthropic), and Ollama's own field
    reasoning            parts of `content` (Databricks), and output items of the Responses API

Encrypted reasoning, signatures and redacted parts are never read: they are not text.
"""

from collections.abc import Mapping
from typing import Any, Final

#: Fields of a message or a delta, the first that holds text counts: servers repeat the same text in several.
FIELDS: Final = (
    "reasoning_content", "reasoning", "reasoning_text", "thinking", "reasoning_details", "thinking_blocks",
)  # fmt: skip
_FIELDS: Final = frozenset(FIELDS)
#: Types of parts of `content` that hold reasoning.
PARTS: Final = ("thinking", "reasoning", "reasoning_content", "thought")
#: Keys of an object that hold its text.
_TEXTS: Final = ("text", "thinking", "reasoning", "reasoning_content", "summary", "content")
#: Objects are nested this deep at most: a part, its list of texts, a text.
_MAX_DEPTH: Final = 4


def of_message(message: Mapping[str, Any]) -> str | None:
    """The reasoning in a chat answer's message or delta."""
    if not _FIELDS.isdisjoint(message):
        for name in FIELDS:
            if text := _text(message.get(name)):
                return text
    content = message.get("content")
    if not isinstance(content, list):
        return None
    return "".join(_text(part) for part in content if isinstance(part, Mapping) and part.get("type") in PARTS) or None


def of_item(item: Mapping[str, Any]) -> str | None:
    """The reasoning in an output item of a response: its text, else its summary."""
    if item.get("type") != "reasoning":
        return None
    for name in ("content", "summary"):
        parts = item.get(name)
        texts = map(_text, parts) if isinstance(parts, list) else [_text(parts)]
        if text := "\n\n".join(filter(None, texts)):
            return text
    return None


def _is_hidden(kind: Any) -> bool:
    return isinstance(kind, str) and ("encrypted" in kind or "redacted" in kind)


def _text(value: Any, depth: int = _MAX_DEPTH) -> str:
    if isinstance(value, str):
        return value
    if depth == 0:
        return ""
    if isinstance(value, list):
        return "".join(_text(each, depth - 1) for each in value)
    if isinstance(value, Mapping) and not _is_hidden(value.get("type")):
        return next((text for name in _TEXTS if (text := _text(value.get(name), depth - 1))), "")
    return ""
