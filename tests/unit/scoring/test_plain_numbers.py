"""Numbers that are read without the general search are those that the general search reads."""

import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.scorers import Unreadable
from scoring.scorers.numbers import context, plain_numbers, quantities
from scoring.scorers.numbers.notation import Found

OPENINGS = ("", "5 apples", "(7)")
BEFORE = (
    "so", "Jerry", "I", "a", "minus", "Negative", "May", "USD", "US", "Rs", "Rs.", "and", "per", "to", "not", "twice",
    "=", "+", "-", "−", "*", "/", "×", "^", "(", ")", ",", ":", "–", "+/-", "$", "€", "% =", "\n", "point",
)  # fmt: skip
BEHIND = (
    "", ".", "?", "!", "apples", "hours", "miles.", "miles per hour", "hours and 5 minutes", "and a half", "a day",
    "miles in total", "hours at 5", "hours to 6", "hours or 6", "hours = 6", "hours + 6", "hours +/- 1", "hours (6)",
    "hours, so", "hours, 6", "hours, and 5 minutes", "hours, 5 minutes", "pounds of", "feet is",
    "million", "dozen", "pm", "BC", "squared", "is two", "and more", "or less", "noon", "x", "May 2020", "euros",
    "= 6", "+ 6", "- 6 = 1", "- 1990s", "* 6", "* 10^3", "** 2", "/ 6", "/ hour", "/6", "^ 2", "(x)", "(6)", ")",
    ", so", ", 6", ", and 6", "%", ": 6", "+/- 1", "$", "½", "π",
)  # fmt: skip
NUMBERS = ("5", "$5", "1,200", "$2.50")
PIECES = (*OPENINGS, *BEFORE, *BEHIND, *NUMBERS, "007", "10", ".5", "1,2", "1 000", "2020", "1/2", "5-7")


def read(text: str) -> list[Found | str]:
    found: list[Found | str] = []
    try:
        found += quantities.quantities(text)
    except Unreadable as error:
        found.append(str(error))
    try:
        final = str(quantities.last(text))
    except Unreadable as error:
        final = str(error)
    return [*found, final]


def read_generally(text: str) -> list[Found | str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain_numbers, "apart", lambda *_: None)
        patch.setattr(plain_numbers, "begins", lambda *_, **__: False)
        patch.setattr(context, "_HARMLESS_BEHIND", re.compile("(?!)"))
        patch.setattr(quantities, "_may_have_remark", lambda _: True)
        return read(text)


@pytest.mark.parametrize("opening", OPENINGS)
@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_read_quickly_is_the_one_that_the_general_search_reads(opening, number):
    texts = [f"{opening} {before} {number} {behind}" for before, behind in product(BEFORE, BEHIND)]
    assert [text for text in texts if read(text) != read_generally(text)] == []


@given(st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join) | st.text("5 0,.$+-=*/(aM%:", max_size=12))
def test_texts_of_several_numbers_are_read_as_the_general_search_reads_them(text):
    assert read(text) == read_generally(text)


def test_usual_numbers_need_no_general_search():
    text = "He pays $1,200 (rent) + 12 * 3 = 36 apples and 0.5, so 7 = 2.50."
    places = [at for at, before in enumerate(" " + text) if before in (" ", "$")]
    found = [number for at in places if (number := plain_numbers.apart(text, at, 0))]
    assert [number.quantity.values[0] for number in found] == [1200, 12, 3, 36, 0.5, 7, 2.5]
