"""Pairs in other notations and languages than those of `cases`: forms of one value, crossed with forms of another."""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from scoring.scorers.numbers.dates import MONTH_NAMES
from tests.audit.case import Case, say

ENGLISH_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip

SENTENCES: Final = (
    "{}", "The answer is {}.", "So the total is {}.", "**Answer: {}**", "#### {}", "Therefore, it is {}.", "- {}",
    "Final answer: {}", "The result is\n\n{}", "Result = {}", "The correct value, after checking, equals {}.",
    "Antwort: {}", "La réponse est {}.", "答案是{}", "Ответ: {}", "{}\n\nExplanation: I did it in 3 steps.",
)  # fmt: skip
_ONES: Final = (
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS: Final = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_CHINESE: Final = "零一二三四五六七八九"
_MONTHS: Final = (
    (
        "{d}. {} {y}",
        (
            "Januar",
            "Februar",
            "März",
            "April",
            "Mai",
            "Juni",
            "Juli",
            "August",
            "September",
            "Oktober",
            "November",
            "Dezember",
        ),
    ),
    (
        "{d} {} {y}",
        (
            "janvier",
            "février",
            "mars",
            "avril",
            "mai",
            "juin",
            "juillet",
            "août",
            "septembre",
            "octobre",
            "novembre",
            "décembre",
        ),
    ),
    (
        "{d} de {} de {y}",
        (
            "enero",
            "febrero",
            "marzo",
            "abril",
            "mayo",
            "junio",
            "julio",
            "agosto",
            "septiembre",
            "octubre",
            "noviembre",
            "diciembre",
        ),
    ),
    (
        "{d} {} {y}",
        (
            "января",
            "февраля",
            "марта",
            "апреля",
            "мая",
            "июня",
            "июля",
            "августа",
            "сентября",
            "октября",
            "ноября",
            "декабря",
        ),
    ),
    (
        "{} {d}, {y}",
        ENGLISH_MONTHS,
    ),
)
_DIGITS: Final = ("٠١٢٣٤٥٦٧٨٩", "०१२३४५६७८९", "０１２３４５６７８９", "০১২৩৪৫৬৭৮৯")
_UNITS: Final = (
    ("{} m/s²", "{} m/s^2", "{} m·s⁻²"),
    ("{} m/s", "{} meters per second"),
    ("{} kg/m³", "{} kg·m⁻³"),
    ("{} kg/m²", "{} kg/m^2"),
    ("{} m²", "{} square meters", "{} m^2"),
    ("{} m³", "{} cubic meters"),
    ("{} °C", "{} degrees Celsius"),
    ("{} °F", "{} degrees Fahrenheit"),
    ("{} gallons",),
    ("{} liters", "{} l"),
    ("{} inches", "{} in"),
    ("{} psi",),
    ("{} bar",),
    ("{} mW",),
    ("{} MW",),
    ("{} Mb",),
    ("{} kΩ",),
    ("{} mmol/l",),
    ("{} Stunden", "{} heures", "{} часов", "{}小时"),
    ("{} Minuten", "{} minutos", "{} минут", "{}分钟"),
    ("{} Tage", "{} jours", "{} días"),
    ("{} km", "{} 公里", "{} километров"),
    ("{} kg", "{} kilos", "{}公斤"),
)
_CURRENCIES: Final = (
    ("${}", "USD {}", "{} dollars"),
    ("A${}", "AUD {}"),
    ("€{}", "{} Euro", "EUR {}"),
    ("£{}", "GBP {}"),
    ("CHF {}",),
    ("₹{}", "Rs. {}", "{} rupees"),
    ("R${}", "BRL {}"),
    ("{} zł", "PLN {}"),
    ("₽{}", "{} рублей"),
    ("₺{}",),
    ("{} yuan", "{}元"),
)
_SCALES: Final = (
    (10**3, ("{} thousand", "{}K", "{} тысяч", "{} mil")),
    (10**4, ("{}万", "{}만")),
    (10**5, ("{} lakh", "{} लाख")),
    (10**6, ("{} million", "{} Millionen", "{} millones", "{} млн", "{} milhões", "{} مليون")),
    (10**8, ("{}亿", "{}억")),
    (10**9, ("{} billion", "{} Milliarden", "{} mil millones", "{} млрд", "{} bilhões")),
    (10**12, ("{} trillion", "{} lakh crore")),
)
_EXPRESSIONS: Final = (
    ("{}π/4", r"\frac{{{}\pi}}{{4}}", "{} * pi / 4"),
    ("{}√3", r"{}\sqrt{{3}}", "{} sqrt(3)"),
    ("1 + {}√2", r"1+{}\sqrt{{2}}"),
    ("({}/7)^3",),
    ("{}/√2", r"\frac{{{}}}{{\sqrt{{2}}}}"),
)
#: Answers that have no number alone, so that no two of them may agree.
_PARTIAL: Final = (
    "{}x + 2",
    "x > {}",
    "x < {}",
    "not {}",
    "log({})",
    "{} + 4i",
    "{} - 100",
    "{} apples and 5 pears",
    "between {} and 2000",
    "{}th century BC",
    "{} out of 1000",
    "{}:00 AM",
    "1000 to {}",
    "±{}",
    "|-{}|",
    "{}_2",
    "A-{}",
)


def _in_words(n: int) -> str:
    if n < 20:
        return _ONES[n - 1]
    return _TENS[n // 10 - 2] + (f"-{_ONES[n % 10 - 1]}" if n % 10 else "")


def _in_chinese(n: int) -> str:
    tens, ones = divmod(n, 10)
    return ("" if tens < 2 else _CHINESE[tens]) + ("十" if tens else "") + (_CHINESE[ones] if ones else "")


def _pair(chance: random.Random, kind: str, a: Sequence[str], b: Sequence[str], agree: bool) -> Case:
    one, other = (say(chance.choice(SENTENCES).format(chance.choice(forms))) for forms in (a, b))
    return Case("numeric", kind, one, other, agree)


def _crossed(chance: random.Random, kind: str, groups: Sequence[Sequence[str]]) -> Iterator[Case]:
    """Two forms of one group must agree; those of two groups must not."""
    one, other = chance.sample(range(len(groups)), 2)
    yield _pair(chance, kind, groups[one], groups[one], True)
    yield _pair(chance, kind, groups[one], groups[other], False)


def notations(chance: random.Random) -> Iterator[Case]:
    n, other = chance.sample(range(2, 99), 2)
    yield from _crossed(chance, "in words", [(str(k), _in_words(k), _in_chinese(k)) for k in (n, other)])
    yield from _crossed(
        chance,
        "digits of other scripts",
        [[str(k).translate(str.maketrans("0123456789", digits)) for digits in _DIGITS] for k in (n, other)],
    )
    for kind, table in (("compound and translated units", _UNITS), ("currencies", _CURRENCIES)):
        yield from _crossed(chance, kind, [[form.format(n) for form in forms] for forms in table])
    yield from _crossed(
        chance,
        "translated magnitudes",
        [[form.format(n) for form in forms] + [f"{n * size:,}"] for size, forms in _SCALES],
    )
    forms = chance.choice(_EXPRESSIONS)
    yield from _crossed(chance, "expressions", [[form.format(k) for form in forms] for k in (n, other)])
    a, b = chance.sample(_PARTIAL, 2)
    yield _pair(chance, "partly understood", [a.format(n)], [b.format(n)], False)
    yield _pair(chance, "partly understood", [a.format(n)], [a.format(other)], False)
    yield _pair(chance, "partly understood", [a.format(n)], [str(n)], False)


def translated_dates(chance: random.Random) -> Iterator[Case]:
    assert {name.casefold() for _, names in _MONTHS for name in names} <= MONTH_NAMES
    year, day = chance.randrange(1900, 2030), chance.randrange(1, 29)
    months = chance.sample(range(1, 13), 2)
    groups = [
        [form.format(names[month - 1], d=day, y=year) for form, names in _MONTHS]
        + [f"{year}年{month}月{day}日", f"{year}-{month:02}-{day:02}"]
        for month in months
    ]
    yield from _crossed(chance, "translated dates", groups)


_NEGATED: Final = (
    "anything but {}",
    "far from {}",
    "{} is wrong",
    "I doubt that it is {}",
    "{}? No.",
    "It looks {}, but it is not.",
    "{}: false",
    "n'est pas {}",
    "es ist nicht {}",
    "no es {}",
    "não é {}",
    "не {}",
    "不是{}",
    "{}ではない",
    "{} değil",
    "ليس {}",
    "is it {}?",
    "maybe {}",
    "hardly {}",
    "!{}",
    "neither {} nor something else",
    "It would be wrong to call it {}",
    "It cannot be called {}",
)
_BROKEN: Final = (
    "{{'n': {0}, 'in': {{\"a\": 1}}}}",
    '{{"n": {0}, "in": {{"a": 1}},}}',
    '{{"n": {0}, "in": {{"a": 1}}',
    '{{n: {0}, in: {{"a": 1}}}}',
    '{{"n": {0}}}\n{{"a": 1}}',
    '{{"n": {0}, // why\n"in": {{"a": 1}}}}',
    '{{"n": {0}, "n": 7, "in": {{"a": 1}}}}',
)


def hostile_wrappings(chance: random.Random) -> Iterator[Case]:
    labels = ["toxic", "safe", "spam"]
    one, other = chance.sample(labels, 2)
    written = chance.choice(_NEGATED).format(one)
    yield Case("label", "negated in many ways", say(one), say(written), False, {"labels": labels})
    yield Case("label", "negated in many ways", say(other), say(f"{written}; {other}"), True, {"labels": labels})
    n, m = chance.sample(range(100), 2)
    broken = chance.choice(_BROKEN)
    yield Case("json", "broken or several", say(broken.format(n)), say(broken.format(m)), False)
    cents = chance.randrange(10**9, 10**12)
    a, b = (
        json.dumps({"total": f"{value // 100}.{value % 100:02}"}).replace('"total": "', '"total": ').replace('"}', "}")
        for value in (cents, cents + 1)
    )
    yield Case("json", "amounts", say(a), say(b), False)
    yield Case("json", "amounts", say(a), say(f"Here it is: {a}"), True)


MAKERS: Final[tuple[Callable[[random.Random], Iterator[Case]], ...]] = (notations, translated_dates, hostile_wrappings)
