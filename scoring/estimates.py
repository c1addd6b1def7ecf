"""Summed statistics turned into estimates with intervals.

Where every pair had the same chance of being sampled, the interval is the exact sequence of
`scoring.stats.sequential`. Where chances differed, each pair counts for 1 / its chance (the
Horvitz–Thompson ratio Σwx / Σw), and the interval is that of as many equal pairs as the
weights are worth, (Σw)² / Σw²: an approximation, and it says so.
"""

from collections.abc import Sequence
from math import isclose
from typing import Final

import msgspec
import numpy as np

from scoring.stats.sequential import ALPHA, Floats, binomial_intervals
from shadow.tally import MICRO, Sums

APPROXIMATE: Final = "approximate: unequal sampling"


class Estimate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A mean with bounds that hold with 95% at all times at once, however often one looks.

    `n` is the number of pairs it is made from. `interval` is there where the bounds are not
    exact, and says why. For regret, `source` names who knew (joined by + where sources met),
    and `sources` counts the pairs of each where there were several.
    """

    estimate: float
    low: float
    high: float
    n: int
    source: str | None = None
    sources: dict[str, int] | None = None
    interval: str | None = None


def estimates(sums: Sequence[Sums]) -> list[Estimate | None]:
    """The mean of each, for numbers in [0, 1]; None where there is no data."""
    means, sizes = _means(sums), _sizes(sums)
    lows, highs = binomial_intervals(means * sizes, sizes)
    return [_estimate(s, *bounds) for s, *bounds in zip(sums, means, lows, highs, strict=True)]


def net_estimates(regret: Sequence[Sums], net: Sequence[Sums]) -> list[Estimate | None]:
    """The mean of each net regret, in [-1, 1]; None where there is no data.

    Net regret is regret minus gain (its mirror image). Each of the two gets an interval at half
    the error, and their difference is bounded by the difference of the bounds. Both are mostly
    rare, which makes this much tighter than an interval for numbers anywhere in [-1, 1].
    """
    gain = [_difference(r, n) for r, n in zip(regret, net, strict=True)]
    sizes = _sizes(net)
    bounds = [binomial_intervals(_means(side) * sizes, sizes, ALPHA / 2) for side in (regret, gain)]
    (losses_low, losses_high), (gains_low, gains_high) = bounds
    means = _means(regret) - _means(gain)
    rows = zip(net, means, losses_low - gains_high, losses_high - gains_low, strict=True)
    return [_estimate(s, *numbers) for s, *numbers in rows]


def difference(a: Sums, b: Sums) -> Estimate | None:
    """Mean of `a` minus mean of `b`, for numbers in [0, 1]; each gets half the error."""
    if not (a.n and b.n):
        return None
    means, sizes = _means([a, b]), _sizes([a, b])
    lows, highs = binomial_intervals(means * sizes, sizes, ALPHA / 2)
    weakest = a if a.n <= b.n else b
    found = _estimate(weakest, means[0] - means[1], lows[0] - highs[1], highs[0] - lows[1])
    return (
        found
        if found is None or (is_equal(a) and is_equal(b))
        else msgspec.structs.replace(found, interval=APPROXIMATE)
    )


def is_equal(sums: Sums) -> bool:
    """Whether every pair had the same chance of being sampled: then n·Σw² = (Σw)²."""
    return isclose(sums.n * sums.weight_squares * MICRO, sums.weight**2, rel_tol=1e-5)


def _means(sums: Sequence[Sums]) -> Floats:
    """Σwx / Σw of each; 0 where there is no data."""
    return np.array([min(1.0, max(0.0, s.weighted / s.weight)) if s.weight else 0.0 for s in sums])


def _sizes(sums: Sequence[Sums]) -> Floats:
    """How many equal pairs each is worth."""
    return np.array(
        [s.n if is_equal(s) else s.weight**2 / (s.weight_squares * MICRO) if s.n else 0 for s in sums], float
    )


def _difference(regret: Sums, net: Sums) -> Sums:
    """The sums of gain: what is left of regret when net regret is taken off."""
    return Sums(
        n=net.n,
        total=regret.total - net.total,
        weight=net.weight,
        weight_squares=net.weight_squares,
        weighted=regret.weighted - net.weighted,
    )


def _estimate(sums: Sums, mean: float, low: float, high: float) -> Estimate | None:
    if not sums.n:
        return None
    return Estimate(
        estimate=round(float(mean), 6),
        low=round(float(low), 6),
        high=round(float(high), 6),
        n=sums.n,
        interval=None if is_equal(sums) else APPROXIMATE,
    )
