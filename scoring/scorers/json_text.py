"""JSON in a model's reply: alone, in a code fence, or with prose around it."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, NoReturn

import msgspec

from scoring.scorers.scorer import Unreadable

_FENCE: Final = re.compile(r"(?<![`~])(?P<fence>`{3,6}|~{3,6})[a-zA-Z0-9]{0,10}[ \t\r]*\n")
#: Where a document may begin: an object with a name or nothing in it, or a list.
_START: Final = re.compile(r"\{\s{0,200}[\"}]|\[")
#: Numbers that 64 bits may not hold exactly.
_LONG: Final = re.compile(r"[0-9](?:\.?[0-9]){15}")
#: Exponents that may be beyond a float.
_LARGE: Final = re.compile(r"[0-9][eE]\+?[0-9]{3}")
#: First characters of JSON, and the white space that may stand before it.
_MAY_BEGIN: Final = frozenset('{["-0123456789tfn \t\r\n')
#: Number of places in prose that are tried, so that the time stays proportional to the text.
_MAX_TRIES: Final = 32
#: Between documents that are lines of one answer.
_ADJACENT: Final = re.compile(r"[\s,;]*")


class AmbiguousJsonError(Unreadable):
    """JSON that readers understand in different ways."""


def decode(text: str) -> Any:
    """`text` as JSON, with numbers exact at any length (`int`, or `Decimal` where a float would be rounded).

    Raises ValueError where it is not JSON, or where a name stands twice in an object with different values.
    """
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None
    return _STRICT.decode(text) if _may_differ(text, value) else value


def _may_differ(text: str, value: Any) -> bool:
    """Whether `value`, as a fast decoder read it from `text`, may have lost digits, or a name that stands twice."""
    if _LONG.search(text):
        return True
    # Written again, an object has every name once.
    return text.count('":') + text.count('" :') > msgspec.json.encode(value).count(b'":')


def parse(text: str) -> Any:
    """The JSON value in `text`. Raises Unreadable where there is none, or several that are parts of one answer.

    Tried in turn: the whole text; the last code fence; the last document in the prose. A list in prose
    counts only if it holds more than numbers, because `[1]` is a citation. Of several documents the last is the
    answer only if it has the same names as those before it, which it corrects.
    """
    stripped = text.strip().removeprefix("\ufeff")
    if stripped[:1] in _MAY_BEGIN:
        try:
            return decode(stripped)
        except AmbiguousJsonError:
            raise
        except (ValueError, RecursionError):
            pass
    fenced = []
    for document in _fenced(stripped) if "```" in stripped or "~~~" in stripped else ():
        try:
            fenced.append(decode(document))
        except AmbiguousJsonError:
            raise
        except (ValueError, RecursionError):
            continue
    return _last_of(fenced or _in_prose(text))


def _last_of(documents: list[Any]) -> Any:
    if not documents:
        raise Unreadable("no JSON in the reply")
    last = documents[-1]
    if any(_form(document) != _form(last) for document in documents):
        raise Unreadable("several JSON documents in the reply")
    return last


def _form(document: Any) -> object:
    """What a document and its correction have in common."""
    return frozenset(document) if isinstance(document, dict) else type(document)


def _in_prose(text: str) -> list[Any]:
    """The JSON documents in the text. Those inside one that is broken do not count: they are a part of an answer."""
    found: list[Any] = []
    at = end_of_last = 0
    for _ in range(_MAX_TRIES):
        if (start := _START.search(text, at)) is None:
            break
        try:
            value, end = _DECODER.raw_decode(text, start.start())
            document = text[start.start() : end]
            if "NaN" in document or "Infinity" in document or _LARGE.search(document) or _may_differ(document, value):
                value = _STRICT.decode(document)
        except AmbiguousJsonError:
            raise
        except (ValueError, RecursionError):
            at = start.end()
            continue
        at = end
        if not value or _is_citation(value):
            continue
        between = text[end_of_last : start.start()]
        if _is_open(between):
            continue
        if found and found[-1] != value and _ADJACENT.fullmatch(between):
            raise Unreadable("several JSON documents in the reply")
        found.append(value)
        end_of_last = end
    return found


def _is_open(text: str) -> bool:
    return text.count("{") > text.count("}") or text.count("[") > text.count("]")


def _is_citation(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, int | float) for item in value)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs) and any(found[name] != value for name, value in pairs):
        raise AmbiguousJsonError("a name stands twice in a JSON object")
    return found


def _exact(text: str) -> float | Decimal:
    number, exact = float(text), Decimal(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:40]} is beyond the range of numbers")
    return number if len(text) < _FLOAT_DIGITS or Decimal(repr(number)) == exact else exact


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


#: Decimal numbers of fewer characters are floats without loss.
_FLOAT_DIGITS: Final = 17
_DECODER: Final = json.JSONDecoder()
_STRICT: Final = json.JSONDecoder(object_pairs_hook=_object, parse_float=_exact, parse_constant=_no_constant)


def _fenced(text: str) -> Iterator[str]:
    """The content of every code fence. A fence that is never closed has none."""
    at = 0
    while opening := _FENCE.search(text, at):
        if (end := text.find(opening["fence"], opening.end())) < 0:
            return
        yield text[opening.end() : end]
        at = end + len(opening["fence"])
