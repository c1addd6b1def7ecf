"""Means of rows that were sampled with known, unequal probabilities, under continuous looking.

Where bad traffic is sampled more often than good traffic, the plain mean of the sample is far from
the mean of the traffic (0.120 instead of 0.028 in the simulation in `tests/simulation`). Each row has
the weight 1/π, where π is the probability with which it was sampled.

`weighted_interval` reads single rows and gives the narrowest interval; `interval_of_moments` reads
addable sums, and is a few per cent wider because it does not know the rows.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from scoring.stats.moments import Floats, Moments, checked_rows, columns
from scoring.stats.sequential import ALPHA, Interval
from scoring.stats.wealth import DEFAULT_BETS, Side, confidence_bounds, log_wealth, log_wealth_of_rows


def weighted_interval(
    values: ArrayLike,
    inclusion_probabilities: ArrayLike,
    alpha: float = ALPHA,
    *,
    smallest_probability: float | None = None,
) -> Interval:
    """The mean over all traffic of scores in [0, 1], from the rows that were sampled.

    Both arrays hold the *sampled* rows; `inclusion_probabilities`, in (0, 1], were stored with each
    row at sampling. Bets on (x − θ)·π_min/π (Horvitz–Thompson through betting:
    Waudby-Smith & Ramdas 2024, Theorem 3, on importance-weighted rows as in Waudby-Smith, Wu,
    Ramdas, Karampatziakis & Mineiro, "Anytime-valid off-policy inference for contextual bandits", 2024), so the
    number of requests need not be known. The order of the rows does not matter.
    `smallest_probability` is the smallest π that sampling is configured with; without it, the smallest
    seen. Raises ValueError for values or probabilities out of range, or lengths that differ.
    """
    x, probability = checked_rows(values, inclusion_probabilities)
    if x.size == 0:
        return Interval(None, 0.0, 1.0, 0)
    smallest = float(probability.min()) if smallest_probability is None else smallest_probability
    if not 0 < smallest <= probability.min():
        raise ValueError(f"smallest_probability {smallest} is above the smallest one in use, {probability.min()}")
    rows, count = np.unique(np.stack([x, smallest / probability]), axis=1, return_counts=True)
    return interval_of_rows(rows[0], rows[1], count.astype(np.float64), alpha)


def interval_of_rows(x: Floats, weight: Floats, count: Floats, alpha: float = ALPHA) -> Interval:
    """The interval from `count` rows with score `x` and `weight` in (0, 1] (flat arrays of one length, not empty)."""
    mass = weight * count
    estimate = float(mass @ x / mass.sum())

    def wealth(theta: Floats, side: Side) -> Floats:
        return np.array(log_wealth_of_rows(float(theta), x, weight, count, DEFAULT_BETS, side))

    low, high = confidence_bounds(wealth, np.array(estimate), alpha)
    return Interval(estimate, float(low), float(high), float(count.sum()))


def interval_of_moments(moments: Moments, alpha: float = ALPHA) -> Interval:
    """As `weighted_interval`, from sums; equal probabilities are a special case."""
    return intervals_of_moments([moments], alpha)[0]


def intervals_of_moments(many: Sequence[Moments], alpha: float = ALPHA) -> list[Interval]:
    """`interval_of_moments` for many segments at once, in their order."""
    seen = [index for index, moments in enumerate(many) if moments.n]
    intervals = [Interval(None, 0.0, 1.0, 0)] * len(many)
    if not seen:
        return intervals
    sums = columns([many[index] for index in seen])
    estimate = sums.up / sums.weight
    # A billionth (2^-30 of the bracket) is far below the precision at which such intervals are read.
    lows, highs = confidence_bounds(
        lambda theta, side: log_wealth(theta, sums, DEFAULT_BETS, side), estimate, alpha, bisections=30
    )
    for index, middle, low, high in zip(seen, estimate.tolist(), lows.tolist(), highs.tolist(), strict=True):
        intervals[index] = Interval(middle, low, high, many[index].n)
    return intervals
