"""Plain numbers whose neighbours cannot belong to them, read without the general search of `notation`.

Most numbers of a text are such: "has 12 apples", "12 * 4 = 48 (apples)". What is read here is what the general search
reads, in a fraction of its time.
"""

import re
from typing import Final

from scoring.scorers.numbers.dates import MONTH_NAMES
from scoring.scorers.numbers.notation import SCALES, Found, whole_or_float
from scoring.scorers.numbers.quantity import Quantity
from scoring.scorers.numbers.units import SIMPLE_UNITS, UNIT_WORDS, currency

_DIGITS: Final = r"(?P<whole>[1-9]\d{0,2}(?:,\d{3}){1,3}|[1-9]\d{0,14}|0)(?P<decimals>\.\d{1,6})?"
_BEFORE_WORD: Final = (
    r"(?: (?P<word>[a-z]{3,20}|(?:to(?= [b-su-z][a-z])|on|of|so"
    r"|as))(?=(?P<rest> [a-z]{3}|[.!?]?\s*\Z)|[ .!?])|(?=\.?\s*\Z)"
)
#: A number before a word, or at the end.
_PLAIN: Final = re.compile(rf"{_DIGITS}{_BEFORE_WORD})")
#: The same, also before an operator that does not make it a power, a range or a rate, and before a clause.
_OPERAND: Final = re.compile(
    rf"{_DIGITS}{_BEFORE_WORD}"
    r"|(?= (?:[=(]|\+(?!/)|\* (?!10)[\da-zA-Z$(]|/ [\d$(]|- \d{1,9} [=(+])|, (?!and\b)[a-zA-Z]))"
)
_LONGEST_WORD: Final = 24
#: Words beside a number that the general search reads with it.
READ_BESIDE: Final = frozenset(
    {*UNIT_WORDS, *SCALES, *MONTH_NAMES, "minus", "negative", "and", "out", "per", "por", "pour", "each",
     "every", "square", "cubic", "basis", "between", "quadrat", "kubik", "half"}
)  # fmt: skip
#: Those of them that it reads with the number behind.
PREFIX_WORDS: Final = MONTH_NAMES | {"minus", "negative", "rs"}
#: Units that are read without the general search, and words behind them that it has to see, cut to three letters.
_UNIT_OF: Final = {word: unit for word, unit in SIMPLE_UNITS.items() if word not in SCALES}
_BEHIND_UNIT: Final = frozenset({" per", " eac", " eve", " and", " squ", " cub", " cel", " fah", " cen"})
_NOTHING: Final = re.compile("(?!)")
#: Behind a unit: what is no part of it, nor a smaller unit or the other end of a range.
_ENDS_UNIT: Final = re.compile(r" [=(]| \+(?!/)| (?:in|of|on|by|is|as|so|if|he|we|it|at|or) |, (?!and\b)[a-z]")
_DOLLARS: Final = currency("$")
#: Last characters of what stands before a number, with a space between, and is no part of it; signs, of money alone.
_APART: Final = frozenset("=*/×÷,;:)(0123456789")
_SIGNS: Final = frozenset("+-")
_SUMS: Final = frozenset({" + $", " - $"})
_OPERAND_ENDS: Final = frozenset(")]%0123456789")


def word_before(text: str, at: int) -> str | None:
    """The word in small ASCII letters, or the equals sign, that stands with a space before that place."""
    if text[at - 1 : at] != " ":
        return None
    word = text[max(0, at - _LONGEST_WORD) : at - 1].rpartition(" ")[2]
    return word if word == "=" or (len(word) > 1 and word.isascii() and word.isalpha() and word.islower()) else None


def between_words(text: str, at: int) -> Found | None:
    """The whole number at that place if no neighbour can belong to it; None where the general search has to decide."""
    number = _PLAIN.match(text, at)
    if number is None:
        return None
    is_money = text[at - 1 : at] == "$"
    before = word_before(text, at - is_money)
    return (
        None if before is None or before in READ_BESIDE else _found(text, number, is_money=is_money, ends_unit=_NOTHING)
    )


def apart(text: str, at: int, since: int) -> Found | None:
    """The same, also between operators, for a text that has been read up to `since`."""
    number = _OPERAND.match(text, at)
    if number is None:
        return None
    if text[at - 1 : at] != "$":
        return _found(text, number, is_money=False) if begins(text, at, is_money=False) else None
    if at - 1 < since:
        return None
    if begins(text, at - 1, is_money=True):
        return _found(text, number, is_money=True)
    is_term = text[at - 4 : at] in _SUMS and text[at - 5 : at - 4] in _OPERAND_ENDS and at - 3 >= since
    return _found(text, number, is_money=False) if is_term else None  # 7 + $5: the general search leaves the sign out


def begins(text: str, at: int, *, is_money: bool) -> bool:
    """Whether a number begins at that place: what stands before it, with a space between, is certainly no part of it.

    `is_money`: there is a dollar sign at that place. False where the general search has to decide.
    """
    if at < 2 or text[at - 1] != " ":
        return False
    last = text[at - 2]
    if last in _APART:
        return True
    if last in _SIGNS:
        return not is_money  # "- 5" has an operator, and "- $5" may have a sign
    word = text[max(0, at - _LONGEST_WORD) : at - 1].rpartition(" ")[2]
    is_word = word.isalpha() and (word.islower() or (word.isascii() and not word.isupper()))
    return is_word and word.lower() not in PREFIX_WORDS


def _found(
    text: str, number: re.Match[str], *, is_money: bool, ends_unit: re.Pattern[str] = _ENDS_UNIT
) -> Found | None:
    at = number.start()
    unit, word, end = _DOLLARS if is_money else None, number["word"], number.end()
    if word is not None:
        if word not in READ_BESIDE:
            end = number.start("word") - 1
        else:
            unit = (
                None
                if is_money
                or (number["rest"] is None and not ends_unit.match(text, end))
                or text[end : end + 4] in _BEHIND_UNIT
                else _UNIT_OF.get(word)
            )
            if unit is None:
                return None
    whole = int(number["whole"].replace(",", ""))
    value = (
        whole
        if number["decimals"] is None
        else whole_or_float(float(number["whole"].replace(",", "") + number["decimals"]))
    )
    return Found(Quantity("number", (value,), unit), at - is_money, end)
