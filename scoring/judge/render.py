"""Render a pair as text for a judge. Everything in a pair is untrusted.

Tool calls and refusals are rendered as text, images only by their kind. Reasoning is left out, of the replies and of
earlier turns: a reply is judged by what the person who asked gets to read. Characters that people cannot see
but models read (tag characters, overrides of the writing direction) are made visible, so that a reply is not
judged better for what people cannot see in it. Long texts are shortened in the middle, with a note of how
much is left out, so that the cost of a question is bounded.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from shadow.openai_api import reasoning_blocks, reasoning_fields
from shadow.records import Exchange, Reply, Trial, candidate_reply, frontier_reply

#: Maximum characters rendered of a request, and of each reply.
MAX_REQUEST_CHARS: Final = 16_000
MAX_REPLY_CHARS: Final = 12_000

#: Unicode's tag characters, zero-width characters, and the controls of the writing direction.
_INVISIBLE: Final = re.compile("[\U000e0000-\U000e007f\u202a-\u202e\u2066-\u2069\u200b\u2060\ufeff]")
# NUL, a terminal's escape character and the like, without tabs and line ends.
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LINE_END: Final = re.compile("\r\n?|[\u2028\u2029\x85]")


@dataclass(frozen=True, kw_only=True)
class Question:
    """A pair as it is shown to a judge. `differs_only_in_omitted`: in what is left out because replies are long."""

    request: str
    frontier: str
    candidate: str
    differs_only_in_omitted: bool = False

    @property
    def identical(self) -> bool:
        """Whether both replies have the same words."""
        return not self.differs_only_in_omitted and self.frontier.split() == self.candidate.split()


def build_question(trial: Trial) -> Question:
    """The question about a pair. Accepts any request and replies."""
    frontier, candidate = (_visible(render_reply(reply)) for reply in (frontier_reply(trial), candidate_reply(trial)))
    shown = [_shortened(text, MAX_REPLY_CHARS) for text in (frontier, candidate)]
    return Question(
        request=_shortened(_visible(render_request(trial.exchange)), MAX_REQUEST_CHARS),
        frontier=shown[0],
        candidate=shown[1],
        differs_only_in_omitted=shown[0] == shown[1] and frontier.split() != candidate.split(),
    )


def render_request(exchange: Exchange) -> str:
    """The turns of the conversation, and the names of the tools offered."""
    return "\n\n".join(f"{role}: {text}" for role, text in turns(exchange.request))


def turns(request: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(role, text) of each turn of the conversation, then the names of the tools offered. Also used by pages."""
    found = [("system", request["instructions"])] if isinstance(request.get("instructions"), str) else []
    messages = request.get("messages", request.get("input"))
    if isinstance(messages, str):
        found.append(("user", messages))
    elif isinstance(messages, list):
        found += [_turn(item) for item in messages if isinstance(item, Mapping) and item.get("type") != "reasoning"]
    tools = request.get("tools")
    if isinstance(tools, list) and (names := [_tool_name(tool) for tool in tools if isinstance(tool, Mapping)]):
        found.append(("tools on offer", ", ".join(names)))
    return found


def render_reply(reply: Reply) -> str:
    """Text, refusal and tool calls of a reply; empty where it has none."""
    parts = [reply.content or ""]
    if reply.refusal:
        parts.append(f"[refusal] {reply.refusal}")
    parts += [f"[tool call] {call.name}({call.arguments})" for call in reply.tool_calls]
    return "\n".join(part for part in parts if part)


def _turn(message: Mapping[str, Any]) -> tuple[str, str]:
    role = message.get("role") or message.get("type") or "unknown"
    parts = list(_texts(message.get("content", message.get("output"))))
    if role == "assistant" and parts:
        parts[0] = reasoning_blocks.split(parts[0])[1]
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else [message] if message.get("type") == "function_call" else []:
        function = call.get("function", call) if isinstance(call, Mapping) else {}
        if isinstance(function, Mapping):
            parts.append(f"[tool call] {function.get('name')}({function.get('arguments', '')})")
    return str(role), "\n".join(parts)


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for part in content:
            if isinstance(part, Mapping) and part.get("type") not in reasoning_fields.PARTS:
                text = part.get("text", part.get("refusal"))
                yield text if isinstance(text, str) else f"[{part.get('type', 'part')}]"
            elif isinstance(part, str):
                yield part


def _tool_name(tool: Mapping[str, Any]) -> str:
    function = tool.get("function", tool)
    return str(function.get("name", tool.get("type"))) if isinstance(function, Mapping) else "unknown"


def _visible(text: str) -> str:
    text = _LINE_END.sub("\n", text)
    text = _INVISIBLE.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)
    text = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
    # A lone surrogate cannot be encoded.
    return text.encode("utf-8", "replace").decode()


def _shortened(text: str, max_chars: int) -> str:
    """`text`, or its beginning and end with a note of how much is left out between them."""
    if len(text) <= max_chars:
        return text
    half = max_chars // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half:,} characters left out …]\n{text[-half:]}"
