"""Replacing what a pattern finds, once a rule has looked at it and agreed."""

import re
from collections.abc import Callable
from typing import Final

_DIGITS: Final = re.compile(r"[0-9]*")
_SEPARATORS: Final = b" ()./+-"
_SHAPES: Final = bytes(
    ord("0") if 48 <= c <= 57 else ord("A") if 65 <= c <= 90 else ord("-") if c in _SEPARATORS else ord(".")
    for c in range(256)
)


def shape(text: str) -> bytes:
    """`text` as one byte a character: `A` a capital, `0` a digit, `-` what stands in numbers, `.` the rest.

    Numbers are found in it by fixed bytes, which is many times faster than a pattern of character
    classes is on the text; nearly all text holds none of them.
    """
    return text.encode("latin-1", "replace").translate(_SHAPES)


def replace(
    text: str,
    pattern: re.Pattern[str],
    placeholder: str,
    accept: Callable[[str, re.Match[str]], int | None],
    start: int = 0,
) -> str:
    """Replace, from `start` on, what `accept` says: it gives the end of what goes, or None to keep a match.

    After a kept match the search goes on behind its first digits, so that a number that is no
    card cannot hide a card that begins inside it.
    """
    out: list[str] = []
    done, position = 0, start
    while match := pattern.search(text, position):
        end = accept(text, match)
        if end is None:
            first = _DIGITS.match(text, match.start() + 1)
            position = first.end() if first else match.start() + 1
            continue
        begin = match.start("value") if "value" in pattern.groupindex else match.start()
        out += (text[done:begin], placeholder)
        done = position = end
    return "".join([*out, text[done:]]) if out else text


def stands_apart(text: str, start: int, end: int) -> bool:
    """Nothing of a word or of a longer number touches the span."""
    before, after = text[start - 1 : start] if start else "", text[end : end + 1]
    return not (before and (before.isalnum() or before in "_.,+-/#$€£=")) and not (after.isalnum() or after == "_")
