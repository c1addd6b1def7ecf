"""Searching text and replacing spans of it; shared by all rules."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

#: Start and end in a text, and the placeholder that replaces what is between.
Span: TypeAlias = tuple[int, int, str]
#: Given the text and a match, returns the end of the span to replace, or None to reject the match.
Accept: TypeAlias = Callable[[str, re.Match[str]], int | None]

_DIGITS: Final = re.compile(r"[0-9]*")
_SEPARATORS: Final = b" ()./+-_\t"
_CLASSES: Final = bytes(
    ord("0") if 48 <= c <= 57 else ord("A") if bytes((c,)).isalpha() else ord("-") if c in _SEPARATORS else ord(".")
    for c in range(256)
)

#: Escaped separators of the parts of a number. Each replacement has the length of its escape, so that
#: a position in the result is the same position in the original text.
_ESCAPES: Final = (
    ("\\", {"\\n": "  ", "\\r": "  ", "\\t": "  "}),  # in JSON source
    ("%", {"%20": "   ", "%2B": "+  ", "%2b": "+  "}),  # in a URL
)


def unescape_separators(text: str) -> str:
    """`text` with escaped spaces and `+` decoded, padded to the same length."""
    for sign, written in _ESCAPES:
        if sign in text:
            for escape, meant in written.items():
                text = text.replace(escape, meant)
    return text


def to_latin1(text: str) -> bytes:
    """`text` in Latin-1, one byte per character, `?` for others. Searching bytes is faster than searching text."""
    return text.encode("latin-1", "replace")


_ASCII: Final = bytes(range(128))


def non_ascii(text: str) -> str:
    """The characters of `text` that are not ASCII, in their order; faster than any search of all of a text for them."""
    return text.encode("utf-8", "surrogatepass").translate(None, _ASCII).decode("utf-8", "surrogatepass")


#: The shortest word that is searched for tokens, or decoded as base64 (to twelve bytes of text).
LONG_WORD: Final = b"w" * 16
_WORD: Final = bytes(ord("w") if bytes((c,)).isalnum() or c in b"_-+/" else ord(" ") for c in range(256))


def word_symbols(text: str) -> bytes:
    """For each character of `text`, `w` if words of tokens and base64 may have it, and a space if not."""
    return to_latin1(text).translate(_WORD)


def has_long_word(lower: bytes) -> bool:
    """Whether there is a word, in a text in Latin-1, in which a token or base64 may be. Few texts have any."""
    return LONG_WORD in lower.translate(_WORD)


def character_classes(text: str) -> bytes:
    """The class of each character, one byte each: `A` letter, `0` digit, `-` separator in numbers, `.` other.

    A search for fixed bytes in the result is many times faster than a regex with character classes
    on the text. Nearly all texts contain no number, so the search is all that they cost.
    """
    return to_latin1(text).translate(_CLASSES)


#: Longest number with its separators, in characters.
_LONGEST: Final = 80


def accepted_spans(
    text: str, pattern: re.Pattern[str], accept: Accept, start: int, stop: int
) -> Iterator[tuple[int, int]]:
    """The spans in [start, stop) that match `pattern` and that `accept` accepts.

    After a rejected match the search continues behind its first digits, so that a number that
    is not a card cannot hide a card number that begins inside it. A match that begins directly after
    an accepted one is tested as if no text came before it: the text before becomes a placeholder.
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
    """The accepted span at the beginning of `window`; None if there is none or it may continue after `window`."""
    match = pattern.match(window)
    end = accept(window, match) if match else None
    if match is None or end is None or end == _LONGEST:
        return None
    return _value_start(match), end


def _value_start(match: re.Match[str]) -> int:
    return match.start("value") if "value" in match.re.groupindex else match.start()


def replace_spans(text: str, spans: Iterable[Span]) -> str:
    """`text` with each span replaced by its placeholder. Of overlapping spans only the first is replaced."""
    out: list[str] = []
    done = 0
    for start, end, placeholder in spans:
        if start >= done:
            out += (text[done:start], placeholder)
        done = max(done, end)
    return "".join([*out, text[done:]]) if out else text


def matches(text: str, pattern: re.Pattern[str], placeholder: str, accept: Accept) -> list[Span]:
    """The spans of all matches that `accept` accepts; see `accepted_spans`."""
    return [(*span, placeholder) for span in accepted_spans(text, pattern, accept, 0, len(text))]


def follows_digit_and(text: str, start: int, signs: str) -> bool:
    """Whether a digit and one of `signs` come directly before `start`, as before the `4` in `3.4`."""
    return start > 1 and text[start - 1] in signs and text[start - 2].isdigit()


def is_delimited(text: str, start: int, end: int) -> bool:
    """Whether the span is a whole word: no letter, digit or part of a longer number touches it."""
    before, after = text[start - 1 : start] if start else "", text[end : end + 1]
    if before and (continues_word(before) or before in "_+-#$€£" or follows_digit_and(text, start, ".,/")):
        return False
    return not (continues_word(after) or after == "_")


def continues_word(c: str) -> bool:
    """Whether `c`, a letter or a digit, is of the word beside it. Some scripts have no spaces between words."""
    return c.isalnum() and c < "\u2e80"
