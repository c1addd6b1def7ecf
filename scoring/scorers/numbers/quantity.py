"""What the `numeric` scorer compares: a number, or a time, a date, a range, a tuple; and when two are the same."""

from fractions import Fraction
from typing import Literal, NamedTuple, TypeAlias

from scoring.scorers.numbers.units import Unit, interchangeable, omitted

Kind: TypeAlias = Literal[
    "number", "code", "clock", "date", "moment", "ratio", "range", "tuple", "version", "tolerance", "year BC"
]
#: `least` and `most` are words ("at least 5"), which may be left out; the signs may not.
Bound: TypeAlias = Literal["<", "≤", ">", "≥", "least", "most"]

_JOINED: dict[str, str] = {"clock": ":", "date": "-", "ratio": ":", "range": "–", "version": ".", "tolerance": " ± "}
_MEANT: dict[Bound | None, str] = {"least": "≥", "most": "≤"}


class Quantity(NamedTuple):
    """What was read. `values` has one number, but for the kinds that have several.

    `parts` has the quantities of a tuple or range, and `brackets` what encloses a tuple: [1, 5) is not (1, 5).
    """

    kind: Kind
    values: tuple[int | float, ...]
    unit: Unit | None = None
    bound: Bound | None = None
    parts: tuple["Quantity", ...] = ()
    brackets: str = ""

    def __str__(self) -> str:
        joint = _JOINED.get(self.kind, ", ")
        inner = joint.join(map(str, self.parts or self.values))
        opened, closed = self.brackets[:1], self.brackets[1:]
        bound = f"{self.bound} " if self.bound else ""
        return f"{bound}{opened}{inner}{closed}" + (f" {self.unit.name}" if self.unit else "")


def several(kind: Kind, parts: tuple[Quantity, ...], *, brackets: str = "") -> Quantity:
    """A quantity that consists of others."""
    return Quantity(kind, tuple(value for part in parts for value in part.values), parts=parts, brackets=brackets)


def same(a: Quantity, b: Quantity, *, absolute: float | None = None, relative: float | None = None) -> bool:
    """Whether two quantities are the same.

    Without tolerances whole numbers must be equal, and other numbers within rounding: 1e-6, or a millionth of
    the larger if that is less.
    """
    if a.kind != b.kind or not _same_bound(a.bound, b.bound):
        return False
    if a.kind == "clock":
        length = max(len(a.values), len(b.values))
        padded = [tuple(each.values) + (0,) * (length - len(each.values)) for each in (a, b)]
        return padded[0] == padded[1] and (a.unit is None or b.unit is None or a.unit == b.unit)
    if a.parts or b.parts:
        if len(a.parts) != len(b.parts) or (a.brackets and b.brackets and a.brackets != b.brackets):
            return False
        return all(same(x, y, absolute=absolute, relative=relative) for x, y in zip(a.parts, b.parts, strict=True))
    if len(a.values) != len(b.values):
        return False
    if a.kind == "ratio":
        return all(x * b.values[0] == y * a.values[0] for x, y in zip(a.values, b.values, strict=True))
    return all(_same_number(x, a.unit, y, b.unit, absolute, relative) for x, y in zip(a.values, b.values, strict=True))


def _same_bound(a: Bound | None, b: Bound | None) -> bool:
    if a == b:
        return True
    if a is None or b is None:
        return (a or b) in ("least", "most")
    return _MEANT.get(a, a) == _MEANT.get(b, b)


def _same_number(
    x: float, of_x: Unit | None, y: float, of_y: Unit | None, absolute: float | None, relative: float | None
) -> bool:
    if of_x is None or of_y is None:
        unit = of_x or of_y
        if unit is None or omitted(unit):
            if _near(x, y, absolute, relative):
                return True
            if unit is not None and unit.name == "%":  # 50% = 0.5
                share, plain = (x, y) if of_x else (y, x)
                return _near(float(Fraction(share) / 100), plain, absolute, relative)
        return False
    if of_x == of_y or interchangeable(of_x, of_y):
        return _near(x, y, absolute, relative)
    if of_x.dimension != of_y.dimension:
        return _without_rate(of_x, of_y) and _near(x, y, absolute, relative)
    a, b = of_x.in_base(Fraction(x)), of_y.in_base(Fraction(y))
    if a == b:
        return True
    return _near(float(a), float(b), absolute, max(relative or 0.0, 1e-9))


def _without_rate(a: Unit, b: Unit) -> bool:
    """Whether one is the other without what it is divided by: $5 for "$5 per hour"."""
    shorter, longer = sorted((dict(a.dimension), dict(b.dimension)), key=len)
    return (
        len(shorter) == 1
        and len(longer) > 1
        and all(name.isupper() for name in shorter)  # money
        and all(longer.get(name) == power for name, power in shorter.items())
        and all(power < 0 for name, power in longer.items() if name not in shorter)
    )


def _near(a: float, b: float, absolute: float | None, relative: float | None) -> bool:
    if a == b:
        return True
    is_whole = isinstance(a, int) and isinstance(b, int)
    try:
        largest = max(abs(a), abs(b))
        allowed = 0.0 if is_whole else max(min(1e-6, 1e-6 * largest), 4e-16 * largest)
        return abs(a - b) <= max(allowed, absolute or 0.0, (relative or 0.0) * largest)
    except OverflowError:
        return False
