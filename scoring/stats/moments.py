"""Addable sufficient statistics of scores in [0, 1] that were sampled with known probability.

Seven numbers are enough for every bet in this package, so the figures of a year come from the sums
of its hours, and those of the whole from its segments'. They are integers in millionths, like the
rollups they come from: the order of addition does not matter.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = NDArray[np.float64]

MICRO: Final = 1_000_000


class RollupSums(Protocol):
    """The sums that the store keeps per cell: a count, and in millionths sums of x and its weight w."""

    n: int
    total: int
    squares: int
    weight: int
    weight_squares: int
    weighted: int
    weighted_squares: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """n, and in millionths Σx, Σx², Σw, Σw², Σwx, Σ(wx)² of scores x with weights w = 1/probability.

    `heaviest` is the largest weight that a row of this kind can have, in millionths: 1 / the smallest
    inclusion probability. It must be what sampling was *configured* with, not only what was seen,
    because a bet must be placed before the row that it is placed on.
    """

    n: int = 0
    total: int = 0
    squares: int = 0
    weight: int = 0
    weight_squares: int = 0
    weighted: int = 0
    weighted_squares: int = 0
    heaviest: int = MICRO

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(
            n=self.n + other.n,
            total=self.total + other.total,
            squares=self.squares + other.squares,
            weight=self.weight + other.weight,
            weight_squares=self.weight_squares + other.weight_squares,
            weighted=self.weighted + other.weighted,
            weighted_squares=self.weighted_squares + other.weighted_squares,
            heaviest=max(self.heaviest, other.heaviest),
        )

    @classmethod
    def of(cls, values: ArrayLike, inclusion_probabilities: ArrayLike | None = None) -> "Moments":
        """The sums of rows. Raises ValueError unless values are in [0, 1] and probabilities in (0, 1]."""
        x, probability = checked_rows(values, inclusion_probabilities)
        weight = 1 / probability
        return cls(
            n=x.size,
            total=_micros(x),
            squares=_micros(x * x),
            weight=_micros(weight),
            weight_squares=_micros(weight * weight),
            weighted=_micros(x * weight),
            weighted_squares=_micros(x * x * weight * weight),
            heaviest=max(MICRO, round(MICRO * float(weight.max(initial=1.0)))),
        )

    @classmethod
    def of_counts(cls, successes: int, n: int) -> "Moments":
        """The sums of n unweighted 0/1 rows. Raises ValueError unless 0 <= successes <= n."""
        if not 0 <= successes <= n:
            raise ValueError(f"successes must be between 0 and n, not {successes} of {n}")
        ones, rows = successes * MICRO, n * MICRO
        return cls(
            n=n, total=ones, squares=ones, weight=rows, weight_squares=rows, weighted=ones, weighted_squares=ones
        )

    @classmethod
    def of_sums(cls, sums: RollupSums, smallest_probability: float = 1.0) -> "Moments":
        """The sums of a rollup whose rows were sampled with at least `smallest_probability`.

        Raises ValueError where the sums show a smaller probability.
        """
        if not 0 < smallest_probability <= 1:
            raise ValueError(f"smallest_probability must be in (0, 1], not {smallest_probability}")
        heaviest = round(MICRO / smallest_probability)
        # The mean of weights, weighted by themselves, cannot exceed the largest weight.
        if sums.weight_squares * MICRO > sums.weight * heaviest * (1 + 1e-5):
            raise ValueError(f"some rows were sampled with less than smallest_probability {smallest_probability}")
        return cls(
            n=sums.n,
            total=sums.total,
            squares=sums.squares,
            weight=sums.weight,
            weight_squares=sums.weight_squares,
            weighted=sums.weighted,
            weighted_squares=sums.weighted_squares,
            heaviest=heaviest,
        )

    @property
    def estimate(self) -> float | None:
        """The weighted mean; None where there is no row."""
        return self.weighted / self.weight if self.n else None


class Columns(NamedTuple):
    """The sums that a bet needs, of many `Moments` at once, scaled so that the heaviest row weighs 1.

    Arrays of one shape: up = Σwx, weight = Σw, weight2 = Σw², up_squares = Σ(wx)². Σw²x lies
    between `up2_low` and `up2_high`, which are equal where all x are 0 or 1 or all w are equal.
    """

    up: Floats
    weight: Floats
    weight2: Floats
    up_squares: Floats
    up2_low: Floats
    up2_high: Floats


def columns(many: Sequence[Moments]) -> Columns:
    """The columns of many moments: arrays with one entry for each, in their order."""
    n = _column(m.n for m in many)
    heaviest = _column(m.heaviest for m in many) / MICRO
    up = _column(m.weighted for m in many) / MICRO / heaviest
    weight = _column(m.weight for m in many) / MICRO / heaviest
    weight2 = _column(m.weight_squares for m in many) / MICRO / heaviest**2
    up_squares = _column(m.weighted_squares for m in many) / MICRO / heaviest**2
    binary = np.array([m.squares == m.total for m in many], dtype=bool)
    mean = np.divide(weight, n, out=np.zeros_like(weight), where=n > 0)
    # By Cauchy and Schwarz, Σ(w - mean)wx is at most this far from 0.
    slack = np.sqrt(np.maximum(weight2 - weight * mean, 0) * up_squares)
    low = np.maximum(np.maximum(up_squares, up / heaviest), mean * up - slack)
    high = np.maximum(np.minimum(np.minimum(weight2, up), mean * up + slack), low)
    return Columns(
        up, weight, weight2, up_squares, np.where(binary, up_squares, low), np.where(binary, up_squares, high)
    )


def checked_rows(values: ArrayLike, inclusion_probabilities: ArrayLike | None = None) -> tuple[Floats, Floats]:
    """Both as flat arrays of one length; missing probabilities are 1, and a single one applies to all rows.

    Raises ValueError unless values are in [0, 1], probabilities in (0, 1], and the lengths match.
    """
    x = np.asarray(values, dtype=np.float64).ravel()
    if not ((x >= 0) & (x <= 1)).all():
        raise ValueError("values must be in [0, 1]")
    if inclusion_probabilities is None:
        return x, np.ones_like(x)
    probability = np.asarray(inclusion_probabilities, dtype=np.float64).ravel()
    if probability.size == 1:
        probability = np.full_like(x, probability[0])
    if probability.size != x.size:
        raise ValueError(f"{x.size} values but {probability.size} inclusion probabilities")
    if not ((probability > 0) & (probability <= 1)).all():
        raise ValueError("inclusion probabilities must be in (0, 1]")
    return x, probability


def _column(numbers: Iterable[int]) -> Floats:
    return np.array([float(number) for number in numbers])


def _micros(x: Floats) -> int:
    """The sum in millionths; each term is rounded alone, so that the order of terms does not matter."""
    return sum(map(int, np.rint(x * MICRO).tolist()))
