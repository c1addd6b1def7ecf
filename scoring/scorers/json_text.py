"""JSON in a model's reply: alone, in a code fence, or with prose around it."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from scoring.scorers.scorer import Unreadable

_FENCE: Final = re.compile(r"```[a-zA-Z]{0,10}[ \t\r]*\n")
#: Where a document may begin: an object with a name or nothing in it, or a list.
_START: Final = re.compile(r"\{\s{0,200}[\"}]|\[")
#: Integers of this many digits may not fit 64 bits, and msgspec would round them.
_LONG_DIGITS: Final = re.compile(r"[0-9]{19}")
#: Number of places in prose that are tried, so that the time stays proportional to the text.
_MAX_TRIES: Final = 32
_DECODER: Final = json.JSONDecoder()


def decode(text: str) -> Any:
    """`text` as JSON, with integers exact at any length. Raises ValueError where it is not JSON."""
    if _LONG_DIGITS.search(text):
        return json.loads(text)
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None


def parse(text: str) -> Any:
    """The JSON value in `text`. Raises Unreadable where there is none.

    Tried in turn: the whole text; the last code fence; the longest document in the prose. A list in prose
    counts only if it holds more than numbers, because `[1]` is a citation.
    """
    for document in _documents(text.strip()):
        try:
            return decode(document)
        except (ValueError, RecursionError):
            continue
    if (found := _in_prose(text)) is not None:
        return found
    raise Unreadable("no JSON in the reply")


def _documents(text: str) -> Iterator[str]:
    yield text
    if (fenced := _last_fenced(text)) is not None:
        yield fenced


def _in_prose(text: str) -> Any | None:
    """The longest JSON document in the text; of two with the same length, the last."""
    found, longest, at = None, 0, 0
    for _ in range(_MAX_TRIES):
        if (start := _START.search(text, at)) is None:
            break
        try:
            value, end = _DECODER.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            at = start.end()
            continue
        if end - start.start() >= longest and not _is_citation(value):
            found, longest = value, end - start.start()
        at = end
    return found


def _is_citation(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, int | float) for item in value)


def _last_fenced(text: str) -> str | None:
    """The content of the last code fence. A fence that is never closed has none."""
    found, at = None, 0
    while (opening := _FENCE.search(text, at)) and (end := text.find("```", opening.end())) >= 0:
        found, at = text[opening.end() : end], end + 3
    return found
