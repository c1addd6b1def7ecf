"""Text inside base64.

Binary data, such as images and sound, is recognised by its first bytes and not decoded.
"""

import re
from base64 import b64decode
from binascii import Error
from collections.abc import Iterator
from typing import Final

from shadow.redact.spans import LONG_WORD, word_symbols

#: Characters that are decoded to see whether there is text: a multiple of four.
_BEGINNING: Final = 32
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_PADDING: Final = re.compile(r"={0,2}|(?:%3D){1,2}", re.IGNORECASE)
_URL_ALPHABET: Final = str.maketrans("-_", "+/")


def texts_in(text: str) -> Iterator[tuple[int, int, str]]:
    """Start, end (padding included) and decoded text of each long word of `text` that is base64 of text."""
    symbols = word_symbols(text)
    at = symbols.find(LONG_WORD)
    while at >= 0:
        end = symbols.find(b" ", at)
        end = len(symbols) if end < 0 else end
        decoded = decode(text[at:end])
        if decoded is not None:
            padding = _PADDING.match(text, end)
            yield at, padding.end() if padding else end, decoded
        at = symbols.find(LONG_WORD, end)


def is_text(word: str) -> bool:
    """Whether `word` is base64 of text."""
    return decode(word) is not None


def decode(word: str) -> str | None:
    """The text of which `word` is the base64, without padding; None if it is of none."""
    if word.islower() or word.isdigit() or len(word) % 4 == 1 or _decoded(word[:_BEGINNING], whole=False) is None:
        return None
    return _decoded(word, whole=True)


def _decoded(word: str, *, whole: bool) -> str | None:
    try:
        raw = b64decode(word.translate(_URL_ALPHABET) + "=" * (-len(word) % 4), validate=True)
    except Error:
        return None
    if _CONTROL.search(raw):
        return None
    # The beginning may end inside a character, which has up to four bytes.
    for end in (len(raw),) if whole else range(len(raw), max(0, len(raw) - 4), -1):
        try:
            return raw[:end].decode()
        except UnicodeError:
            continue
    return None
