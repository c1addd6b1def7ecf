"""JSON out of what a model wrote: alone, in a code fence, or with prose around it."""

import re
from typing import Any, Final

import msgspec

from scoring.scorers.scorer import Unreadable

_FENCE: Final = re.compile(r"```[a-zA-Z]{0,10}[ \t\r]*\n")


def parse(text: str) -> Any:
    """The JSON value in `text`. Raises Unreadable where there is none.

    Tried in turn, each in one pass: the whole text; the last code fence; what stands between
    the first brace (or the list that begins just before it) and the last one. A list without
    objects counts only as the whole text or in a fence: prose has brackets too.
    """
    for part in _places(text.strip()):
        try:
            return msgspec.json.decode(part)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            continue
    raise Unreadable("no JSON in the reply")


def _places(text: str) -> list[str]:
    places = [text]
    if (fenced := _last_fenced(text)) is not None:
        places.append(fenced)
    brace = text.find("{")
    if brace >= 0:
        before = text[:brace].rstrip()
        in_list = before.endswith("[")
        first, last = (len(before) - 1, text.rfind("]")) if in_list else (brace, text.rfind("}"))
        places.append(text[first : last + 1])
    return places


def _last_fenced(text: str) -> str | None:
    """What the last code fence holds. A fence that is never closed holds nothing."""
    found, at = None, 0
    while (opening := _FENCE.search(text, at)) and (end := text.find("```", opening.end())) >= 0:
        found, at = text[opening.end() : end], end + 3
    return found
