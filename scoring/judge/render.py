"""A pair as text that a judge can read: everything in it is untrusted, and nothing of it is trusted here.

Tool calls and refusals are shown as what they are, pictures by their kind alone. Characters that
people cannot see but models read (tag characters, overrides of the writing direction) are made
visible, for a reply must not be better for what nobody can see in it. Long texts lose their
middle, with a note of how much: what a question costs is bounded.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from shadow.records import Exchange, Reply, Trial, candidate_reply, frontier_reply

#: Most characters shown of a request, and of either reply.
MAX_REQUEST_CHARS: Final = 16_000
MAX_REPLY_CHARS: Final = 12_000

#: Unicode's tag characters, and the controls that turn or isolate the direction of writing.
_INVISIBLE: Final = re.compile("[\U000e0000-\U000e007f\u202a-\u202e\u2066-\u2069\u200b\u2060\ufeff]")
# A terminal's escape sequences, NUL and the like; tabs and line ends stay.
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LINE_END: Final = re.compile("\r\n?|[\u2028\u2029\x85]")


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a judge is shown of a pair. `cut` says that the two replies differ only in what is not shown."""

    request: str
    frontier: str
    candidate: str
    cut: bool = False

    @property
    def same(self) -> bool:
        """Whether both replies say the same, word for word."""
        return not self.cut and self.frontier.split() == self.candidate.split()


def build_question(trial: Trial) -> Question:
    """The question about a pair. Total on whatever the request and the replies hold."""
    frontier, candidate = (_visible(render_reply(reply)) for reply in (frontier_reply(trial), candidate_reply(trial)))
    shown = [_shortened(text, MAX_REPLY_CHARS) for text in (frontier, candidate)]
    return Question(
        request=_shortened(_visible(render_request(trial.exchange)), MAX_REQUEST_CHARS),
        frontier=shown[0],
        candidate=shown[1],
        cut=shown[0] == shown[1] and frontier.split() != candidate.split(),
    )


def render_request(exchange: Exchange) -> str:
    """The conversation, one turn after the other, and the names of the tools on offer."""
    return "\n\n".join(f"{who}: {what}" for who, what in turns(exchange.request))


def turns(request: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Who said what in the conversation, and at its end the names of the tools on offer. For people too."""
    found = [("system", request["instructions"])] if isinstance(request.get("instructions"), str) else []
    messages = request.get("messages", request.get("input"))
    if isinstance(messages, str):
        found.append(("user", messages))
    elif isinstance(messages, list):
        found += [_turn(message) for message in messages if isinstance(message, Mapping)]
    tools = request.get("tools")
    if isinstance(tools, list) and (names := [_tool_name(tool) for tool in tools if isinstance(tool, Mapping)]):
        found.append(("tools on offer", ", ".join(names)))
    return found


def render_reply(reply: Reply) -> str:
    """All that a reply says; empty where it says nothing."""
    parts = [reply.content or ""]
    if reply.refusal:
        parts.append(f"[refusal] {reply.refusal}")
    parts += [f"[tool call] {call.name}({call.arguments})" for call in reply.tool_calls]
    return "\n".join(part for part in parts if part)


def _turn(message: Mapping[str, Any]) -> tuple[str, str]:
    who = message.get("role") or message.get("type") or "unknown"
    parts = list(_texts(message.get("content", message.get("output"))))
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else [message] if message.get("type") == "function_call" else []:
        function = call.get("function", call) if isinstance(call, Mapping) else {}
        if isinstance(function, Mapping):
            parts.append(f"[tool call] {function.get('name')}({function.get('arguments', '')})")
    return str(who), "\n".join(parts)


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for part in content:
            if isinstance(part, Mapping):
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
    # A lone surrogate cannot be sent to anybody.
    return text.encode("utf-8", "replace").decode()


def _shortened(text: str, most: int) -> str:
    """`text`, or its beginning and end with a note of how much is missing between them."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half:,} characters left out …]\n{text[-half:]}"
