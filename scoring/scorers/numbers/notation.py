"""How one quantity is written: a number with all that belongs to it, a time, a date, a ratio.

What stands beside the digits belongs to the number: signs, groups of thousands, fractions, powers of ten, words
of magnitude, accounting parentheses, units. A quantity that is only partly understood raises `Unreadable`,
so that two answers are never compared by the part that was read.

Whole numbers are exact at any length. All others are floats, as exact as those are.
"""

import re
from fractions import Fraction
from math import isfinite, pi
from typing import Final, NamedTuple

from scoring.scorers.numbers.quantity import Quantity
from scoring.scorers.numbers.units import unit_of

#: Longest number that is read, in digits: a float's range, and no work that a long text could make.
_MAX_DIGITS: Final = 308

SPACE: Final = "[ \u00a0\u2009\u202f]"
_MONTHS: Final = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
MONTH: Final = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
# The number of groups is bounded: no longer number is written, and no text can make the search quadratic.
_MAGNITUDE: Final = (
    r"\d{1,3}(?:,\d{3}){1,12}(?!\d)(?:\.\d+)?"  # 1,234.5
    r"|\d{1,2}(?:,\d{2}){1,8},\d{3}(?!\d)(?:\.\d+)?"  # 12,34,567.8
    r"|\d{1,3}(?:\.\d{3}){2,12}(?![\d.]\d)(?:,\d+)?"  # 1.234.567,8
    r"|\d{1,3}\.\d{3},\d+"  # 1.234,5
    r"|[1-9]\d{0,2}(?:[ \u00a0\u2009\u202f'’_]\d{3}){1,12}(?![\d/])(?:[.,]\d+)?"  # 1 234,5
    r"|(?<!\d,)\d+,\d+(?!\d|,\d)"  # 1234,5 but not 1,2,3
    r"|\d+(?:\.\d+)?|(?<!\.)\.\d+"
)
VULGAR: Final = {
    "½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5), "⅗": (3, 5),
    "⅘": (4, 5), "⅙": (1, 6), "⅚": (5, 6), "⅐": (1, 7), "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8), "⅞": (7, 8),
    "⅑": (1, 9), "⅒": (1, 10),
}  # fmt: skip
_VULGARS: Final = f"[{''.join(VULGAR)}]"
_CURRENCIES: Final = {"$": "$", "€": "€", "£": "£", "¥": "¥", "₹": "₹", "₩": "₩", "US$": "$"}

QUANTITY: Final = re.compile(
    rf"""
    (?P<date>(?<![\d./-])\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}(?![\d/-]|\.\d)
      |(?<![\d./-])\d{{1,2}}[-/.]\d{{1,2}}[-/.]\d{{4}}(?![\d/-]|\.\d)
      |(?<!\w)\d{{1,2}}(?:st|nd|rd|th)?\.?{SPACE}(?:of{SPACE})?{MONTH}(?:,?{SPACE}\d{{4}}\b)?
      |(?<!\w){MONTH}{SPACE}\d{{1,2}}(?:st|nd|rd|th)?\b(?!{SPACE}?[:.]\d)(?:,?{SPACE}\d{{4}}\b)?
      |(?<!\w){MONTH}{SPACE}\d{{4}}\b)
    |(?P<clock>(?<![\d:.])\d{{1,2}}:[0-5]\d(?::[0-5]\d(?:\.\d+)?)?(?![\d:])(?:{SPACE}?[ap]\.?{SPACE}?m\b\.?)?
      |(?<![\d:.,])\d{{1,2}}{SPACE}?[ap]\.?m\b\.?)
    |(?P<ratio>(?<![\d:.,])\d{{1,15}}(?:\.\d{{1,9}})?(?:{SPACE}?:{SPACE}?\d{{1,15}}(?:\.\d{{1,9}})?){{1,4}}(?![\d:]))
    |(?P<coded>(?<!\w)0(?:x[0-9a-f]{{1,64}}|b[01]{{1,256}}|o[0-7]{{1,100}})\b)
    |(?P<quarter>(?<!\w)Q[1-4][ ,']{{0,2}}\d{{4}}\b)
    |(?P<feet>(?<![\w.,])\d{{1,3}})['′’]{SPACE}?(?P<inches>\d{{1,2}}(?:\.\d{{1,4}})?)(?:["″”]|'')
    |(?P<version>(?<![\d.])(?:v\.?)?(?!\d{{1,3}}(?:\.\d{{3}})+(?![\d.]))\d{{1,5}}(?:\.\d{{1,5}}){{2,5}}(?![\d,]|\.\d))
    |(?P<sign>(?<![\w)\]%½])(?<![\d)\]%]{SPACE})[-−–+](?:{SPACE}(?=[$€£¥₹₩]))?|\b(?:minus|negative){SPACE})?
     (?:(?P<currency>US\$|[$€£¥₹₩]){SPACE}?(?P<sign2>[-−])?)?(?<!\w)(?<!\d\.)
     (?:(?:(?P<coefficient>\d{{1,15}}){SPACE}?)?(?P<root>[√∛∜]){SPACE}?\(?(?P<radicand>\d{{1,15}}(?:\.\d{{1,15}})?)\)?
      |(?:(?P<whole>\d{{1,15}}){SPACE})?(?P<over>\d{{1,30}})[/⁄](?P<under>\d{{1,30}})(?![\d/]|[.,]\d)
      |(?:(?P<units>\d{{1,15}}){SPACE}?)?(?P<vulgar>{_VULGARS})
      |(?P<magnitude>{_MAGNITUDE})(?P<exponent>e[-+−]?\d{{1,4}}(?!\w))?
      |(?P<constant>π))
    """,
    re.IGNORECASE | re.VERBOSE,
)
#: Behind a number: times a power of ten, a power, π, and words of magnitude.
_SUPERSCRIPTS: Final = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_RAISED: Final = r"(?:\^|\*\*)\(?(?P<{0}>[-−+]?\d{{1,5}})\)?|(?P<{1}>[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{{1,5}})"
_TEN: Final = re.compile(rf"{SPACE}?[×x*·✕⋅]{SPACE}?10(?:{_RAISED.format('up', 'high')})")
_POWER: Final = re.compile(_RAISED.format("up", "high"))
_PI: Final = re.compile(rf"{SPACE}?(?:[×*·]{SPACE}?)?π")
#: Words of magnitude, by their factor.
_WORDS_OF: Final = {
    12: "dozen dozens", 20: "score", 100: "hundred",
    10**3: "k thousand thousands tausend mille mil", 10**5: "lakh lakhs",
    10**6: "m mm mn mio million millions millionen millones millón", 10**7: "crore crores",
    10**9: "b bn billion billions mrd milliarde milliarden milliard milliards", 10**12: "t tn trn trillion trillions",
}  # fmt: skip
_SCALES: Final = {word: factor for factor, words in _WORDS_OF.items() for word in words.split()}
_SCALE: Final = re.compile(rf"(?P<gap>{SPACE}|-)?(?P<word>[^\W\d_]{{1,10}})\.?(?![\w/²³^])")
#: First characters of what a number may be raised or multiplied by, and of the units that are no words.
_RAISES: Final = "×x*·✕⋅^⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺π"
_SIGNS: Final = "°%‰$€£¥₹₩¢-"
#: Single letters are magnitudes only directly behind the digits: 5 m is a length, $5m and 5M are millions.
_LETTERS: Final = frozenset("KMBT")
_UNIT: Final = re.compile(
    rf"(?P<gap>{SPACE}|-)?(?P<word>°?[^\W\d_]{{1,14}}(?:/[^\W\d_]{{1,4}})?(?:[²³]|\^[23](?!\d))?|[%‰$€£¥₹₩¢])"
)
#: In parentheses, no decimal number: (3,77).
_PAIR: Final = re.compile(r"\d{1,15},(?:\d{1,2}|\d{4,15})")


class Found(NamedTuple):
    """A quantity, and where it stands in its text."""

    quantity: Quantity
    start: int
    end: int


def read(text: str, match: re.Match[str]) -> Found | None:
    start, end = match.span()
    if (date := match["date"]) is not None:
        return _date(date, start, end)
    if (clock := match["clock"]) is not None:
        return Found(_clock(clock), start, end)
    if (ratio := match["ratio"]) is not None:
        return Found(Quantity("ratio", tuple(_number(float(part)) for part in ratio.split(":"))), start, end)
    if (coded := match["coded"]) is not None:
        return Found(Quantity("number", (int(coded, 0),)), start, end)
    if (version := match["version"]) is not None:
        return Found(Quantity("version", tuple(map(int, version.lstrip("vV.").split(".")))), start, end)
    if (quarter := match["quarter"]) is not None:
        return Found(Quantity("date", (int(quarter[-4:]), int(quarter[1]))), start, end)
    if (feet := match["feet"]) is not None:
        return Found(Quantity("number", (_number(12 * int(feet) + float(match["inches"])),), "inch"), start, end)
    if (
        _PAIR.fullmatch(match["magnitude"] or "")
        and text[start - 1 : start] == "("
        and text[end : end + 1] == ")"
        and start
    ):
        return Found(Quantity("tuple", tuple(map(int, match["magnitude"].split(",")))), start, end)
    return _scaled(text, match)


def _scaled(text: str, match: re.Match[str]) -> Found | None:
    """A number with what stands before and behind it. None where no finite number is that large, or it divides by 0."""
    value = _core(match)
    if value is None:
        return None
    end = match.end()
    currency = match["currency"]
    behind = text[end : end + 2].lstrip()[:1]
    if behind in _RAISES and behind:
        if power := _TEN.match(text, end):
            exponent = _exponent(power)
            if abs(exponent) > _MAX_DIGITS:
                return None
            value, end = value * Fraction(10) ** exponent, power.end()
        elif power := _POWER.match(text, end):
            exponent = _exponent(power)
            if (value == 0 and exponent < 0) or abs(exponent) * len(str(value)) > _MAX_DIGITS:
                return None
            value, end = Fraction(value) ** exponent, power.end()
        if times_pi := _PI.match(text, end):
            value, end = value * Fraction(pi), times_pi.end()
        behind = text[end : end + 2].lstrip()[:1]
    if (behind.isalpha() or behind == "-") and (scale := _SCALE.match(text, end)):
        word, adjacent = scale["word"], not scale["gap"]
        factor = _SCALES.get(word.casefold())
        letter = len(word) <= 1 or word.casefold() == "mm"
        if factor and (not letter or (adjacent and (word in _LETTERS or word == "k" or currency))):
            value, end = value * factor, scale.end("word")
            behind = text[end : end + 2].lstrip()[:1]
    unit = _CURRENCIES.get((currency or "").upper())
    if (behind.isalpha() or (behind in _SIGNS and behind)) and (named := _UNIT.match(text, end)):
        symbol = named["word"].replace("^2", "²").replace("^3", "³")
        rest = text[named.end() : named.end() + 2]
        adjacent = not named["gap"]
        found_unit = unit_of(symbol, is_last=adjacent or not rest.strip(" .,;!?)]}*$\n"))
        if found_unit and not (symbol in _CURRENCIES and text[named.end() : named.end() + 1].isdigit()):
            unit, end = unit or found_unit, named.end()
    negative = (match["sign"] or "").strip().casefold() in ("-", "−", "–", "minus", "negative") or bool(match["sign2"])
    start = match.start()
    if _is_accounting(text, match, start, end):
        negative, start, end = True, start - 1, end + 1
    if (result := plain_number(-value if negative else value)) is None:
        return None
    return Found(Quantity("number", (result,), unit), start, end)


def _core(match: re.Match[str]) -> Fraction | int | None:
    if (magnitude := match["magnitude"]) is not None:
        if magnitude.isdecimal() and match["exponent"] is None:
            return int(magnitude) if len(magnitude) <= _MAX_DIGITS else None
        digits = _without_groups(magnitude)
        if len(digits) > _MAX_DIGITS:
            return None
        exponent = (match["exponent"] or "e0")[1:].replace("−", "-")
        return Fraction(digits) * Fraction(10) ** int(exponent) if abs(int(exponent)) <= _MAX_DIGITS + 16 else None
    if (over := match["over"]) is not None:
        under = int(match["under"])
        return int(match["whole"] or 0) + Fraction(int(over), under) if under else None
    if (vulgar := match["vulgar"]) is not None:
        return int(match["units"] or 0) + Fraction(*VULGAR[vulgar])
    if (root := match["root"]) is not None:
        degree = {"√": 2, "∛": 3, "∜": 4}[root]
        return int(match["coefficient"] or 1) * Fraction(float(match["radicand"]) ** (1 / degree))
    return Fraction(pi)


def _exponent(match: re.Match[str]) -> int:
    return int((match["up"] or match["high"].translate(_SUPERSCRIPTS)).replace("−", "-"))


def plain_number(value: Fraction | int) -> int | float | None:
    if isinstance(value, int):
        return value
    if value.denominator == 1:
        return value.numerator
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) else None


def _number(value: float) -> int | float:
    return int(value) if value.is_integer() else value


def _is_accounting(text: str, match: re.Match[str], start: int, end: int) -> bool:
    """Whether the number alone stands in parentheses where no other number goes before: a loss in accounts."""
    if match["sign"] or match["sign2"] or text[start - 1 : start] != "(" or text[end : end + 1] != ")" or start == 0:
        return False
    written = match["magnitude"] or ""
    return bool((match["currency"] or "," in written or "." in written) and not re.search(r"\d", text[: start - 1]))


def _date(text: str, start: int, end: int) -> Found | None:
    digits = [int(each) for each in re.findall(r"\d+", text)]
    if month := re.search(MONTH, text, re.IGNORECASE):
        number = _MONTHS.index(month[0][:3].casefold()) + 1
        year = next((each for each in digits if each > 31), 0)
        day = next((each for each in digits if each <= 31), 0)
        return Found(Quantity("date", (year, number, day)), start, end)
    if digits[0] > 31:
        year, number, day = digits
    elif digits[0] > 12:
        day, number, year = digits
    elif digits[1] > 12:
        number, day, year = digits
    else:  # 05/01/2024 is in May for some and in January for others: compared as it is written
        return Found(Quantity("date", (digits[2], digits[0], digits[1], 0)), start, end)
    if not (1 <= number <= 12 and 1 <= day <= 31):
        return Found(Quantity("version", tuple(digits)), start, end)
    return Found(Quantity("date", (year, number, day)), start, end)


def _clock(text: str) -> Quantity:
    parts = [int(float(each)) for each in re.findall(r"\d+(?:\.\d+)?", text)]
    meridiem = re.search(r"[ap](?=\.?\s?m)", text, re.IGNORECASE)
    hours = parts[0]
    if meridiem and hours <= 12:
        hours = hours % 12 + (12 if meridiem[0].casefold() == "p" else 0)
    return Quantity("clock", (hours, *parts[1:]) if len(parts) > 1 else (hours, 0))


_GROUPS: Final = re.compile(r"[ \u00a0\u2009\u202f'’_]")
_THOUSANDS: Final = re.compile(r"[1-9]\d{0,2},\d{3}")


def _without_groups(magnitude: str) -> str:
    """A magnitude as Python writes it: no thousands, a decimal point."""
    number = _GROUPS.sub("", magnitude)
    comma, point = number.rfind(","), number.rfind(".")
    if comma < 0:
        return number.replace(".", "") if number.count(".") > 1 else number
    if comma > point and (point >= 0 or number.count(",") == 1) and not _THOUSANDS.fullmatch(number):
        return number.replace(".", "").replace(",", ".")  # a decimal comma
    return number.replace(",", "")
