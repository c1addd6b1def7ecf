"""Numbers in words: "twenty-one", "one and a half million", "two thirds", 十三."""

import re
from fractions import Fraction
from typing import Final

_SMALL: Final = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty":
    60, "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
_SCALES: Final = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12}
_PARTS: Final = {
    "half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fourth": 4, "fourths": 4, "fifth": 5,
    "fifths": 5, "sixth": 6, "sixths": 6, "eighth": 8, "eighths": 8, "tenth": 10, "tenths": 10,
}  # fmt: skip
#: Words that state a number; "one" has other meanings, as in "no one".
STATED: Final = frozenset(
    _SMALL.keys() - {"one", "zero"}
    | _SCALES.keys()
    | {"hundred", "twice"}
    | _PARTS.keys() - {"third", "fourth", "fifth", "sixth", "eighth", "tenth"}
)
#: A number in words behind a verb: "so we get thirteen", but not "after two weeks".
_STATED: Final = re.compile(
    rf"(?:\b(?:is|are|was|were|gets?|has|have|had|makes?|equals?|gives?"
    rf"|leaves?|total|total\sof)|[=:])\s(?:about\s|exactly\s|only\s)?"
    rf"(?:{'|'.join(sorted(STATED, key=len, reverse=True))})\b",
    re.IGNORECASE,
)
_WORD: Final = re.compile(r"[a-z]+")
_CHINESE: Final = {digit: number for number, digit in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_CHINESE_UNITS: Final = {"十": 10, "百": 100, "千": 1000}
_CHINESE_GROUPS: Final = {"万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8}
_CHINESE_NUMBER: Final = re.compile(r"[零〇一二两三四五六七八九十百千万萬亿億]+")
_MOST_WORDS: Final = 24


def number_in(text: str) -> int | Fraction | None:
    """The one number that `text`, which has no digits, states in words; None where there is none, or more than one."""
    if chinese := _CHINESE_NUMBER.findall(text):
        return _chinese(chinese[0]) if len(chinese) == 1 else None
    words = _WORD.findall(text.casefold())
    runs: list[list[str]] = [[]]
    for word in words:
        is_joint = word in ("and", "a") and bool(runs[-1])
        if word in _SMALL or word in _SCALES or word in _PARTS or word == "hundred" or is_joint:
            runs[-1].append(word)
        elif runs[-1]:
            runs.append([])
    stated = []
    for run in runs:
        while run and run[-1] in ("and", "a"):
            run.pop()
        if run and run not in (["one"], ["third"], ["fourth"], ["fifth"], ["quarter"]):
            stated.append(run)
    if not stated and len(words) == 1 and words[0] in _SMALL:
        return _SMALL[words[0]]
    found = _value(stated[0]) if len(stated) == 1 and len(stated[0]) <= _MOST_WORDS else None
    return -found if found is not None and not {"minus", "negative"}.isdisjoint(words) else found


def has_number(text: str) -> bool:
    """Whether a word of `text` states a number that may be an answer."""
    return _STATED.search(text) is not None


def _value(run: list[str]) -> int | Fraction | None:
    if run[-1] in _PARTS and len(run) >= 2 and "half" not in run:
        over = _whole([word for word in run[:-1] if word != "and"])
        return None if over is None or "and" in run else Fraction(over, _PARTS[run[-1]])
    if "half" in run:
        at = run.index("half")
        before, after = [word for word in run[:at] if word not in ("and", "a")], run[at + 1 :]
        if before and before[-1] == "one" and run[at - 1] == "one":
            before = before[:-1]
        whole = _whole(before) if before else 0
        scale = _whole(["one", *[word for word in after if word != "a"]]) if after else 1
        return (
            None
            if whole is None or scale is None or ("and" not in run[:at] and before)
            else (whole + Fraction(1, 2)) * scale
        )
    return _whole([word for word in run if word != "and"]) if "a" not in run else None


def _whole(words: list[str]) -> int | None:
    """The whole number in words, such as `two hundred five thousand`. None where they are not one number."""
    total, group, last = 0, None, 10**15
    for word in words:
        if word in _SMALL:
            value = _SMALL[word]
            if group is not None and not (group % 100 == 0 or (group % 10 == 0 and group % 100 >= 20 and value < 10)):
                return None
            group = (group or 0) + value
        elif word == "hundred":
            if group is None or not 0 < group < 100:
                return None
            group *= 100
        elif word in _SCALES:
            if group is None or _SCALES[word] >= last:
                return None
            last = _SCALES[word]
            total, group = total + group * last, None
        else:
            return None
    return total + (group or 0) if words else None


def _chinese(text: str) -> int | None:
    total = section = 0
    digit: int | None = None
    largest = 10**5
    for character in text:
        if character in _CHINESE:
            if digit not in (None, 0):
                return None
            digit = _CHINESE[character]
        elif character in _CHINESE_UNITS:
            unit = _CHINESE_UNITS[character]
            if unit >= largest or (digit is None and unit != 10):
                return None
            section, digit, largest = section + (1 if digit is None else digit) * unit, None, unit
        else:
            if section + (digit or 0) == 0:
                return None
            total, section, digit, largest = (
                (total + section + (digit or 0)) * _CHINESE_GROUPS[character],
                0,
                None,
                10**5,
            )
    if digit and largest in (100, 1000) and "零" not in text and "〇" not in text:
        return None  # 二百五 is 250 for some
    return total + section + (digit or 0)
