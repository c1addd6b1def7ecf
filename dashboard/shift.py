"""How far two windows are apart: the mix of a dimension, the shape of a distribution.

An effect size comes first, because with a million exchanges every difference is "significant".
Each comes with what chance alone would reach in 19 of 20 windows of these sizes, so that a
small sample does not look like a shift either. Shift explains a change; it does not alarm.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import exp2, log, log2, sqrt
from typing import Final

import pandas as pd
from scipy.stats import chi2

from dashboard.measures import WEEKDAYS
from shadow.tally import BUCKETS_PER_DOUBLING, bucket_value

#: Kolmogorov's distance that chance exceeds once in 20, times sqrt(nm / (n + m)).
_KOLMOGOROV_95: Final = 1.358


#: More values of one dimension than a reader takes in.
MOST_VALUES: Final = 24


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """How far something moved. `size` and `chance` are in [0, 1]; `factor` is for distributions:
    how many times larger (or smaller) values have typically become, counting moves either way.
    None where one of the windows holds nothing to compare.
    """

    name: str
    size: float | None
    chance: float | None
    factor: float | None
    n: int
    n_reference: int


def of_mix(name: str, current: Mapping[str, int], reference: Mapping[str, int]) -> Effect:
    """Jensen-Shannon distance (base 2) of two mixes of the same dimension."""
    n, m = sum(current.values()), sum(reference.values())
    values = [value for value in {*current, *reference} if current.get(value, 0) + reference.get(value, 0)]
    if not n or not m:
        return Effect(name=name, size=None, chance=None, factor=None, n=n, n_reference=m)
    distance = jensen_shannon([current.get(v, 0) / n for v in values], [reference.get(v, 0) / m for v in values])
    return Effect(name=name, size=distance, chance=_chance_of_mix(len(values), n, m), factor=None, n=n, n_reference=m)


def of_distribution(name: str, current: Mapping[int, int], reference: Mapping[int, int]) -> Effect:
    """Kolmogorov's distance of two histograms with logarithmic buckets, and the typical factor."""
    n, m = sum(current.values()), sum(reference.values())
    if not n or not m:
        return Effect(name=name, size=None, chance=None, factor=None, n=n, n_reference=m)
    gaps = _gaps(current, reference)
    # Wasserstein's distance along the logarithm is the mean distance moved, in buckets.
    moved = sum(abs(gap) for gap in gaps) / BUCKETS_PER_DOUBLING
    net = -sum(gaps)
    factor = exp2(moved if net >= 0 else -moved)
    chance = min(1.0, _KOLMOGOROV_95 * sqrt((n + m) / (n * m)))
    return Effect(name=name, size=max(map(abs, gaps)), chance=chance, factor=factor, n=n, n_reference=m)


def jensen_shannon(p: list[float], q: list[float]) -> float:
    """The distance (square root of the divergence, base 2) of two distributions; in [0, 1]."""
    divergence = sum(_half(a, (a + b) / 2) + _half(b, (a + b) / 2) for a, b in zip(p, q, strict=True))
    return sqrt(min(1.0, max(0.0, divergence)))


def sizes(effects: list[Effect]) -> pd.DataFrame:
    """`name, effect, chance, factor, n, n_reference`, largest effect first, without what cannot be told."""
    told = [each for each in effects if each.size is not None]
    told.sort(key=lambda each: (-(each.size or 0.0), each.name))
    return pd.DataFrame(
        {
            "name": [each.name for each in told],
            "effect": [each.size for each in told],
            "chance": [each.chance for each in told],
            "factor": [each.factor for each in told],
            "n": [each.n for each in told],
            "n_reference": [each.n_reference for each in told],
        }
    )


def mix(current: Mapping[str, int], reference: Mapping[str, int], *, most: int = MOST_VALUES) -> pd.DataFrame:
    """Shares of the `most` frequent values in both windows: `value, window, share, n`.

    The most frequent value first, but values of the clock in the clock's order.
    """
    shares = {
        value: (
            reference.get(value, 0) / max(1, sum(reference.values())),
            current.get(value, 0) / max(1, sum(current.values())),
        )
        for value in {*current, *reference}
    }
    order = sorted(shares, key=lambda value: (-max(shares[value]), value))[:most]
    clock = [*WEEKDAYS, *sorted(order)]
    if all(value in WEEKDAYS or value.endswith(":00") for value in order):
        order.sort(key=clock.index)
    rows = [
        {"value": value, "window": name, "share": shares[value][side], "n": counts.get(value, 0)}
        for value in order
        for side, (name, counts) in enumerate((("reference", reference), ("current", current)))
    ]
    return pd.DataFrame(rows, columns=["value", "window", "share", "n"])


def densities(current: Mapping[int, int], reference: Mapping[int, int]) -> pd.DataFrame:
    """Both distributions on one axis: `x, window, share`, with the empty buckets between."""
    present = {*current, *reference}
    between = range(min(present, default=0) - 1, max(present, default=-1) + 2)
    rows = [
        {"x": bucket_value(index), "window": name, "share": counts.get(index, 0) / max(1, sum(counts.values()))}
        for name, counts in (("reference", reference), ("current", current))
        for index in between
    ]
    return pd.DataFrame(rows, columns=["x", "window", "share"])


def _gaps(current: Mapping[int, int], reference: Mapping[int, int]) -> list[float]:
    """Difference of the cumulative shares (current − reference) after each bucket."""
    n, m = sum(current.values()), sum(reference.values())
    below: Counter[str] = Counter()
    gaps: list[float] = []
    present = {*current, *reference}
    for index in range(min(present), max(present) + 1):
        below["current"] += current.get(index, 0)
        below["reference"] += reference.get(index, 0)
        gaps.append(below["current"] / n - below["reference"] / m)
    return gaps


def _half(a: float, middle: float) -> float:
    return a * log2(a / middle) / 2 if a else 0.0


def _chance_of_mix(values: int, n: int, m: int) -> float:
    """The distance that two samples of one mix exceed once in 20.

    For close mixes the divergence is Σ(p−q)²/p / (8 ln 2), and Σ(p−q)²/p is a chi-square
    with (values − 1) degrees of freedom times (1/n + 1/m).
    """
    if values < 2:
        return 0.0
    quantile = float(chi2.ppf(0.95, values - 1))
    return min(1.0, sqrt(quantile * (1 / n + 1 / m) / (8 * log(2))))
