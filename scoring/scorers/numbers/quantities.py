"""Every quantity in a text, and which of them is the answer: the last, or the only one.

A text with quantities that are only partly understood raises `Unreadable`, so that two answers are never compared by
the part that was read.
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Final

from scoring.scorers.numbers import expressions, plain_numbers
from scoring.scorers.numbers.context import alone, in_context
from scoring.scorers.numbers.dates import MONTH
from scoring.scorers.numbers.notation import CURRENCY, QUANTITY, SPACE, VULGAR, Found, plain_number, read
from scoring.scorers.numbers.number_words import has_number
from scoring.scorers.numbers.quantity import Quantity, same, several
from scoring.scorers.numbers.units import Unit
from scoring.scorers.scorer import Unreadable

#: A quantity begins at its first digit, or at what stands before that and belongs to it.
_DIGIT: Final = re.compile(rf"[\d{''.join(VULGAR)}√∛∜π]")
_LAST_DIGITS: Final = re.compile(r".*(?<![\d,])\d", re.DOTALL)
_DIGITS: Final = re.compile(r"\d+|.")
_PREFIX: Final = re.compile(
    rf"(?:{MONTH}{SPACE}|\bQ|\bv\.?|(?:(?:[-−–+]|\b(?:minus"
    rf"|negative){SPACE}){SPACE}?)?(?:{CURRENCY}{SPACE}?[-−]?)?\.?)\Z",
    re.IGNORECASE,
)
_MAX_PREFIX: Final = 16
_SIGNED_MONEY: Final = frozenset({"+ $", "- $"})
_NO_PREFIX: Final = frozenset(("", *"abcdefghijklmnoprstuwxyz,;:!?()[]{}\"'*_/=\n"))
_COMPOUND_LENGTH: Final = 40
_JOINED: Final = re.compile(rf"{SPACE}?(?P<by>[-–—]|to|and|out of|±|\+/-){SPACE}?")
_JOINS: Final = frozenset("-–—±+tTaAoO")
_BETWEEN: Final = re.compile(rf"(?:\bbetween{SPACE})\Z", re.IGNORECASE)
_FROM: Final = re.compile(rf"\b(?:from|by|went|rose|fell|up|down){SPACE}\Z", re.IGNORECASE)
_AND: Final = re.compile(rf"(?:{SPACE}?|,{SPACE}|,?{SPACE}and{SPACE})(?=\d)", re.IGNORECASE)
_MOMENT: Final = re.compile(rf"(?:T|,?{SPACE}(?:at{SPACE}|um{SPACE})?)(?=\d)")
_ASSIGNMENT: Final = re.compile(r"\s?(?:[,;]|,?\s?(?:and|or))\s?\$?\s?[^\W\d_]{1,12}[\d₀-₉]{0,2}\s?(?:=|:)\s?\$?")
_MINUTE: Final = Unit("min", (("time", 1),), Fraction(60))
_OPEN, _CLOSE = "([{⟨", ")]}⟩"
#: A tuple or number before a tuple: (1, 2), (3, 4).
_ANOTHER_TUPLE: Final = re.compile(r"[)\]}\d]\s?(?:,|;|and|or|und|et|y)?\s?[(\[{⟨]\s?\Z|[(\[{⟨,]\s?[(\[{⟨]\s?\Z")
_FIRST_ASSIGNED: Final = re.compile(r"\A[^\w=]{0,4}[^\W\d_]{1,12}\s?=\s?\$?\s?\Z")
#: A variable that is compared with the number: x > 5.
_COMPARED: Final = re.compile(r"\A\W{0,4}[A-Za-z]\s?(?=[<>≤≥])")
_LISTED: Final = re.compile(r"\s*(?:[,;]|,?\s*(?:and|or|und|et|y)|\\\\)\s*")
#: Markdown: **42**.
_EMPHASIS: Final = re.compile(r"\*{2,3}|(?<!\s)\*(?!\s)|`|\\[()\[\]]")
#: What makes an answer an expression that is not read: powers, roots, operators, variables (but for the article).
_ALGEBRA: Final = re.compile(r"[\^√∛∜!×÷*+·]|\\|_\{|(?<![^\W\d_])[b-zB-Z](?![^\W\d_.])")


#: Longest remark that is recognised, in numbers.
_MOST_IN_REMARK: Final = 6
#: Behind a number: what only explains it.
_REMARK: Final = re.compile(
    r"(?:\s[^\W\d_]{1,12}){0,2},?\s(?P<instead>not|instead of|rather than|nicht|und nicht|statt|et non|y no|and not)\b"
    r"|(?:\s[^\W\d_]{1,12})?\s?(?P<note>\((?:[^\W\d_]{2,}|\d{1,2}\)))",
    re.IGNORECASE,
)


def quantities(text: str) -> Iterator[Found]:
    """Every quantity of `text`, from left to right. Raises Unreadable at one that is only partly understood."""
    at = 0
    while digit := _DIGIT.search(text, at):
        first = start = _with_point(text, at, digit)
        if (simple := plain_numbers.apart(text, start, at)) is not None:
            yield simple
            at = simple.end
            continue
        start = _with_prefix(text, at, start)
        match = QUANTITY.match(text, start) or (QUANTITY.match(text, first) if start < first else None)
        found = read(text, match) if match else None
        if found is None:
            at = max(match.end() if match else 0, _DIGITS.match(text, first).end())  # type: ignore[union-attr] # a digit is there
            continue
        found = _compound(text, _together(text, found))
        yield found
        at = found.end


def _with_point(text: str, since: int, digit: re.Match[str]) -> int:
    """Where the number with that first digit begins: at a decimal point before it that no digit stands before."""
    at = digit.start()
    has_point = at > since and text[at - 1] == "." and digit[0].isdecimal() and not text[at - 2 : at - 1].isdecimal()
    return at - has_point


def _with_prefix(text: str, since: int, at: int) -> int:
    """Where the quantity with its first digit `at` that place may begin: with a sign, a currency, a month."""
    before = text[at - 1 : at]
    if before in _NO_PREFIX or plain_numbers.begins(text, at, is_money=False):
        return at
    if before == "$" and since < at and plain_numbers.begins(text, at - 1, is_money=True):
        return at - 1
    if text[at - 3 : at] in _SIGNED_MONEY and since <= at - 3:
        return at - 3
    prefix = _PREFIX.search(text, max(since, at - _MAX_PREFIX), at)
    return prefix.start() if prefix else at


def plain_last(line: str) -> Quantity | None:
    """The last quantity of a line without markup, where it is a plain number between words; else None."""
    digits = _LAST_DIGITS.match(line)
    found = plain_numbers.between_words(line, digits.end() - 1) if digits else None
    return found.quantity if found is not None and alone(line, found.start, found.end) else None


def last(text: str, *, begins_after: int = -1) -> Quantity | None:
    """The last quantity of `text`, with what encloses it; None if there is none that begins after that position.

    Raises Unreadable where what stands around it changes its meaning and is not understood.
    """
    found = list(quantities(text))
    if not found or found[-1].start <= begins_after:
        return None
    if has_number(text[found[-1].end :]):
        raise Unreadable("a number in words behind the last number")
    found = _before_remark(text, found)
    if (enclosed := _enclosed(text, found)) is not None:
        return enclosed
    around = text[: found[0].start] + text[found[-1].end :]
    if not around.strip(" .:*-") and (gaps := _gaps(text, found)) is not None:
        return _listed(gaps, found)
    return in_context(text, found).quantity


def only(text: str) -> Quantity | None:
    """The quantity that an answer consists of, or those it lists as a tuple; None if there is none.

    Raises Unreadable where the answer has letters or operators that are not understood, such as `2x + 1`.
    """
    found = list(quantities(text))
    if not found:
        return None
    bare = text.strip(" .,;:")
    whole = len(found) == 1 and found[0].end - found[0].start >= len(bare)
    if not whole and (value := expressions.value(bare)) is not None:
        return Quantity("number", (value,))
    if _FIRST_ASSIGNED.search(text, 0, found[0].start) and (enclosed := _enclosed(text, found)) is not None:
        return enclosed
    if _ALGEBRA.search(_EMPHASIS.sub("", _COMPARED.sub("", _rest(text, found)))):
        raise Unreadable("the answer is an expression that is not read")
    if (gaps := _gaps(text, found)) is not None:
        return _enclosed(text, found) or _listed(gaps, found)
    if (enclosed := _enclosed(text, found)) is not None:
        return enclosed
    if len(found) > 1:
        raise Unreadable(f"{len(found)} numbers in the answer")
    return in_context(text, found).quantity


def _gaps(text: str, found: list[Found]) -> list[str] | None:
    """What stands between the quantities, where that makes them a list; else None."""
    gaps = [text[a.end : b.start] for a, b in pairwise(found)]
    return gaps if gaps and all(_LISTED.fullmatch(gap) for gap in gaps) else None


def _listed(gaps: list[str], found: list[Found]) -> Quantity:
    """The quantities of a list as a tuple; or as one, where the list has the same quantity in several forms."""
    first, *others = (each.quantity for each in found)
    if all(gap.strip() == "or" and same(first, other) for gap, other in zip(gaps, others, strict=True)):
        return first
    return several("tuple", (first, *others))


def _before_remark(text: str, found: list[Found]) -> list[Found]:
    """The quantities without those of a remark at the end: "42 (Smith, 2020)", "5, not 6"."""
    if len(found) < 2 or not _may_have_remark(text):
        return found
    for at in range(len(found) - 2, max(-1, len(found) - 2 - _MOST_IN_REMARK), -1):
        end = found[at].end
        if remark := _REMARK.match(text, end):
            if remark["note"] is None and found[at + 1].start < remark.end():
                continue
            if remark["note"] is not None and text.find(")", end) + 1 < len(text.rstrip(" .!*")):
                continue
            return found[: at + 1]
        following = found[at + 1]
        if text[following.start - 1 : following.start] == "(" and not text[end : following.start - 1].strip():
            if at == len(found) - 2 and same(found[at].quantity, following.quantity):
                return found[: at + 1]
            raise Unreadable("a number with another in parentheses")
    return found


def _may_have_remark(text: str) -> bool:
    """A quick check before the search."""
    folded = text.lower()
    return (
        "(" in folded
        or "no" in folded
        or "instead" in folded
        or "rather" in folded
        or "statt" in folded
        or "nicht" in folded
        or not folded.isascii()
    )


def _rest(text: str, found: list[Found]) -> str:
    """`text` without its quantities."""
    edges = [0, *(edge for each in found for edge in (each.start, each.end)), len(text)]
    return " ".join(text[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True))


def _together(text: str, first: Found) -> Found:
    """`first`, with what stands behind it where the two are a range, a tolerance, or a date with a time."""
    kind = first.quantity.kind
    if kind == "date" and (gap := _MOMENT.match(text, first.end)) and (match := QUANTITY.match(text, gap.end())):
        time = read(text, match)
        if time is not None and time.quantity.kind == "clock":
            return Found(several("moment", (first.quantity, time.quantity)), first.start, time.end)
    if kind not in ("number", "clock", "date") or text[first.end : first.end + 2].lstrip()[:1] not in _JOINS:
        return first
    joined = _JOINED.match(text, first.end)
    if joined is None or not (match := QUANTITY.match(text, joined.end())):
        return first
    second = read(text, match)
    if second is None:
        return first
    by = joined["by"]
    spaced = joined[0] != by
    if second.quantity.kind != kind:
        if not spaced and by in "-–":
            raise Unreadable("a range that is not read")
        return first
    a, b = first.quantity, second.quantity
    unit = b.unit or a.unit
    before = text[max(0, first.start - 20) : first.start]
    if kind == "number":
        (low,), (high,) = a.values, b.values
        if by in ("±", "+/-"):
            return Found(Quantity("tolerance", (low, high), unit), first.start, second.end)
        if by == "out of":
            return Found(Quantity("ratio", (low, high)), first.start, second.end)
        if (
            not spaced
            and by in "-–"
            and (before[-1:] == "-" or text[second.end : second.end + 2].strip()[:1] in ("-", "–"))
        ):
            return first
        if low >= high:
            return first
    elif by in ("±", "+/-", "out of"):
        return first
    is_range = {
        "-": not spaced,
        "–": True,
        "—": not spaced,
        "to": not _FROM.search(before) or kind != "number",
        "and": bool(_BETWEEN.search(before)),
    }[by]
    if not is_range:
        return first
    parts = (a._replace(unit=a.unit or unit), b._replace(unit=b.unit or unit))
    return Found(several("range", parts), first.start, second.end)


def _compound(text: str, first: Found) -> Found:
    """`first` with what follows in a smaller unit of the same kind: 2 hours 30 minutes, 3 ft 5 inches."""
    while first.quantity.unit and first.quantity.kind == "number":
        gap = _AND.match(text, first.end)
        second = _read_at(text, gap.end()) if gap else None
        if second is None or second.quantity.kind != "number" or not second.quantity.unit:
            break
        larger, smaller = _as_times(first.quantity.unit, second.quantity.unit)
        whole, part = (
            larger.in_base(Fraction(first.quantity.values[0])),
            smaller.in_base(Fraction(second.quantity.values[0])),
        )
        if larger.dimension != smaller.dimension or smaller.size >= larger.size or not 0 <= part < larger.size:
            break
        total = plain_number((abs(whole) + part) / smaller.size * (-1 if whole < 0 else 1))
        if total is None:
            break
        first = Found(Quantity("number", (total,), smaller), first.start, second.end)
    return first


def _as_times(a: Unit, b: Unit) -> tuple[Unit, Unit]:
    """The two units; m beside hours or seconds are minutes."""
    if b.name == "m" and a.name == "h":
        return a, _MINUTE
    return (_MINUTE, b) if a.name == "m" and b.name == "s" else (a, b)


def _read_at(text: str, at: int) -> Found | None:
    """The quantity at that place, though a letter may stand directly before it: 1h30m."""
    near = text[at : at + _COMPOUND_LENGTH]
    match = QUANTITY.match(near)
    found = read(near, match) if match else None
    return None if found is None else Found(found.quantity, at + found.start, at + found.end)


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
        return several("tuple", tuple(each.quantity for each in assigned))
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
    if _ANOTHER_TUPLE.search(text, max(0, inside[0].start - 12), inside[0].start):
        raise Unreadable("several tuples in the answer")
    brackets = "" if opened == "{" else opened + close
    return several("tuple", tuple(each.quantity for each in inside), brackets=brackets)
