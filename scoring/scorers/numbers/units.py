"""Units of measurement that stand beside a number: which two are the same, and which convert into each other.

A unit has a dimension (powers of base dimensions: m/s² is length · time⁻²) and an exact size in it. Units of the
same dimension convert into each other. Only units that models write often are known; any other word beside a number
is ignored, so that "3 apples" and "3" are the same answer.
"""

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from math import pi
from typing import Final, NamedTuple

from scoring.scorers.numbers import unit_names

Dimension = tuple[tuple[str, int], ...]


class Unit(NamedTuple):
    """`value` in this unit is `value * size + offset` in the base unit of its dimension."""

    name: str
    dimension: Dimension
    size: Fraction
    offset: Fraction = Fraction(0)

    def in_base(self, value: Fraction) -> Fraction:
        return value * self.size + self.offset


#: Symbols that take the prefixes of the SI: base dimensions, size.
_PREFIXED: Final[Mapping[str, tuple[str, Fraction | int]]] = {
    "m": ("length", 1), "g": ("mass", Fraction(1, 1000)), "s": ("time", 1), "A": ("current", 1),
    "K": ("temperature", 1), "mol": ("amount", 1), "l": ("length3", Fraction(1, 1000)),
    "L": ("length3", Fraction(1, 1000)), "Hz": ("time-1", 1), "N": ("mass length time-2", 1),
    "Pa": ("mass length-1 time-2", 1), "bar": ("mass length-1 time-2", 100_000), "J": ("mass length2 time-2", 1),
    "W": ("mass length2 time-3", 1), "Wh": ("mass length2 time-2", 3600),
    "cal": ("mass length2 time-2", Fraction("4.184")),
    "eV": ("mass length2 time-2", Fraction("1.602176634e-19")), "V": ("mass length2 time-3 current-1", 1),
    "Ω": ("mass length2 time-3 current-2", 1), "F": ("mass-1 length-2 time4 current2", 1), "C": ("current time", 1),
    "T": ("mass time-2 current-1", 1), "B": ("data", 8), "b": ("data", 1), "bit": ("data", 1), "byte": ("data", 8),
    "Bq": ("time-1 decays", 1), "Sv": ("dose", 1), "lm": ("light", 1), "cd": ("light2", 1), "rad": ("angle", 1),
    "bps": ("data time-1", 1), "Bps": ("data time-1", 8), "ohm": ("mass length2 time-3 current-2", 1),
}  # fmt: skip
_PREFIXES: Final = {
    "f": -15, "p": -12, "n": -9, "µ": -6, "μ": -6, "u": -6, "m": -3, "c": -2, "d": -1, "h": 2, "k": 3, "M": 6, "G": 9,
    "T": 12, "P": 15,
}  # fmt: skip
#: All others, and those that would be read as another unit with a prefix: base dimensions, size.
_PLAIN: Final[Mapping[str, tuple[str, Fraction | int | str]]] = {
    "min": ("time", 60), "h": ("time", 3600), "d": ("time", 86_400), "day": ("time", 86_400), "week": ("time", 604_800),
    "month": ("months", 1), "year": ("months", 12), "decade": ("months", 120), "century": ("months", 1200),
    "inch": ("length", "0.0254"), "in": ("length", "0.0254"), "ft": ("length", "0.3048"), "yd": ("length", "0.9144"),
    "mi": ("length", "1609.344"), "nmi": ("length", 1852), "ly": ("length", 9_460_730_472_580_800),
    "pc": ("length", 30_856_775_814_913_673), "AU": ("length", 149_597_870_700), "Å": ("length", "1e-10"),
    "ha": ("length2", 10_000), "acre": ("length2", "4046.8564224"), "kn": ("length time-1", Fraction(1852, 3600)),
    "mph": ("length time-1", "0.44704"), "kph": ("length time-1", Fraction(1000, 3600)),
    "t": ("mass", 1000), "oz": ("mass", "0.028349523125"), "lb": ("mass", "0.45359237"), "st": ("mass", "6.35029318"),
    "gal": ("length3", "0.003785411784"), "qt": ("length3", "0.000946352946"), "pt": ("length3", "0.000473176473"),
    "cup": ("length3", "0.0002365882365"), "tbsp": ("length3", "0.00001478676478125"),
    "tsp": ("length3", "0.00000492892159375"), "atm": ("mass length-1 time-2", 101_325),
    "psi": ("mass length-1 time-2", "6894.757293168"), "hp": ("mass length2 time-3", "745.69987158227022"),
    "mmHg": ("mass length-1 time-2", "133.322387415"), "rpm": ("time-1", Fraction(1, 60)), "dB": ("level", 1),
    "dBm": ("level of power", 1), "M": ("amount length-3", 1000), "KiB": ("data", 2**13), "MiB": ("data", 2**23),
    "GiB": ("data", 2**33), "TiB": ("data", 2**43), "%": ("%", 1), "‰": ("%", "0.1"), "bp": ("%", "0.01"),
    "ppm": ("%", "0.0001"), "°": ("angle", Fraction(pi) / 180), "turns": ("angle", Fraction(pi) * 2),
    "pounds": ("pounds", 1),
    "tons": ("tons", 1), "stone": ("mass", "6.35029318"), "¢": ("USD", "0.01"), "pence": ("GBP", "0.01"),
}  # fmt: skip
_WORDS: Final = unit_names.names(unit_names.UNITS)
_MONEY: Final = unit_names.names(unit_names.CURRENCIES)
#: Units that may be meant by one another, so that the same number is the same answer.
_LOOSE: Final = frozenset(
    frozenset(pair)
    for pair in (
        ("pounds", "£"), ("pounds", "GBP"), ("pounds", "lb"), ("tons", "t"), ("°", "°C"), ("°", "°F"), ("peso", "PHP"),
        ("peso", "MXN"), ("kr", "SEK"), ("kr", "NOK"), ("kr", "DKK"), ("¥", "JPY"), ("¥", "CNY"),
    )
)  # fmt: skip
#: Symbols that may also be a magnitude: the number beside them is not the same as the number alone.
_NEVER_OMITTED: Final = frozenset({"K", "T"})
_SYMBOL_OF: Final = {"USD": "$", "EUR": "€", "GBP": "£", "INR": "₹", "KRW": "₩"}
#: Symbols that are also words or letters of a sentence: units only directly behind the number, or where the text ends.
_AMBIGUOUS: Final = frozenset((
    "m", "g", "h", "s", "l", "t", "d", "A", "V", "W", "N", "J", "F", "C", "K", "T", "L", "min", "mi", "bar", "ha",
    "cal", "in", "an", "ans", "pt", "st", "hp", "mes", "ore", "ora", "pie", "pies", "real", "rand", "won", "rs",
    "M", "b", "B", "x", "tag", "grad", "au", "pc", "dia", "ano", "kn", "bit", "lira", "cup",
))  # fmt: skip
#: Single letters behind a space that are no unit: 5 M may be millions or mol/l, 5 B may be billions or bytes.
_NEVER_APART: Final = frozenset({"M", "B", "b", "x", "P", "G", "k"})


def _dimension(text: str) -> Dimension:
    powers: dict[str, int] = {}
    for part in text.split(" ") if text and "of" not in text else [text] * bool(text):
        name = part.rstrip("-0123456789")
        powers[name] = powers.get(name, 0) + int(part[len(name) :] or 1)
    return tuple(sorted(powers.items()))


def _known() -> Iterator[tuple[str, Unit]]:
    for symbol, (dimension, size) in _PREFIXED.items():
        shown = {"L": "l", "μ": "µ"}.get(symbol, symbol)
        yield symbol, Unit(shown, _dimension(dimension), Fraction(size))
        for prefix, power in _PREFIXES.items():
            name = {"μ": "µ", "u": "µ"}.get(prefix, prefix) + shown
            yield prefix + symbol, Unit(name, _dimension(dimension), Fraction(size) * Fraction(10) ** power)
    for symbol, (dimension, exact) in _PLAIN.items():
        yield symbol, Unit(symbol, _dimension(dimension), Fraction(exact))
    for code in _MONEY:
        yield code, Unit(_SYMBOL_OF.get(code, code), ((code, 1),), Fraction(1))
    for name, alias in (
        ("KB", "kB"),
        ("KG", "kg"),
        ("Kg", "kg"),
        ("Km", "km"),
        ("KM", "km"),
        ("Kb", "kb"),
        ("ML", "Ml"),
    ):
        yield name, Unit(alias, *_ALIASED[alias])
    kelvin = _dimension("temperature")
    yield "°C", Unit("°C", kelvin, Fraction(1), Fraction("273.15"))
    yield "°F", Unit("°F", kelvin, Fraction(5, 9), Fraction("459.67") * Fraction(5, 9))
    yield "℃", Unit("°C", kelvin, Fraction(1), Fraction("273.15"))
    yield "℉", Unit("°F", kelvin, Fraction(5, 9), Fraction("459.67") * Fraction(5, 9))


_ALIASED: Final = {
    "kB": (_dimension("data"), Fraction(8000)), "kb": (_dimension("data"), Fraction(1000)),
    "kg": (_dimension("mass"), Fraction(1)), "km": (_dimension("length"), Fraction(1000)),
    "Ml": (_dimension("length3"), Fraction(1000)),
}  # fmt: skip
_KNOWN: Final[Mapping[str, Unit]] = dict(_known())
_BY_WORD: Final[Mapping[str, Unit]] = {
    word: _KNOWN[unit] for table in (_WORDS, _MONEY) for unit, words in table.items() for word in words
} | {code.casefold(): _KNOWN[code] for code in _MONEY}
#: Words and symbols of units, in lower case.
UNIT_WORDS: Final = frozenset((*_BY_WORD, *(symbol for symbol in _KNOWN if symbol.islower())))
#: Words of three and more ASCII letters with one meaning.
SIMPLE_UNITS: Final[Mapping[str, Unit]] = {
    word: unit
    for word, unit in _BY_WORD.items()
    if len(word) > 2 and word.isascii() and word.isalpha() and word not in _AMBIGUOUS
}  # fmt: skip
_CJK_UNITS: Final = sorted(
    (word for word in _BY_WORD if re.match(r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]", word)), key=len, reverse=True
)

_RAISED: Final = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺−", "0123456789-+-")
_POWER: Final = r"(?:\^|\*\*)[{(]?[-−]?\d[)}]?|[⁻]?[¹²³⁴⁵⁶]"
_NAME: Final = r"°?[^\W\d_⁰¹²³⁴⁵⁶⁷⁸⁹½¼¾π]{1,14}|[%‰$€£¥₹₩₽₺₫₱₿¢°Ω]|(?:US|CA|AU|HK|NZ)\$"
_TERM: Final = rf"(?:{_NAME})\.?(?:{_POWER})?"
#: A unit: symbols or words with powers, joined by · * / or "per".
_UNIT: Final = re.compile(
    rf"(?:(?P<raised>square|cubic|sq\.?|cu\.?|quadrat"
    rf"|kubik)[ ])?(?P<first>{_NAME})(?P<power>{_POWER})?(?P<squared>[ ](?:squared|cubed)\b)?"
    rf"(?P<rest>(?:[ ]?[·⋅*/][ ]?(?:{_NAME})(?:{_POWER})?|[ ](?:{_NAME})(?:\^[{{(]?[-−]\d[)}}]?|⁻[¹²³⁴]))*)"
    r"(?P<per>[ ](?:per|pro|por|par|je)[ ](?P<over>[^\W\d_]{1,14}))?",
    re.IGNORECASE,
)
_FACTOR: Final = re.compile(rf"[ ]?(?P<by>[·⋅*/]|[ ])[ ]?(?P<name>{_NAME})(?P<power>{_POWER})?")
_SCALE_OF: Final = re.compile(r"[ ](?:celsius|centigrade|fahrenheit|c|f)\b", re.IGNORECASE)
_PER_CENT: Final = re.compile(r"(?:per cent|pour cent|por ciento|por cento|per cento)\b", re.IGNORECASE)
_RATE: Final = re.compile(r"(?:[ ]?/[ ]?|[ ](?:per|an?|each|every)[ ])(?P<over>[^\W\d_]{1,14})", re.IGNORECASE)
_BASIS_POINTS: Final = re.compile(r"(?:basis points?|bps)\b")
_ENDS: Final = " .,;:!?)]}*_$\n\"'"
#: Words behind which a single letter is a unit: 5 m tall, 3 l of milk.
_MEASURED: Final = re.compile(r" (?:of|in|long|tall|high|wide|deep|away|from|per|each|and|or|for|at|to|on|is)\b| \d")


def unit_at(text: str, at: int) -> tuple[Unit, int] | None:
    """The unit at that place in `text`, and where it ends. One space or a hyphen may stand before it."""
    gap = text[at : at + 1]
    start = at + (gap in (" ", "\u00a0", "\u202f", "\u2009", "-"))
    if "\u3040" <= text[start : start + 1] <= "\ud7af":
        return next(((_BY_WORD[word], start + len(word)) for word in _CJK_UNITS if text.startswith(word, start)), None)
    if found := _PER_CENT.match(text, start):
        return _KNOWN["%"], found.end()
    if found := _BASIS_POINTS.match(text, start):
        return _KNOWN["bp"], found.end()
    found = _UNIT.match(text, start)
    if found is None:
        return None
    first, end = found["first"], found.end("first")
    joined = bool(found["power"] or found["rest"])
    is_last = start == at or joined or not text[end : end + 2].strip(_ENDS) or bool(_MEASURED.match(text, end))
    unit = _named(first, is_last=is_last, apart=start > at and gap != "-")
    if unit is None:
        return None
    if unit.name == "°" and (scale := _SCALE_OF.match(text, end)):
        return _KNOWN["°" + scale[0].strip()[0].upper()], scale.end()
    if (raised := found["raised"]) is not None:
        unit = _raised(unit, 3 if raised.casefold() in ("cubic", "cu", "cu.", "kubik") else 2)
    elif found["power"]:
        unit, end = _raised(unit, _exponent(found["power"])), found.end("power")
    elif found["squared"]:
        unit, end = _raised(unit, 3 if found["squared"].strip().casefold() == "cubed" else 2), found.end("squared")
    over = False
    at_factor = end
    while factor := _FACTOR.match(text, at_factor):
        if at_factor >= found.end("rest"):
            break
        other = _named(factor["name"], is_last=True, apart=False)
        if other is None:
            return None if unit.dimension and unit.dimension[0][0] not in _MONEY else (unit, end)
        over = over or factor["by"] == "/"
        other = _raised(other, _exponent(factor["power"] or "1") * (-1 if over else 1))
        unit, end = _product(unit, other), factor.end()
        at_factor = end
    if found["per"] and end == found.start("per") and (other := _named(found["over"], is_last=True, apart=False)):
        unit, end = _product(unit, _raised(other, -1)), found.end("per")
    return unit, end


def rate_at(text: str, at: int) -> tuple[Unit, int] | None:
    """What a number or amount of money is divided by, at that place: "/hour", " per day"."""
    found = _RATE.match(text, at)
    unit = _named(found["over"], is_last=True, apart=False) if found else None
    return (_raised(unit, -1), found.end()) if found and unit else None


def currency(written: str) -> Unit | None:
    """The currency that a sign or code names."""
    return _BY_WORD.get(written.casefold())


def product(a: Unit, b: Unit) -> Unit:
    return _product(a, b)


def omitted(unit: Unit) -> bool:
    """Whether an answer may leave the unit out: 5 is the same as 5 km, but not as 5 K."""
    return unit.name not in _NEVER_OMITTED


def interchangeable(a: Unit, b: Unit) -> bool:
    """Whether one may be written for the other: "pounds" for £ as well as for lb."""
    return frozenset((a.name, b.name)) in _LOOSE


@lru_cache(maxsize=512)
def _named(word: str, *, is_last: bool, apart: bool) -> Unit | None:
    if word in _KNOWN:
        if apart and word in _NEVER_APART:
            return None
        if is_last or word not in _AMBIGUOUS:
            return _KNOWN[word]
        return None
    folded = word.casefold()
    if folded in _AMBIGUOUS and not is_last:
        return None
    return _BY_WORD.get(folded)


def _exponent(text: str) -> int:
    return int(text.translate(_RAISED).strip("^*{}()") or 1)


def _raised(unit: Unit, power: int) -> Unit:
    if power == 1:
        return unit
    dimension = tuple((name, of * power) for name, of in unit.dimension)
    name = f"{unit.name}{''.join('⁰¹²³⁴⁵⁶⁷⁸⁹'[int(d)] if d != '-' else '⁻' for d in str(power))}"
    return Unit(name, dimension, unit.size**power)


def _product(a: Unit, b: Unit) -> Unit:
    powers = dict(a.dimension)
    for name, power in b.dimension:
        powers[name] = powers.get(name, 0) + power
    dimension = tuple(sorted((name, power) for name, power in powers.items() if power))
    return Unit(f"{a.name}·{b.name}", dimension, a.size * b.size)
