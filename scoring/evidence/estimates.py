"""Turns summed statistics into estimates with intervals that are valid under continuous looking.

Two kinds of interval, both valid at all times at once, however often one looks:

* scores of 0 and 1 that were all sampled with the same probability: the exact sequence of
  `scoring.stats.sequential`, from counts;
* everything else, that is scores between 0 and 1 (text similarity, shares of fields) and unequal
  probabilities: bets on sums, `scoring.stats.weighted`, where each pair weighs 1 / its probability.
  For scores that vary little, these are several times narrower than intervals from counts.

The kind depends on the scorer and on the sampling settings, not on the observed numbers. Where a
stream changes its kind (traffic was sampled evenly until a rollout began), each kind errs at most
5% of the time, before and after the change.
"""

from collections.abc import Sequence
from math import isclose
from typing import Final

import msgspec
import numpy as np

from scoring.stats.ceiling import excess_of_counts
from scoring.stats.moments import Moments
from scoring.stats.sequential import ALPHA, Floats, Interval, binomial_intervals
from scoring.stats.weighted import intervals_of_moments
from shadow.aggregates.tally import MICRO, Sums
from shadow.records import RegretSource

#: Decimal places of estimates.
PLACES: Final = 6


class Estimate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A mean with bounds that hold with 95% at all times at once, however often one looks.

    `n` is the number of pairs behind it. `source` is the source of regret; None for other means.
    `interval` says when the bounds are valid, if they are not valid under continuous looking.
    """

    estimate: float
    low: float
    high: float
    n: int
    source: RegretSource | None = None
    interval: str | None = None

    def with_source(self, source: RegretSource | None) -> "Estimate":
        """The same estimate with its source of regret."""
        return msgspec.structs.replace(self, source=source)


def estimates(sums: Sequence[Sums]) -> list[Estimate | None]:
    """The mean of each of `sums`, for numbers in [0, 1]; None where there are no data."""
    lows, highs = _bounds(sums)
    return [_estimate(s, m, *b) for s, m, *b in zip(sums, _means(sums), lows, highs, strict=True)]


def net_estimates(regret: Sequence[Sums], net: Sequence[Sums]) -> list[Estimate | None]:
    """The mean of each net regret, in [-1, 1]; None where there are no data.

    Net regret is regret minus gain (its mirror image). Each of the two gets an interval at half
    of alpha, and the difference of their bounds bounds the difference. Both are usually rare, so this
    is much tighter than an interval for numbers anywhere in [-1, 1].
    """
    gain = [_gain(r, n) for r, n in zip(regret, net, strict=True)]
    lows, highs = _bounds([*regret, *gain], ALPHA / 2)
    (losses_low, gains_low), (losses_high, gains_high) = np.split(lows, 2), np.split(highs, 2)
    means = _means(regret) - _means(gain)
    rows = zip(net, means, losses_low - gains_high, losses_high - gains_low, strict=True)
    return [_estimate(s, *numbers) for s, *numbers in rows]


def difference(a: Sums, b: Sums) -> Estimate | None:
    """Mean of `a` minus mean of `b`, for numbers in [0, 1]; each gets half of alpha. None without data."""
    if not (a.n and b.n):
        return None
    means = _means([a, b])
    lows, highs = _bounds([a, b], ALPHA / 2)
    fewer = a if a.n <= b.n else b
    return _estimate(fewer, means[0] - means[1], lows[0] - highs[1], highs[0] - lows[1])


def excess(sums: Sums, *, binary: bool) -> Estimate | None:
    """Excess disagreement, in [-1, 1], from sums of (agreement - the frontier's agreement with itself + 1) / 2.

    `binary` says that every agreement was 0 or 1, so that the counts can be computed from the sums.
    """
    if not sums.n:
        return None
    if binary and is_equal(sums):
        differing = 4 * (sums.total - sums.squares)  # the value is 1/2 where both agreed or neither did
        of_ceiling = round((sums.total - differing / 2) / MICRO)
        of_candidate = sums.n - of_ceiling - round(differing / MICRO)
        found = excess_of_counts(of_candidate, of_ceiling, sums.n).interval
        low, high = found.low, found.high
    else:
        (half,) = intervals_of_moments([moments(sums)])
        low, high = 1 - 2 * half.high, 1 - 2 * half.low
    return _estimate(sums, 1 - 2 * sums.weighted / sums.weight, low, high)


def from_interval(found: Interval, n: int, *, only: str | None = None) -> Estimate | None:
    """An interval of `scoring.stats` as an estimate; `only` says when it is valid, if not always."""
    if found.estimate is None:
        return None
    middle, low, high = (round(float(x), PLACES) for x in (found.estimate, found.low, found.high))
    return Estimate(estimate=middle, low=low, high=high, n=n, interval=only)


def moments(sums: Sums) -> Moments:
    """The same sums as `Moments`; takes the heaviest weight seen for the heaviest possible one."""
    return Moments.of_sums(sums, smallest_probability=MICRO / max(sums.heaviest, MICRO))


def is_equal(sums: Sums) -> bool:
    """Whether all pairs were sampled with the same probability: then n·Σw² = (Σw)²."""
    return isclose(sums.n * sums.weight_squares * MICRO, sums.weight**2, rel_tol=1e-5)


def is_binary(sums: Sums) -> bool:
    """Whether every number is 0 or 1: only then does each equal its square."""
    return sums.squares == sums.total


def _bounds(sums: Sequence[Sums], alpha: float = ALPHA) -> tuple[Floats, Floats]:
    """The lower and upper bounds of all means; 0 and 1 where there are no data."""
    counted = np.array([is_binary(s) and is_equal(s) for s in sums], dtype=bool)
    lows, highs = np.zeros(len(sums)), np.ones(len(sums))
    if counted.any():
        n = np.array([s.n for s in sums], dtype=float)[counted]
        ones = np.array([s.total / MICRO for s in sums])[counted]
        lows[counted], highs[counted] = binomial_intervals(np.clip(ones, 0, n), n, alpha)
    others = np.flatnonzero(~counted).tolist()
    bets = intervals_of_moments([moments(sums[index]) for index in others], alpha)
    lows[others], highs[others] = [each.low for each in bets], [each.high for each in bets]
    return lows, highs


def _means(sums: Sequence[Sums]) -> Floats:
    """Σwx / Σw of each; 0 where there are no data."""
    return np.array([min(1.0, max(0.0, s.weighted / s.weight)) if s.weight else 0.0 for s in sums])


def _gain(regret: Sums, net: Sums) -> Sums:
    """The sums of gain. A pair has regret or gain but not both, so gain is regret minus net regret."""
    return Sums(
        n=net.n,
        total=regret.total - net.total,
        squares=net.squares - regret.squares,
        weight=net.weight,
        weight_squares=net.weight_squares,
        weighted=regret.weighted - net.weighted,
        weighted_squares=net.weighted_squares - regret.weighted_squares,
        heaviest=net.heaviest,
    )


def _estimate(sums: Sums, mean: float, low: float, high: float) -> Estimate | None:
    if not sums.n:
        return None
    middle, bottom, top = (round(float(x), PLACES) for x in (mean, low, high))
    return Estimate(estimate=middle, low=bottom, high=top, n=sums.n)
