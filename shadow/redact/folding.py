"""Other spellings of the same characters, folded for the search.

The rules search a text in which full-width letters, mathematical letters, the digits of other
scripts, and the spaces, hyphens and dots of typography are ASCII (those of NFKC that are one
character each, and decimal digits), and which has no invisible characters. What they find is
replaced in the text itself, which keeps its own spelling everywhere else.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final, NamedTuple

from shadow.redact.spans import Span, non_ascii

#: Characters that are not drawn: soft hyphens, joiners, zero-width spaces, marks of direction, fillers,
#: variation selectors, tags.
_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
_FOLDABLE: Final = re.compile(
    "[\u00a0\u00b2\u00b3\u00b9\u2000-\u200a\u202f\u205f\u3000"  # spaces, superscripts
    "\u2010-\u2015\u2212\u2024\u3002\ufe52\ufe55\ufe58-\ufe5e\ufe63\ufe6b\uff61"  # hyphens, dots, small forms
    "\u0660-\u0669\u06f0-\u06f9\u07c0-\u07c9\u0966-\u096f\u09e6-\u09ef\u0a66-\u0a6f\u0ae6-\u0aef\u0b66-\u0b6f"
    "\u0be6-\u0bef\u0c66-\u0c6f\u0ce6-\u0cef\u0d66-\u0d6f\u0e50-\u0e59\u0ed0-\u0ed9\u0f20-\u0f29\u1040-\u1049"
    "\u17e0-\u17e9\u1810-\u1819\u2070-\u208e\u2460-\u2468\u24b6-\u24ea\uff01-\uff5e\U0001d400-\U0001d7ff]"
)
_HYPHENS: Final = frozenset("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63")
_DOTS: Final = frozenset("\u2024\u3002\uff61\ufe52")


class Folded(NamedTuple):
    """A text as the rules search it. `places[i]` is where its character `i` stands in the original; None: at `i`."""

    text: str
    places: list[int] | None

    def in_original(self, spans: Iterable[Span]) -> Iterable[Span]:
        """`spans` of the folded text as spans of the original one."""
        places = self.places
        return spans if places is None else [(places[start], places[end - 1] + 1, by) for start, end, by in spans]


def fold(text: str) -> Folded:
    """`text` for the search. An ASCII text is returned as it is."""
    if text.isascii():
        return Folded(text, None)
    others = non_ascii(text)
    folded = text
    found = set(_FOLDABLE.findall(others))
    if len(found) > _FEW:
        folded = text.translate({ord(c): _ascii(c) for c in found})
    else:
        for c in found:
            folded = folded.replace(c, _ascii(c))
    if not _INVISIBLE.search(others):
        return Folded(folded, None)
    parts: list[str] = []
    places: list[int] = []
    done = 0
    for match in _INVISIBLE.finditer(folded):
        parts.append(folded[done : match.start()])
        places += range(done, match.start())
        done = match.end()
    return Folded("".join([*parts, folded[done:]]), [*places, *range(done, len(folded))])


#: Up to so many different characters, replacing one after the other is faster than a table.
_FEW: Final = 24


def _ascii(c: str) -> str:
    """The character that `c` means, or `c` itself if that is more than one character or none of ASCII."""
    if c in _HYPHENS:
        return "-"
    if c in _DOTS:
        return "."
    digit = unicodedata.decimal(c, None)
    plain = unicodedata.normalize("NFKC", c) if digit is None else str(digit)
    return plain if len(plain) == 1 and plain.isascii() else c
