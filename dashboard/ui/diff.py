"""What differs between two replies, as text segments and as HTML without any markup from the replies.

Model text is the least trusted input of the product, and this is the one place that puts it into
a page with marks around it. Every character of it goes through `html.escape`, so a browser finds
no tag, no attribute and no address in it: nothing to load, nothing to run.
"""

import html
import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Final

from shadow.records import Reply

_TOKEN: Final = re.compile(r"\w+|\s+|[^\w\s]")

#: The time of a comparison grows with the product of the token counts; longer replies are compared by line.
MAX_TOKENS: Final = 1_500

#: A longer reply is cut for the page. `shadow export` writes all of it.
MAX_CHARACTERS: Final = 60_000

#: The style of the HTML that `marked` and `conversation` return.
STYLE: Final = """<style>
.shadow-reply {
  white-space: pre-wrap; overflow-wrap: anywhere; max-height: 32rem; overflow-y: auto;
  margin: 0; padding: 0.8rem 1rem; border-radius: 0.5rem;
  font-size: 0.87rem; line-height: 1.55; background: rgba(135, 148, 168, 0.12);
}
.shadow-reply mark { color: inherit; background: rgba(233, 151, 63, 0.38); border-radius: 0.2rem; }
</style>"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """A piece of one reply; `differs` where the other reply does not have it there."""

    text: str
    differs: bool


def segments(left: str, right: str) -> tuple[list[Segment], list[Segment]]:
    """Both texts split into pieces that are the same and pieces that differ.

    Where one text is empty nothing is marked: there is nothing to compare with.
    """
    if not (left and right):
        return [Segment(text=left, differs=False)], [Segment(text=right, differs=False)]
    left_tokens, right_tokens = _tokens(left, right)
    matcher = SequenceMatcher(None, left_tokens, right_tokens, autojunk=False)
    pieces: tuple[list[Segment], list[Segment]] = ([], [])
    for tag, left_from, left_to, right_from, right_to in matcher.get_opcodes():
        for side, tokens in zip(
            pieces, (left_tokens[left_from:left_to], right_tokens[right_from:right_to]), strict=True
        ):
            if tokens:
                side.append(Segment(text="".join(tokens), differs=tag != "equal"))
    return pieces


def reply_text(reply: Reply) -> str:
    """A reply as text to compare: its content (JSON indented), its refusal, its tool calls."""
    parts = [_indented_json(reply.content)] if reply.content else []
    if reply.refusal:
        parts.append(f"[refusal] {reply.refusal}")
    parts.extend(f"[tool call] {call.name}({_indented_json(call.arguments)})" for call in reply.tool_calls)
    return cut("\n".join(parts))


def marked(pieces: Iterable[Segment]) -> str:
    """HTML of one reply: escaped text, with `<mark>` around what differs."""
    body = "".join(
        f"<mark>{_escaped(piece.text)}</mark>" if piece.differs else f"<span>{_escaped(piece.text)}</span>"
        for piece in pieces
    )
    return f'<pre class="shadow-reply">{body}</pre>'


def conversation(turns: Iterable[tuple[str, str]]) -> str:
    """HTML of a request's messages, given as (role, text): escaped text.

    System and developer messages are folded away: they are mostly long and the same in every request.
    """
    return "".join(_turn(role, text) for role, text in turns)


def _turn(role: str, text: str) -> str:
    name, body = _escaped(role), f'<pre class="shadow-reply">{_escaped(cut(text))}</pre>'
    if role in ("system", "developer"):
        return f'<details class="shadow-turn"><summary>{name}</summary>{body}</details>'
    return f'<div class="shadow-turn"><small>{name}</small>{body}</div>'


def visible(text: str) -> str:
    """`text` with control and direction characters as code points, so that they hide nothing."""
    return "".join(_visible_character(character) for character in text)


def _escaped(text: str) -> str:
    return html.escape(visible(text), quote=True)


def _visible_character(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co"):
        return character
    # Format characters can reverse or hide the text around them. Joiners stay: emoji and several
    # scripts are written with them.
    return character if character in "\u200c\u200d" else f"⟨U+{ord(character):04X}⟩"


def _tokens(left: str, right: str) -> tuple[list[str], list[str]]:
    tokens = _TOKEN.findall(left), _TOKEN.findall(right)
    if max(map(len, tokens)) <= MAX_TOKENS:
        return tokens
    return left.splitlines(keepends=True), right.splitlines(keepends=True)


def cut(text: str) -> str:
    """`text`, cut to MAX_CHARACTERS for the page."""
    return text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS] + "\n… cut for this page"


def _indented_json(text: str) -> str:
    """JSON with sorted keys, one field a line, so that the same fields are beside each other."""
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) if isinstance(value, dict | list) else text
