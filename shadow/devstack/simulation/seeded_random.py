"""Reproducible random numbers: draws from a hash of what they depend on."""

import struct
from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")

_DRAWS = struct.Struct("<8Q")


def draws(*depends_on: object) -> tuple[float, ...]:
    """Eight independent numbers in [0, 1), the same whenever `depends_on` is the same."""
    key = "\x1f".join(map(str, depends_on)).encode("utf-8", "surrogatepass")
    return tuple(number / 2**64 for number in _DRAWS.unpack(blake2b(key).digest()))


def pick(options: Sequence[T], draw: float) -> T:
    """The option that `draw` selects. All are equally likely."""
    return options[min(int(draw * len(options)), len(options) - 1)]


def pick_weighted(weights: dict[str, float], draw: float) -> str:
    """The name that `draw` selects, with its weight as its probability. Weights sum to 1."""
    for name, weight in weights.items():
        if draw < weight:
            return name
        draw -= weight
    return next(reversed(weights))
