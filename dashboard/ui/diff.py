"""What differs between two replies, as text segments and as HTML that is nothing but text.

Model text is the least trusted input of the whole product, and this is the one place that
puts it into a page with marks around it. Every character of it goes through `html.escape`,
so a browser finds no tag, no attribute and no address in it: nothing to load, nothing to run.
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

#: Comparing tokens takes time in the product of their numbers; longer replies go by line.
MOST_TOKENS: Final = 1_500

#: And a reply longer than this is cut for the page (the export has all of it).
MOST_CHARACTERS: Final = 60_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """A stretch of one reply; `differs` where the other reply does not have it there."""

    text: str
    differs: bool


def segments(left: str, right: str) -> tuple[list[Segment], list[Segment]]:
    """Both texts cut into stretches that are the same and stretches that differ.

    Beside an empty text nothing is marked: there is nothing to compare with.
    """
    if not (left and right):
        return [Segment(text=left, differs=False)], [Segment(text=right, differs=False)]
    left_tokens, right_tokens = _tokens(left, right)
    matcher = SequenceMatcher(None, left_tokens, right_tokens, autojunk=False)
    cut: tuple[list[Segment], list[Segment]] = ([], [])
    for tag, left_from, left_to, right_from, right_to in matcher.get_opcodes():
        for side, tokens in zip(cut, (left_tokens[left_from:left_to], right_tokens[right_from:right_to]), strict=True):
            if tokens:
                side.append(Segment(text="".join(tokens), differs=tag != "equal"))
    return cut


def readable(reply: Reply) -> str:
    """A reply as text to compare: its content (JSON laid out), its refusal, its tool calls."""
    parts = [_laid_out(reply.content)] if reply.content else []
    if reply.refusal:
        parts.append(f"[refusal] {reply.refusal}")
    parts.extend(f"[tool call] {call.name}({_laid_out(call.arguments)})" for call in reply.tool_calls)
    text = "\n".join(parts)
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "\n… cut for this page"


def marked(pieces: Iterable[Segment]) -> str:
    """HTML of one side: escaped text, with `<mark>` around what differs."""
    body = "".join(
        f"<mark>{_inert(piece.text)}</mark>" if piece.differs else f"<span>{_inert(piece.text)}</span>"
        for piece in pieces
    )
    return f'<pre class="shadow-reply">{body}</pre>'


def conversation(turns: Iterable[tuple[str, str]]) -> str:
    """HTML of who said what: escaped text. Instructions of the system, mostly long and the same, are folded away."""
    return "".join(_turn(who, what) for who, what in turns)


def _turn(who: str, what: str) -> str:
    text = what if len(what) <= MOST_CHARACTERS else what[:MOST_CHARACTERS] + "\n… cut for this page"
    name, body = _inert(who), f'<pre class="shadow-reply">{_inert(text)}</pre>'
    if who in ("system", "developer"):
        return f'<details class="shadow-turn"><summary>{name}</summary>{body}</details>'
    return f'<div class="shadow-turn"><small>{name}</small>{body}</div>'


def visible(text: str) -> str:
    """`text` with control and direction characters spelled out, so that they hide nothing."""
    return "".join(_shown(character) for character in text)


def _inert(text: str) -> str:
    return html.escape(visible(text), quote=True)


def _shown(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co"):
        return character
    # Format characters can reverse or hide what stands around them. Joiners are let through,
    # because emoji and several scripts are written with them.
    return character if character in "\u200c\u200d" else f"⟨U+{ord(character):04X}⟩"


def _tokens(left: str, right: str) -> tuple[list[str], list[str]]:
    tokens = _TOKEN.findall(left), _TOKEN.findall(right)
    if max(map(len, tokens)) <= MOST_TOKENS:
        return tokens
    return left.splitlines(keepends=True), right.splitlines(keepends=True)


def _laid_out(text: str) -> str:
    """JSON with sorted keys, one field a line, so that fields stand opposite each other."""
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) if isinstance(value, dict | list) else text
