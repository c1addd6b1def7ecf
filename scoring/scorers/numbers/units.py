"""Units of measurement that stand beside a number: which two are the same, and which convert into each other.

Only units that models write often are known. Any other word beside a number is ignored, so that
"3 apples" and "3" are the same answer. So is a word with two meanings, such as "pounds" or "degrees".
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Final

#: Dimension -> unit -> size in the dimension's base unit. Sizes are exact.
_SIZES: Final[Mapping[str, Mapping[str, Fraction | int]]] = {
    "length": {
        "nm": Fraction(1, 10**9), "µm": Fraction(1, 10**6), "mm": Fraction(1, 1000), "cm": Fraction(1, 100),
        "dm": Fraction(1, 10), "m": 1, "km": 1000, "inch": Fraction(254, 10_000), "ft": Fraction(3048, 10_000),
        "yd": Fraction(9144, 10_000), "mi": Fraction(1_609_344, 1000),
    },
    "area": {"mm²": Fraction(1, 10**6), "cm²": Fraction(1, 10**4), "m²": 1, "ha": 10_000, "km²": 10**6,
             "ft²": Fraction(3048, 10_000) ** 2, "inch²": Fraction(254, 10_000) ** 2,
             "mi²": Fraction(1_609_344, 1000) ** 2,
             "acre": Fraction(40_468_564_224, 10**7)},
    "volume": {"ml": Fraction(1, 1000), "cl": Fraction(1, 100), "dl": Fraction(1, 10), "l": 1, "cm³": Fraction(1, 1000),
               "m³": 1000, "ft³": Fraction(3048, 1000) ** 3},
    "mass": {"µg": Fraction(1, 10**6), "mg": Fraction(1, 1000), "g": 1, "kg": 1000, "t": 10**6,
             "oz": Fraction(28_349_523_125, 10**9), "lb": Fraction(45_359_237, 10**5)},
    "time": {"ns": Fraction(1, 10**9), "µs": Fraction(1, 10**6), "ms": Fraction(1, 1000), "s": 1, "min": 60, "h": 3600,
             "day": 86_400, "week": 604_800},
    "months": {"month": 1, "year": 12, "decade": 120, "century": 1200},
    "data": {"bit": Fraction(1, 8), "B": 1, "kB": 1000, "MB": 10**6, "GB": 10**9, "TB": 10**12, "PB": 10**15,
             "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40},
    "speed": {"m/s": Fraction(36, 10), "km/h": 1, "mph": Fraction(1_609_344, 10**6)},
    "share": {"%": 1, "‰": Fraction(1, 10)},
    "usd": {"$": 100, "¢": 1}, "eur": {"€": 1}, "gbp": {"£": 1}, "jpy": {"¥": 1}, "inr": {"₹": 1}, "krw": {"₩": 1},
    "chf": {"CHF": 1}, "celsius": {"°C": 1}, "fahrenheit": {"°F": 1},
    "voltage": {"mV": Fraction(1, 1000), "V": 1, "kV": 1000}, "current": {"mA": Fraction(1, 1000), "A": 1},
    "power": {"W": 1, "kW": 1000, "MW": 10**6, "GW": 10**9},
    "energy": {"J": 1, "kJ": 1000, "MJ": 10**6, "Wh": 3600, "kWh": 3_600_000,
               "cal": Fraction(4184, 1000), "kcal": 4184},
    "frequency": {"Hz": 1, "kHz": 1000, "MHz": 10**6, "GHz": 10**9},
    "pressure": {"Pa": 1, "kPa": 1000, "bar": 100_000}, "force": {"N": 1, "kN": 1000},
}  # fmt: skip

#: How units are written, beside their symbols. Words are compared without case.
_WORDS: Final[Mapping[str, str]] = {
    "nm": "nanometer nanometers nanometre nanometres", "mm": "millimeter millimeters millimetre millimetres",
    "cm": "centimeter centimeters centimetre centimetres", "m": "meter meters metre metres",
    "km": "kilometer kilometers kilometre kilometres", "inch": "inch inches", "ft": "foot feet", "yd": "yard yards",
    "mi": "mile miles", "ha": "hectare hectares", "acre": "acre acres",
    "ml": "milliliter milliliters millilitre millilitres", "l": "liter liters litre litres",
    "mg": "milligram milligrams", "g": "gram grams", "kg": "kilogram kilograms kilo kilos", "t": "tonne tonnes",
    "oz": "ounce ounces", "lb": "lbs", "ms": "millisecond milliseconds", "s": "second seconds sec secs",
    "min": "minute minutes mins", "h": "hour hours hr hrs", "day": "day days", "week": "week weeks",
    "month": "month months", "year": "year years yr yrs", "decade": "decade decades", "century": "century centuries",
    "bit": "bit bits", "B": "byte bytes", "kB": "kilobyte kilobytes", "MB": "megabyte megabytes",
    "GB": "gigabyte gigabytes", "TB": "terabyte terabytes", "km/h": "kmh kph", "%": "percent pct",
    "$": "dollar dollars usd", "¢": "cent cents", "€": "euro euros eur", "£": "gbp", "¥": "yen jpy yuan cny rmb",
    "₹": "rupee rupees inr rs", "₩": "krw", "CHF": "chf francs", "V": "volt volts", "A": "ampere amperes amp amps",
    "W": "watt watts", "kW": "kilowatt kilowatts", "J": "joule joules",
    "kcal": "kilocalorie kilocalories", "cal": "calorie calories", "Hz": "hertz", "N": "newton newtons",
    "Pa": "pascal pascals",
}  # fmt: skip

#: Of which dimension a unit is, and its size there.
_KNOWN: Final = {
    unit: (dimension, Fraction(size)) for dimension, units in _SIZES.items() for unit, size in units.items()
}
_BY_WORD: Final = {word: unit for unit, words in _WORDS.items() for word in words.split()}
#: Symbols that are also words or letters of a sentence: units only directly behind the number, or where the text ends.
_AMBIGUOUS: Final = frozenset(
    {"m", "g", "h", "s", "l", "t", "A", "V", "W", "N", "J", "B", "min", "mi", "bar", "ha", "cal"}
)


def unit_of(word: str, *, is_last: bool) -> str | None:
    """The unit that `word` names, or None. `is_last`: nothing but punctuation follows, or nothing came between."""
    if word in _KNOWN:
        return word if is_last or word not in _AMBIGUOUS else None
    return _BY_WORD.get(word.casefold())


def in_base(value: Fraction, unit: str) -> tuple[str, Fraction]:
    """The unit's dimension, and `value` in the base unit of that dimension."""
    dimension, size = _KNOWN[unit]
    return dimension, value * size
