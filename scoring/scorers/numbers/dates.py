"""Dates and times of day, with the names of months in several languages."""

import re
from collections.abc import Iterable
from itertools import groupby
from typing import Final

from scoring.scorers.numbers.quantity import Quantity
from scoring.scorers.numbers.units import Unit

#: The names of each month: English with its abbreviations, then German, French, Spanish, Italian, Portuguese,
#: Dutch, Swedish, Polish and Russian as they stand in a date.
_NAMES: Final = (
    "january jan januar janvier enero gennaio janeiro januari stycznia января",
    "february feb februar février febrero febbraio fevereiro februari lutego февраля",
    "march mar märz mars marzo março maart marca марта",
    "april apr avril abril aprile kwietnia апреля",
    "may mai mayo maggio maio mei maj maja мая",
    "june jun juni juin junio giugno junho czerwca июня",
    "july jul juli juillet julio luglio julho lipca июля",
    "august aug août agosto augustus augusti sierpnia августа",
    "september sept sep septembre septiembre settembre setembro września сентября",
    "october oct oktober octobre octubre ottobre outubro października октября",
    "november nov novembre noviembre novembro listopada ноября",
    "december dec dezember décembre diciembre dicembre dezembro grudnia декабря",
)
_NUMBER_OF: Final = {name: number for number, names in enumerate(_NAMES, 1) for name in names.split()}
MONTH_NAMES: Final = frozenset(_NUMBER_OF)
#: Words with another meaning: months only with a capital letter, or where a year follows.
_OTHER_WORDS: Final = frozenset({"may", "mars", "mar", "march", "mei", "marca", "maja", "mai"})


def _by_first_letter(words: Iterable[str]) -> str:
    """An expression for one of `words`; those with another first letter than the text are ruled out at once."""
    ordered = sorted(words, key=lambda word: (word[0], -len(word), word))
    groups = groupby(ordered, key=lambda word: word[0])
    return "|".join(f"{first}(?:{'|'.join(word[1:] for word in group)})" for first, group in groups)


_PLAIN: Final = _by_first_letter(_NUMBER_OF.keys() - _OTHER_WORDS)
_DOUBTFUL: Final = "|".join(sorted(_OTHER_WORDS, key=len, reverse=True))
MONTH: Final = (
    rf"(?:(?:{_PLAIN})\b\.?"
    rf"|(?-i:{'|'.join(word.capitalize() for word in sorted(_OTHER_WORDS, key=len, reverse=True))})\b\.?"
    rf"|(?:{_DOUBTFUL})\b(?=,?[ ](?:de[ ]|del[ ])?\d{{4}}\b))"
)
_WORD: Final = re.compile(r"[^\W\d_]{3,}")
_TIME_PART: Final = re.compile(r"\d+(?:\.\d+)?")
_MERIDIEM: Final = re.compile(r"[ap](?=\.?\s?m)", re.IGNORECASE)
ZONE: Final = re.compile(
    r"[ ]?(?:(?P<utc>Z|UTC|GMT)(?![\w+-])|(?P<zone>[ECMP][SD]?T|CES?T|BST|IST|JST|AES?T|WES?T|EES?T)\b)"
)
_CJK_DATE: Final = re.compile(r"(\d{4})[年년][ ]?(\d{1,2})[月월](?:[ ]?(\d{1,2})[日일])?")


def date(text: str) -> Quantity:
    """The date that `text`, which has the form of one, stands for."""
    digits = [int(each) for each in re.findall(r"\d+", text)]
    month = next((found for word in _WORD.findall(text.casefold()) if (found := _NUMBER_OF.get(word))), None)
    if month is not None:
        year = next((each for each in digits if each > 31), 0)
        day = next((each for each in digits if each <= 31), 0)
        return Quantity("date", (year, month, day))
    if _CJK_DATE.fullmatch(text):
        return Quantity("date", (digits[0], digits[1], digits[2] if len(digits) > 2 else 0))
    if digits[0] > 31:
        year, month, day = digits
    elif digits[0] > 12:
        day, month, year = digits
    elif digits[1] > 12:
        month, day, year = digits
    else:  # 05/01/2024 is in May for some and in January for others: compared as it is written
        return Quantity("date", (digits[2], digits[0], digits[1], 0))
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return Quantity("version", tuple(digits))
    return Quantity("date", (year, month, day))


def clock(text: str) -> Quantity:
    """The time of day that `text`, which has the form of one, stands for, on a clock of 24 hours."""
    parts = [int(float(each)) for each in _TIME_PART.findall(text)]
    meridiem = _MERIDIEM.search(text)
    hours = parts[0]
    if meridiem and hours <= 12:
        hours = hours % 12 + (12 if meridiem[0].casefold() == "p" else 0)
    return Quantity("clock", (hours, *parts[1:]) if len(parts) > 1 else (hours, 0))


def zone_at(text: str, at: int) -> tuple[Unit, int] | None:
    """The time zone at that place in `text`, and where it ends."""
    found = ZONE.match(text, at)
    if found is None:
        return None
    return Unit("UTC" if found["utc"] else found["zone"], (), 1), found.end()  # type: ignore[arg-type] # never converted
