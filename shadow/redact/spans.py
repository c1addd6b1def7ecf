"""Replacing what a pattern matches, where a rule accepts the match."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

Accept: TypeAlias = Callable[[str, re.Match[str]], int | None]

_DIGITS: Final = re.compile(r"[0-9]*")
_SEPARATORS: Final = b" ()./+-"
_SHAPES: Final = bytes(
    ord("0") if 48 <= c <= 57 else ord("A") if bytes((c,)).isalpha() else ord("-") if c in _SEPARATORS else ord(".")
    for c in range(256)
)

#: How other notations write what stands between the parts of a number. Each is as long as what
#: takes its place, so that what is found in the one text is at the same place in the other.
_ESCAPES: Final = (
    ("\\", {"\\n": "  ", "\\r": "  ", "\\t": "  "}),  # in the source of a JSON text
    ("%", {"%20": "   ", "%2B": "+  ", "%2b": "+  "}),  # in an address
)
_SPACES: Final = "\u00a0\u202f\u2009\u3000\u2007\u2008\u200a\u2002\u2003\u2004\u2005\u2006\u205f\u200b\u2060\ufeff"
_HYPHENS: Final = "\u2011\u2013\u2010\u2012\u2212\u00ad"


def unescaped(text: str) -> str:
    """`text`, as long as it is, with blanks for escaped ones."""
    for sign, written in _ESCAPES:
        if sign in text:
            for escape, meant in written.items():
                text = text.replace(escape, meant)
    return text


def plain(text: str) -> str:
    """`text`, as long as it is, with plain spaces and hyphens for whatever else separates digits."""
    text = unescaped(text)
    if not text.isascii():
        for spaces, meant in ((_SPACES, " "), (_HYPHENS, "-")):
            for space in spaces:
                text = text.replace(space, meant)
    return text


def latin(text: str) -> bytes:
    """`text` as one byte a character, `?` for most that are not ASCII: bytes are searched fastest."""
    return text.encode("latin-1", "replace")


def shape(text: str) -> bytes:
    """`text` as one byte a character: `A` a letter, `0` a digit, `-` what stands in numbers, `.` the rest.

    Numbers are found in it by fixed bytes, which is many times faster than a pattern of character
    classes is on the text; nearly all text holds none of them.
    """
    return latin(text).translate(_SHAPES)


#: No number is longer, with its separators, in characters.
_LONGEST: Final = 80


def found(text: str, pattern: re.Pattern[str], accept: Accept, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """The spans from `start` to `stop` that `accept` takes: it returns where a match ends, or None to leave it.

    After a match that is left, the search goes on behind its first digits, so that a number that
    is no card cannot hide a card that begins inside it. A match that begins where the last one ended is
    looked at as if nothing were before it: a placeholder will be.
    """
    position = start
    while match := pattern.search(text, position, stop):
        end = accept(text, match)
        if end is None:
            first = _DIGITS.match(text, match.start() + 1)
            position = first.end() if first else match.start() + 1
            continue
        yield _value_start(match), end
        position = end
        while (follower := _at_beginning(text[position : min(stop, position + _LONGEST)], pattern, accept)) is not None:
            yield position + follower[0], position + follower[1]
            position += follower[1]


def _at_beginning(window: str, pattern: re.Pattern[str], accept: Accept) -> tuple[int, int] | None:
    """The span that `accept` takes at the very beginning of `window`; None where it may go on behind the window."""
    match = pattern.match(window)
    end = accept(window, match) if match else None
    if match is None or end is None or end == _LONGEST:
        return None
    return _value_start(match), end


def _value_start(match: re.Match[str]) -> int:
    return match.start("value") if "value" in match.re.groupindex else match.start()


def replaced(text: str, spans: Iterable[tuple[int, int, str]]) -> str:
    """`text` with the placeholder of each span in its place. Of spans that overlap the first is taken."""
    out: list[str] = []
    done = 0
    for start, end, placeholder in spans:
        if start >= done:
            out += (text[done:start], placeholder)
        done = max(done, end)
    return "".join([*out, text[done:]]) if out else text


def replace(text: str, pattern: re.Pattern[str], placeholder: str, accept: Accept) -> str:
    """Replace all that `accept` takes; see `found`."""
    return replaced(text, ((*span, placeholder) for span in found(text, pattern, accept, 0, len(text))))


def continues(text: str, start: int, signs: str) -> bool:
    """Whether a number that begins at `start` goes on with digits before one of `signs`, as `4` does in `3.4`."""
    return start > 1 and text[start - 1] in signs and text[start - 2].isdigit()


def stands_apart(text: str, start: int, end: int) -> bool:
    """Nothing of a word or of a longer number touches the span."""
    before, after = text[start - 1 : start] if start else "", text[end : end + 1]
    if before and (before.isalnum() or before in "_+-#$€£" or continues(text, start, ".,/")):
        return False
    return not (after.isalnum() or after == "_")
