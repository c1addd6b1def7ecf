"""What the `numeric` scorer compares: a number, or a time, a date, a range, a tuple; and when two are the same."""

from fractions import Fraction
from typing import Literal, NamedTuple, TypeAlias

from scoring.scorers.numbers.units import in_base

Kind: TypeAlias = Literal["number", "clock", "date", "ratio", "range", "tuple", "version", "tolerance"]


class Quantity(NamedTuple):
    """What was read. `values` has one number, but for the kinds that have several; `unit` as `units` names it."""

    kind: Kind
    values: tuple[int | float, ...]
    unit: str | None = None

    def __str__(self) -> str:
        joined = {"clock": ":", "date": "-", "ratio": ":", "range": "–", "version": ".", "tolerance": " ± "}
        return joined.get(self.kind, ", ").join(map(str, self.values)) + (f" {self.unit}" if self.unit else "")


def same(a: Quantity, b: Quantity, *, absolute: float = 1e-6, relative: float = 1e-9) -> bool:
    """Whether two quantities are the same, their numbers within the larger of the two tolerances."""
    if a.kind == "clock" and b.kind == "clock":
        return tuple(a.values) + (0,) * (3 - len(a.values)) == tuple(b.values) + (0,) * (3 - len(b.values))
    if a.kind != b.kind or len(a.values) != len(b.values):
        return False
    if a.kind == "ratio":
        return all(x * b.values[0] == y * a.values[0] for x, y in zip(a.values, b.values, strict=True))
    pairs = list(zip(a.values, b.values, strict=True))
    if a.unit and b.unit and a.unit != b.unit:
        (of_a, _), (of_b, _) = in_base(Fraction(0), a.unit), in_base(Fraction(0), b.unit)
        if of_a != of_b:
            return False
        pairs = [(float(in_base(Fraction(x), a.unit)[1]), float(in_base(Fraction(y), b.unit)[1])) for x, y in pairs]
        return all(_near(x, y, absolute, max(relative, 1e-9)) for x, y in pairs)
    return all(_near(x, y, absolute, relative) for x, y in pairs)


def _near(a: float, b: float, absolute: float, relative: float) -> bool:
    if a == b:
        return True
    try:
        return abs(a - b) <= max(absolute, relative * max(abs(a), abs(b)))
    except OverflowError:
        return False
