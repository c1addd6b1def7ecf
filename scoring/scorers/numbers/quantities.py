"""Every quantity in a text, and which of them is the answer: the last, or the only one.

A text with quantities that are only partly understood raises `Unreadable`, so that two answers are never compared by
the part that was read.
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Final

from scoring.scorers.numbers.notation import MONTH, QUANTITY, SPACE, VULGAR, Found, plain_number, read
from scoring.scorers.numbers.quantity import Quantity, same
from scoring.scorers.numbers.units import in_base
from scoring.scorers.scorer import Unreadable

#: A quantity begins at its first digit, or at what stands before that and belongs to it.
_DIGIT: Final = re.compile(rf"[\d{''.join(VULGAR)}√∛∜π]|(?<!\d)\.\d")
_DIGITS: Final = re.compile(r"\d+|.")
_PREFIX: Final = re.compile(
    rf"(?:{MONTH}{SPACE}|\bQ|\bv\.?|(?:(?:[-−–+]|\b(?:minus|negative){SPACE}){SPACE}?)?(?:(?:US\$|[$€£¥₹₩]){SPACE}?[-−]?)?\.?)\Z",
    re.IGNORECASE,
)
_MAX_PREFIX: Final = 16
_JOINED: Final = re.compile(rf"{SPACE}?(?P<by>[-–—]|to|and|out of|±){SPACE}?")
_JOINS: Final = frozenset("-–—±tTaAoO")
_BETWEEN: Final = re.compile(rf"(?:\bbetween{SPACE})\Z", re.IGNORECASE)
_FROM: Final = re.compile(rf"\b(?:from|by|went|rose|fell|up|down){SPACE}\Z", re.IGNORECASE)
_AND: Final = re.compile(rf"(?:{SPACE}|,{SPACE}|,?{SPACE}and{SPACE})(?=\d)", re.IGNORECASE)
_ASSIGNMENT: Final = re.compile(r"\s?(?:[,;]|,?\s?and)\s?\$?\s?[^\W\d_]{1,12}\s?(?:=|:)\s?\$?")
_OPEN, _CLOSE = "([{", ")]}"
_LISTED: Final = re.compile(r"\s*(?:[,;]|,?\s*(?:and|or|und|et|y)|\\\\)\s*")
#: Markdown: **42**.
_EMPHASIS: Final = re.compile(r"\*{2,3}|(?<!\s)\*(?!\s)|`|\\[()\[\]]")
#: What makes an answer an expression that is not read: powers, roots, operators, variables (but for the article).
_ALGEBRA: Final = re.compile(r"[\^√∛∜!×÷*+·]|\\|_\{|(?<![^\W\d_])[b-zB-Z](?![^\W\d_.])")


def quantities(text: str) -> Iterator[Found]:
    """Every quantity of `text`, from left to right. Raises Unreadable at one that is only partly understood."""
    at = 0
    while digit := _DIGIT.search(text, at):
        start = digit.start()
        if start and (prefix := _PREFIX.search(text, max(at, start - _MAX_PREFIX), start)):
            start = prefix.start()
        match = QUANTITY.match(text, start) or (QUANTITY.match(text, digit.start()) if start < digit.start() else None)
        found = read(text, match) if match else None
        if found is None:
            at = max(match.end() if match else 0, _DIGITS.match(text, digit.start()).end())  # type: ignore[union-attr] # a digit is there
            continue
        found = _compound(text, _together(text, found))
        yield found
        at = found.end


def last(text: str, *, begins_after: int = -1) -> Quantity | None:
    """The last quantity of `text`, with what encloses it; None if there is none that begins after that position."""
    found = list(quantities(text))
    if not found or found[-1].start <= begins_after:
        return None
    return _enclosed(text, found) or found[-1].quantity


def only(text: str) -> Quantity | None:
    """The quantity that an answer consists of, or those it lists as a tuple; None if there is none.

    Raises Unreadable where the answer has letters or operators that are not understood, such as `2x + 1`.
    """
    found = list(quantities(text))
    if not found:
        return None
    if _ALGEBRA.search(_EMPHASIS.sub("", _rest(text, found))):
        raise Unreadable("the answer is an expression that is not read")
    listed = [text[a.end : b.start] for a, b in pairwise(found)]
    if listed and all(_LISTED.fullmatch(gap) for gap in listed):
        first, *others = (each.quantity for each in found)
        if all(
            re.fullmatch(r"\s*or\s*", gap) and same(first, other) for gap, other in zip(listed, others, strict=True)
        ):
            return first  # the same quantity in two forms
        return _enclosed(text, found) or Quantity("tuple", tuple(each.quantity.values[0] for each in found))
    if (several := _enclosed(text, found)) is not None:
        return several
    if len(found) > 1:
        raise Unreadable(f"{len(found)} numbers in the answer")
    return found[0].quantity


def _rest(text: str, found: list[Found]) -> str:
    """`text` without its quantities."""
    edges = [0, *(edge for each in found for edge in (each.start, each.end)), len(text)]
    return " ".join(text[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True))


def _together(text: str, first: Found) -> Found:
    """`first`, with the number behind it where the two are a range, or a value with its tolerance."""
    if first.quantity.kind != "number":
        return first
    if text[first.end : first.end + 2].lstrip()[:1] not in _JOINS:
        return first
    joined = _JOINED.match(text, first.end)
    if joined is None or not (match := QUANTITY.match(text, joined.end())):
        return first
    second = read(text, match)
    if second is None or second.quantity.kind != "number":
        return first
    (low,), (high,) = first.quantity.values, second.quantity.values
    unit = second.quantity.unit or first.quantity.unit
    by = joined["by"]
    spaced = joined[0] != by
    if by == "±":
        return Found(Quantity("tolerance", (low, high), unit), first.start, second.end)
    if by == "out of":
        return Found(Quantity("ratio", (low, high)), first.start, second.end)
    before = text[max(0, first.start - 20) : first.start]
    is_range = {
        "-": not spaced and low < high,
        "–": low < high,
        "—": not spaced and low < high,
        "to": low < high and not _FROM.search(before),
        "and": bool(_BETWEEN.search(before)),
    }[by]
    return Found(Quantity("range", (low, high), unit), first.start, second.end) if is_range else first


def _compound(text: str, first: Found) -> Found:
    """`first` with what follows in a smaller unit of the same kind: 2 hours 30 minutes, 3 ft 5 inches."""
    while first.quantity.unit and first.quantity.kind == "number":
        gap = _AND.match(text, first.end)
        match = QUANTITY.match(text, gap.end()) if gap else None
        second = read(text, match) if match else None
        if second is None or second.quantity.kind != "number" or not second.quantity.unit:
            break
        (kind, whole), (same_kind, part) = (
            in_base(Fraction(each.quantity.values[0]), each.quantity.unit or "") for each in (first, second)
        )
        size, smaller = (in_base(Fraction(1), each.quantity.unit or "")[1] for each in (first, second))
        if kind != same_kind or smaller >= size or part < 0 or part >= size:
            break
        total = plain_number((whole + part) / smaller)
        if total is None:
            break
        first = Found(Quantity("number", (total,), second.quantity.unit), first.start, second.end)
    return first


def _enclosed(text: str, found: list[Found]) -> Quantity | None:
    """The last quantities as one, where they stand in a tuple, (3, 4), or in assignments, x = 3, y = 4."""
    if len(found) < 2:
        return None
    assigned = [found[-1]]
    for each in reversed(found[:-1]):
        if not _ASSIGNMENT.fullmatch(text[each.end : assigned[0].start]):
            break
        assigned.insert(0, each)
    if len(assigned) > 1:
        return Quantity("tuple", tuple(each.quantity.values[0] for each in assigned))
    final = found[-1]
    close = text[final.end :].lstrip()[:1]
    if close not in _CLOSE or not close:
        return None
    inside = [final]
    for each in reversed(found[:-1]):
        if not re.fullmatch(r"\s*[,;]\s*", text[each.end : inside[0].start]):
            break
        inside.insert(0, each)
    opened = text[: inside[0].start].rstrip()[-1:]
    if len(inside) < 2 or opened not in _OPEN or not opened:
        return None
    return Quantity("tuple", tuple(each.quantity.values[0] for each in inside))
