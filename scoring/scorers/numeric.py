r"""`numeric`: the answer is a number, and it is the last one in the text.

A model that shows its work ends with the result. Two explicit marks outrank the last place,
because text may follow them: `#### 42` and `\boxed{42}`. Calculator notes (`<<80*2=160>>`)
are working, not answer, and are passed over.

Read are: thousands in groups of three (1,234,567 · 1.234.567 · 1'234'567 · 1 234 567) or as
in India (12,34,567), a decimal point or comma (3.5 · 3,5; a lone group of three after a comma
is thousands: 1,234), signs (also −), exponents (1.5e-3) and fractions (3/4 · 1 1/2 ·
`\frac{3}{4}`). Currency and percent signs are units, not part of the number: $5, 5 € and 5%
are all 5. Numbers in words are not read.

Options: `absolute` and `relative`, the largest difference that still agrees (defaults 1e-6
and 1e-9); `relative` is a share of the larger of the two.
"""

import re
from collections.abc import Iterator
from math import isfinite, nan
from typing import Final

from scoring.scorers.scorer import Options, Request, Scorer, Unreadable, text_of
from shadow.records import Reply

_NOTE: Final = re.compile(r"<<[^<>]{0,300}(?:>>|\Z)")
_MARKS: Final = {"####": re.compile(r"####([^\n]{0,200})"), "\\boxed": re.compile(r"\\boxed\{([^{}]{0,200})\}")}
_FRAC: Final = re.compile(r"\\[dt]?frac\{(\d{1,15})\}\{(\d{1,15})\}")

#: Where the last number of a long line is looked for first.
_END: Final = 120

# The number of groups is bounded: nobody writes more, and no text can make the search quadratic.
_MAGNITUDE: Final = (
    r"\d{1,3}(?:,\d{3}){1,8}(?!\d)(?:\.\d+)?"  # 1,234.5
    r"|\d{1,2}(?:,\d{2}){1,8},\d{3}(?!\d)(?:\.\d+)?"  # 12,34,567.8
    r"|\d{1,3}(?:\.\d{3}){2,8}(?!\d)(?:,\d+)?"  # 1.234.567,8
    r"|\d{1,3}\.\d{3},\d+"  # 1.234,5
    r"|[1-9]\d{0,2}(?:[ \u00a0\u2009\u202f'’]\d{3}){1,8}(?![\d/])(?:[.,]\d+)?"  # 1 234,5
    r"|(?<!\d,)\d+,\d+(?!\d|,\d)"  # 1234,5 but not 1,2,3
    r"|\d+(?:\.\d+)?|(?<!\.)\.\d+"
)
_NUMBER: Final = re.compile(
    # A minus is a sign only where no operand stands before it: "5-3" ends in 3, "is -3" in -3.
    r"(?=[-−+$€£¥₹.\d])(?:(?<![\w)\]%])(?<![\d)\]%] )(?P<sign>[-−+]))?(?:[$€£¥₹]\s?)?"
    r"(?<!\w)(?<!\d\.)"
    r"(?:(?:(?P<whole>\d{1,15}) )?(?P<over>\d{1,15})/(?P<under>\d{1,15})(?![\d/]|[.,]\d)"
    rf"|(?P<magnitude>{_MAGNITUDE})(?P<exponent>[eE][-+]?\d{{1,3}}(?!\w))?)"
)
_SPACES: Final = re.compile(r"[ \u00a0\u2009\u202f'’]")
_THOUSANDS: Final = re.compile(r"[1-9]\d{0,2},\d{3}")


def read(reply: Reply, _request: Request, _options: Options) -> float:
    text = text_of(reply).replace("{,}", ",")  # a comma for thousands, in TeX
    if "<<" in text:
        text = _NOTE.sub("", text)
    if "\\" in text:
        text = _FRAC.sub(r"\1/\2", text)
    marks = [mark for sign, marked in _MARKS.items() if sign in text for mark in marked.finditer(text)]
    for mark in sorted(marks, key=re.Match.start, reverse=True):
        if (number := next(numbers(mark[1]), None)) is not None:
            return number
    # From the last line up: long working is then never searched at all.
    for line in reversed(text.splitlines()):
        if (last := _last(line)) is not None:
            return last
    raise Unreadable("no number in the reply")


def numbers(text: str) -> Iterator[float]:
    """Every finite number in the text, from left to right."""
    for found in _NUMBER.finditer(text):
        value = _value(found)
        if value is not None:
            yield value


def _last(line: str) -> float | None:
    """The last number of a line; only its end is searched, unless the number could begin before that."""
    for searched in (line[-_END:], line) if len(line) > _END else (line,):
        for found in reversed(list(_NUMBER.finditer(searched))):
            if (value := _value(found)) is None:
                continue
            if len(searched) == len(line) or found.start() > _END // 2:
                return value
            break
    return None


def _value(found: re.Match[str]) -> float | None:
    """The number that was matched; None where no finite number is that large, or it divides by 0."""
    if (over := found["over"]) is not None:
        under = float(found["under"])
        value = float(found["whole"] or 0) + float(over) / under if under else nan
    else:
        value = float(_plain(found["magnitude"]) + (found["exponent"] or ""))
    if not isfinite(value):
        return None
    return -value if found["sign"] in ("-", "−") else value


def agree(a: float, b: float, options: Options) -> float:
    if a == b:
        return 1.0
    tolerance = max(float(options.get("absolute", 1e-6)), float(options.get("relative", 1e-9)) * max(abs(a), abs(b)))
    return float(abs(a - b) <= tolerance)


def _plain(magnitude: str) -> str:
    """A magnitude as Python writes it: no thousands, a decimal point."""
    number = _SPACES.sub("", magnitude)
    comma, point = number.rfind(","), number.rfind(".")
    if comma < 0:
        return number.replace(".", "") if number.count(".") > 1 else number
    if comma > point and (point >= 0 or number.count(",") == 1) and not _THOUSANDS.fullmatch(number):
        return number.replace(".", "").replace(",", ".")  # a decimal comma
    return number.replace(",", "")


SCORER = Scorer(read=read, agree=agree, options={"absolute": float, "relative": float})
