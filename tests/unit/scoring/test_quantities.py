"""What the `numeric` scorer reads beside plain digits: unequal answers never agree by a part that was read alone."""

import pytest

from scoring.scorers import SCORERS, Unreadable
from shadow.records import Reply


def agreement(a: str, b: str) -> float | None:
    """None where either reply cannot be read."""
    scorer = SCORERS["numeric"]
    try:
        first, second = (scorer.read(Reply(model="m", content=text), {}, {}) for text in (a, b))
    except Unreadable:
        return None
    return scorer.agree(first, second, {})


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("3.0 × 10^8 m/s", "5.0 × 10^8 m/s"),
        (r"$1.5 \times 10^{3}$", r"$9.5 \times 10^{3}$"),
        ("6.02 × 10²³", "1.11 × 10²³"),
        ("3 x 10^5", "7 x 10^5"),
        ("10^8", "10^9"),
        ("2^10", "3^10"),
        (r"$2^{10}$", r"$3^{10}$"),
        ("The area is 25 km^2", "The area is 99 km^2"),
        ("5 km", "5 miles"),
        ("5 MB", "5 GB"),
        ("€5", "$5"),
        ("12°C", "12°F"),
        ("1234567890123", "1234567891023"),
        ("4999999999", "5000000000"),
        ("9007199254740993", "9007199254740992"),
        (r"\boxed{12\,345}", r"\boxed{12\,999}"),
        (r"\boxed{10,\!000}", r"\boxed{10,\!999}"),
        (r"\boxed{\frac{-1}{2}}", r"\boxed{\frac{-5}{2}}"),
        (r"\boxed{2\sqrt{3}}", r"\boxed{5\sqrt{3}}"),
        ("√2", "√3"),
        (r"\boxed{(3, 4)}", r"\boxed{(3, 5)}"),
        (r"\boxed{(3, 4)}", r"\boxed{(2, 4)}"),
        ("x = 3, y = 4", "x = 2, y = 4"),
        ("$1.2M", "$1.2K"),
        ("1.2 million", "1.2 billion"),
        ("2 dozen", "2"),
        ("#### 50% or 1/2", "1/3"),
        ("#### 50% or 1/3", "50%"),
        ("Final answer: 17 kids aren't allergic", "Final answer: 20 kids"),
        ("2½ hours", "2 hours"),
        ("1/3", "2/3"),
        ("(1,234.50)", "1,234.50"),
        ("-5", "5"),
        ("The answer is 42 [1]", "The answer is 41 [1]"),
        ("3:45 PM", "9:45 PM"),
        ("10:30", "11:30"),
        ("2024-05-01", "2023-06-01"),
        ("May 2024", "June 2024"),
        ("Q3 2024", "Q4 2024"),
        ("3:2", "4:2"),
        ("3-5 days", "4-5 days"),
        ("between 3 and 5", "between 2 and 5"),
        ("5 ± 2", "6 ± 2"),
        ("5 out of 10", "3 out of 10"),
        ("0x1F", "0x2F"),
        ("v1.2.3", "v1.2.4"),
        ("2 hours 30 minutes", "1 hour 30 minutes"),
        ("5'10\"", "6'10\""),
        ("The answer is 3 and 4.", "The answer is 2 and 4."),
        (r"\boxed{2x+1}", r"\boxed{3x+1}"),
        (r"\boxed{x^2}", r"\boxed{y^2}"),
        ("The answer is 3 + 4", "The answer is 2 + 4"),
    ],
)
def test_answers_that_differ_never_agree(a: str, b: str):
    assert agreement(a, b) in (0, None)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("1.5 × 10^3", "1500"),
        ("2^10", "1024"),
        (r"\boxed{10,\!000}", r"\boxed{10000}"),
        (r"\boxed{\frac34}", r"\boxed{0.75}"),
        ("$1.2M", "$1,200,000"),
        ("1.2 million", "1200000"),
        ("2½", "2.5"),
        (r"2\frac{1}{2}", "2.5"),
        ("1/2", "0.5"),
        ("(1,234.50)", "-1,234.50"),
        ("-$5", "$-5"),
        ("minus 5", "-5"),
        ("12,345,678", "12.345.678"),
        ("1 234,5", "1234.5"),
        ("3:45 PM", "15:45"),
        ("3 pm", "15:00"),
        ("May 1, 2024", "2024-05-01"),
        ("1 May 2024", "May 1st, 2024"),
        ("6:4", "3:2"),
        ("225 minutes", "3.75 hours"),
        ("3 hours and 45 minutes", "225 minutes"),
        ("5 km", "5000 m"),
        ("5 km", "5"),
        ("5", "5 apples"),
        ("5 %", "5 percent"),
        (r"\boxed{50\%}", "50%"),
        (r"\boxed{\text{5 km}}", "5 km"),
        (r"\boxed{\$1{,}000}", "1000 dollars"),
        ("0x1F", "31"),
        ("3 to 5 days", "3–5 days"),
        ("(3, 77)", "(3,77)"),
        ("225 minutes or 3 hours and 45 minutes", "225 minutes"),
        ("#### 50% or 1/2", "50%"),
    ],
)
def test_one_answer_in_two_notations_agrees(a: str, b: str):
    assert agreement(a, b) == 1


@pytest.mark.parametrize(
    "text",
    [
        "The answer is 42. I checked it 3 times.",
        "The answer is **42**",
        "Answer: 42 because 6 × 7 = 42 and not 43",
        "Final answer: 6 × 7 = 42, as 7 × 6 is too.\nThere are 50 others.",
        r"The answer is $\boxed{42}$, not 7.",
        "#### 42 (rounded up from 41.7)",
        "Die Antwort ist 42, weil 6 mal 7 so viel ist wie 21 mal 2.",
        "答案是：42",
    ],
)
def test_a_named_answer_outranks_later_numbers(text: str):
    assert agreement(text, "42") == 1


def test_whole_numbers_differ_by_one_unless_a_tolerance_is_set():
    scorer = SCORERS["numeric"]
    a, b = (scorer.read(Reply(model="m", content=text), {}, {}) for text in ("10000000000", "10000000001"))
    assert scorer.agree(a, b, {}) == 0
    assert scorer.agree(a, b, {"relative": 0.01}) == 1
