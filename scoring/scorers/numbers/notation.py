"""How one quantity is written: a number with all that belongs to it, a time, a date, a ratio.

What stands beside the digits belongs to the number: signs, groups of thousands, fractions, powers of ten, words
of magnitude, accounting parentheses, units. A quantity that is only partly understood raises `Unreadable`,
so that two answers are never compared by the part that was read.

Whole numbers are exact at any length. All others are floats, as exact as those are.
"""

import re
from collections.abc import Mapping
from fractions import Fraction
from math import isfinite, pi
from typing import Final, NamedTuple

from scoring.scorers.numbers import dates
from scoring.scorers.numbers.dates import MONTH
from scoring.scorers.numbers.quantity import Kind, Quantity, several
from scoring.scorers.numbers.units import Unit, currency, product, rate_at, unit_at
from scoring.scorers.scorer import Unreadable

#: Longest number that is read, in digits: a float's range, and no work that a long text could make.
_MAX_DIGITS: Final = 308

SPACE: Final = "[ \u00a0\u2009\u202f]"
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
#: Signs and codes of currencies before a number.
CURRENCY: Final = (
    r"(?:(?<![A-Z])(?:US|CA|AU|HK|NZ|NT|MX|SG|A|C|R|S)?\$|[€£¥₹₩₽₺₫₱₿₴₦₪₡฿₸]|(?-i:\b(?:USD|EUR|GBP|JPY|CNY|INR|KRW|CHF"
    r"|RUB|PLN|CZK|SEK|NOK|DKK|HUF|AUD|CAD|HKD|NZD|SGD|TWD|MXN|BRL|ZAR|AED|SAR|IDR|THB|VND|PHP|ILS|BTC|ETH|Kč|Rs\.?)))"
)
QUANTITY: Final = re.compile(
    rf"""
    (?P<date>(?<![\d./-])\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}(?![\d/-]|\.\d)
      |(?<![\d./-])\d{{1,2}}[-/.]\d{{1,2}}[-/.]\d{{4}}(?![\d/-]|\.\d)
      |(?<!\w)\d{{1,2}}(?:st|nd|rd|th|er|º|ª)?\.?(?:{SPACE}|-)(?:of{SPACE}|de{SPACE}|d['’])?{MONTH}
         (?:(?:,?{SPACE}|-)(?:de{SPACE}|del{SPACE}|of{SPACE})?\d{{4}}\b)?
      |(?=[^\W\d_])(?<!\w){MONTH}{SPACE}\d{{1,2}}(?:st|nd|rd|th)?\b(?!{SPACE}?[:.]\d)(?:,?{SPACE}\d{{4}}\b)?
      |(?=[^\W\d_])(?<!\w){MONTH}{SPACE}\d{{4}}\b
      |\d{{4}}[年년]{SPACE}?\d{{1,2}}[月월](?:{SPACE}?\d{{1,2}}[日일])?)
    |(?P<clock>(?<![\d:.])\d{{1,2}}:[0-5]\d(?::[0-5]\d(?:\.\d+)?)?(?![\d:])(?:{SPACE}?[ap]\.?{SPACE}?m\b\.?)?
      |(?<![\d:.,])\d{{1,2}}{SPACE}?[ap]\.?m\b\.?)
    |(?P<ratio>(?<![\w:.,])\d{{1,15}}(?:\.\d{{1,9}})?(?:{SPACE}?:{SPACE}?\d{{1,15}}(?:\.\d{{1,9}})?){{1,4}}(?![\d:]))
    |(?P<coded>(?<!\w)0(?:x[0-9a-f]{{1,64}}|b[01]{{1,256}}|o[0-7]{{1,100}})\b(?!\.\d))
    |(?P<quarter>(?<!\w)Q[1-4][ ,']{{0,2}}\d{{4}}\b)
    |(?P<feet>(?<![\w.,])\d{{1,3}})['′’]{SPACE}?(?P<inches>\d{{1,2}}(?:\.\d{{1,4}})?)(?:["″”]|'')
    |(?P<version>(?<![\d.])(?:v\.?)?(?!\d{{1,3}}(?:\.\d{{3}})+(?![\d.]))\d{{1,5}}(?:\.\d{{1,5}}){{2,5}}(?![\d,]|\.\d))
    |(?P<sign>(?<![\w)\]%½])(?<![\d)\]%]{SPACE})[-−–+](?:{SPACE}(?=[$€£¥₹₩]))?|\b(?:minus|negative){SPACE})?
     (?:(?P<currency>{CURRENCY}){SPACE}?(?P<sign2>[-−])?)?(?<!\w)(?<!\d\.)
     (?:(?:(?P<coefficient>\d{{1,15}}){SPACE}?)?(?P<root>[√∛∜]){SPACE}?\(?(?P<radicand>\d{{1,15}}(?:\.\d{{1,15}})?)\)?
      |(?:(?P<whole>\d{{1,15}}){SPACE}(?:and{SPACE}(?=\d/\d))?)?(?P<over>\d{{1,30}})[/⁄](?P<under>\d{{1,30}})(?![\d/]|[.,]\d)
      |(?:(?P<units>\d{{1,15}}){SPACE}?)?(?P<vulgar>{_VULGARS})
      |(?P<magnitude>{_MAGNITUDE})(?P<exponent>e[-+−]?\d{{1,4}}(?!\w|\.\d))?
      |(?P<constant>π))
    """,
    re.IGNORECASE | re.VERBOSE,
)
#: Behind a number: times a power of ten, a power, π, and words of magnitude.
_SUPERSCRIPTS: Final = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_RAISED: Final = r"(?:\^|\*\*)[ ]?\(?(?P<{0}>[-−+]?\d{{1,5}})\)?|(?P<{1}>[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{{1,5}})"
_TEN: Final = re.compile(rf"{SPACE}?[×x*·✕⋅]{SPACE}?10{SPACE}?(?:{_RAISED.format('up', 'high')})(?![\d^.]\d|\^)")
_POWER: Final = re.compile(rf"{SPACE}?(?:{_RAISED.format('up', 'high')})(?!\.?\d|\^)")
_PI: Final = re.compile(rf"{SPACE}?(?:[×*·]{SPACE}?)?π")
#: Words of magnitude, by their factor.
_WORDS_OF: Final[Mapping[int | Fraction, str]] = {
    Fraction(1, 10): "tenth tenths",
    Fraction(1, 100): "hundredth hundredths",
    Fraction(1, 1000): "thousandth thousandths",
    Fraction(1, 1000000): "millionth millionths",
    Fraction(1, 1000000000): "billionth billionths",
    12: "dozen dozens dutzend",
    100: "hundred hundert सौ",
    10**3: "k thousand thousands tausend mille mil mila duizend tusen tusind tysiąc tysiące tysięcy tys bin "
    "тысяча тысячи тысяч тыс ألف آلاف हज़ार हजार ribu nghìn ngàn tuhat tuhatta χιλιάδες",
    10**5: "lakh lakhs lac lacs लाख",
    10**6: "m mm mn mln mio million millions millionen millones millón milhão milhões milione milioni miljoen "
    "miljoonaa miljoner milyon milion miliony milionów млн миллион миллиона миллионов مليون ملايين juta "
    "triệu εκατομμύρια",
    10**7: "crore crores करोड़ करोड़",
    10**9: "b bn bln billion billions mrd mld milliarde milliarden milliard milliards miliardo miliardi "
    "miljard miljarder milyar miliard miliardy miliardów bilhão bilhões млрд миллиард миллиарда "
    "миллиардов مليار miliar tỷ",
    10**12: "t tn trn trillion trillions trilhão trilhões триллион triliun",
    10**15: "quadrillion quadrillions",
    10**18: "quintillion quintillions",
}  # fmt: skip
SCALES: Final[Mapping[str, Fraction]] = {
    word: Fraction(factor) for factor, words in _WORDS_OF.items() for word in words.split()
}
_SCALE: Final = re.compile(
    rf"(?P<gap>{SPACE}|-)?(?P<word>(?:[^\W\d_][़\u093c\u0902\u093e-\u094d]*){{1,12}})\.?(?![\w/²³^])"
)
#: The same in scripts that write them directly behind the number.
_CJK_SCALES: Final = {
    "万": 10**4,
    "萬": 10**4,
    "만": 10**4,
    "亿": 10**8,
    "億": 10**8,
    "억": 10**8,
    "千": 1000,
    "천": 1000,
    "百": 100,
    "兆": 10**12,
    "조": 10**12,
}
_HALF: Final = re.compile(r"[ ](?:and[ ](?:a|one)[ ]half|et[ ]demie?|y[ ]media?|e[ ]mezz[ao])\b", re.IGNORECASE)
#: First characters of what a number may be raised or multiplied by, and of the units that are no words.
_RAISES: Final = "×x*·✕⋅^⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺π"
_SIGNS: Final = "°%‰$€£¥₹₩₽₺₫₱₿¢Ω℃℉/'\"″′-"
#: Single letters are magnitudes only directly behind the digits: 5 m is a length, $5m and 5M are millions.
_LETTERS: Final = frozenset("KMBT")
_YEAR_DIGITS: Final = 4
_INCH: Final = Unit("inch", (("length", 1),), Fraction("0.0254"))
_FEET: Final = Unit("ft", (("length", 1),), Fraction("0.3048"))
_BEFORE_CHRIST: Final = re.compile(r"[ ](?:BCE?\b|B\.C\.(?:E\.)?|v\.[ ]?Chr\.|av\.[ ]?J\.-C\.|a\.[ ]?C\.)")
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
        return Found(dates.date(date), start, end)
    if (clock := match["clock"]) is not None:
        if zone := dates.zone_at(text, end):
            return Found(dates.clock(clock)._replace(unit=zone[0]), start, zone[1])
        return Found(dates.clock(clock), start, end)
    if (ratio := match["ratio"]) is not None:
        return Found(Quantity("ratio", tuple(whole_or_float(float(part)) for part in ratio.split(":"))), start, end)
    if (coded := match["coded"]) is not None:
        return Found(Quantity("number", (int(coded, 0),)), start, end)
    if (version := match["version"]) is not None:
        return Found(Quantity("version", tuple(map(int, version.lstrip("vV.").split(".")))), start, end)
    if (quarter := match["quarter"]) is not None:
        return Found(Quantity("date", (int(quarter[-4:]), int(quarter[1]))), start, end)
    if (feet := match["feet"]) is not None:
        return Found(Quantity("number", (whole_or_float(12 * int(feet) + float(match["inches"])),), _INCH), start, end)
    if (
        _PAIR.fullmatch(match["magnitude"] or "")
        and start
        and text[start - 1] in "(["
        and text[end : end + 1] in (")", "]")
    ):
        first, second = map(int, match["magnitude"].split(","))
        pair = (-first if match["sign"] in ("-", "−") else first, second)
        parts = tuple(Quantity("number", (part,)) for part in pair)
        return Found(several("tuple", parts, brackets=text[start - 1] + text[end]), start - 1, end + 1)
    return _scaled(text, match)


def _scaled(text: str, match: re.Match[str]) -> Found | None:
    """A number with what stands before and behind it. None where no finite number is that large, or it divides by 0."""
    value = _core(match)
    if value is None:
        return None
    end = match.end()
    currency_of = currency(match["currency"]) if match["currency"] else None
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
    if behind in _CJK_SCALES and behind:
        while (factor := _CJK_SCALES.get(text[end : end + 1])) is not None:
            value, end = value * factor, end + 1
        behind = text[end : end + 2].lstrip()[:1]
    elif behind.isalpha() or behind == "-":
        value, end = _magnified(text, value, end, is_money=currency_of is not None)
        behind = text[end : end + 2].lstrip()[:1]
    unit = currency_of
    if (behind.isalpha() or (behind in _SIGNS and behind)) and (found := _unit_behind(text, end, unit, match)):
        unit, end = found
    negative = (match["sign"] or "").strip().casefold() in ("-", "−", "–", "minus", "negative") or bool(match["sign2"])
    start = match.start()
    if _is_accounting(text, match, start, end):
        negative, start, end = True, start - 1, end + 1
    if (result := plain_number(-value if negative else value)) is None:
        return None
    kind: Kind = "number"
    if unit is None and (written := match["magnitude"] or "")[:1] == "0" and len(written) > 1 and written.isdecimal():
        return Found(Quantity("code", (result, len(written)), unit), start, end)  # 007
    if unit is None and (era := _BEFORE_CHRIST.match(text, end)):
        kind, end = "year BC", era.end()
    return Found(Quantity(kind, (result,), unit), start, end)


def _magnified(text: str, value: Fraction | int, end: int, *, is_money: bool) -> tuple[Fraction | int, int]:
    """`value` with the words of magnitude behind it, several of them multiplied, and where they end."""
    while scale := _SCALE.match(text, end):
        word, adjacent = scale["word"], not scale["gap"]
        factor = SCALES.get(word.casefold())
        letter = len(word) <= 1 or word.casefold() == "mm"
        if not factor or (letter and not ((adjacent and (word in _LETTERS or word == "k")) or is_money)):
            break
        value, end = value * factor, scale.end("word")
        if half := _HALF.match(text, end):
            value, end = value + factor / 2, half.end()
        if letter:
            break
    else:
        return value, end
    if half := _HALF.match(text, end):
        value, end = value + Fraction(1, 2), half.end()
        return _magnified(text, value, end, is_money=is_money) if text[end : end + 2].strip() else (value, end)
    return value, end


def _unit_behind(text: str, end: int, money: Unit | None, match: re.Match[str]) -> tuple[Unit | None, int] | None:
    """The unit behind a number, and where it ends. An amount of money has its unit; a rate may follow."""
    symbol = text[end : end + 1]
    if symbol in "'\"″′" and symbol:  # feet and inches, unless they close a quotation
        opened = text[match.start() - 1 : match.start()] if match.start() else ""
        if text[end + 1 : end + 2].isalnum() or opened in ("'", '"') or money or text.count(symbol, 0, end) % 2:
            return None
        return (_FEET if symbol in "'′" else _INCH), end + 1
    found = None
    if money is None or text[end : end + 1] in " -/":
        found = unit_at(text, end) if text[end : end + 1] != "/" else None
        if found and found[0].name in "$€£¥₹₩" and text[found[1] : found[1] + 1].isdigit():
            found = None
    if found and found[0].name == "s" and symbol == "s" and len(match["magnitude"] or "") == _YEAR_DIGITS:
        raise Unreadable("a decade is not read")
    unit, at = (money, end) if money else found or (None, end)
    if (
        money
        and found
        and (code := found[0])
        and code.dimension
        and code.dimension[0][0] in (*money.dimension[0], "USD", "CAD", "AUD", "HKD")
    ):
        unit, at = (code, found[1]) if money.name == "$" else (money, found[1])
    if (
        (unit is None or unit.dimension)
        and (rate := rate_at(text, at))
        and (unit is None or unit.dimension[0][0].isupper())
    ):
        per, at = rate
        unit = product(unit, per) if unit else per
    return (unit, at) if at > end else None


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


def whole_or_float(value: float) -> int | float:
    return int(value) if value.is_integer() else value


def _is_accounting(text: str, match: re.Match[str], start: int, end: int) -> bool:
    """Whether the number alone stands in parentheses where no other number goes before: a loss in accounts."""
    if match["sign"] or match["sign2"] or text[start - 1 : start] != "(" or text[end : end + 1] != ")" or start == 0:
        return False
    written = match["magnitude"] or ""
    return bool((match["currency"] or "," in written or "." in written) and not re.search(r"\d", text[: start - 1]))


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
