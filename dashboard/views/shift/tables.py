"""Two windows compared, as tables: effect sizes, mixes, distributions, and the candidate where traffic grew.

The statistics are those of `scoring.stats.exploration.shift`.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import exp2
from typing import Final, Literal, TypeAlias

import pandas as pd

from dashboard.data.tables import Tallies, value_of
from dashboard.ui.text import q_value
from scoring.evidence.estimates import Estimate, difference, estimates
from scoring.evidence.verdict import MIN_PAIRS
from scoring.stats.exploration.shift import Shift, ShiftStatus, histogram_shift
from shadow.aggregates.derived_dimensions import WEEKDAYS
from shadow.aggregates.tally import BUCKETS_PER_DOUBLING, Sums, bucket_value

Conclusion: TypeAlias = Literal["worse", "better", "no clear difference", "not enough data"]

#: Each status as the page shows it.
STATUSES: Final[dict[ShiftStatus, str]] = {
    "shifted": "shifted",
    "too_small_to_matter": "real, but too small to matter",
    "within_chance": "within chance",
    "no_data": "no data",
    "not_judged": "not tested",
}

#: Values of one dimension that a chart shows.
MAX_VALUES: Final = 24

#: A share that grew by less than this is not compared with the rest.
_MIN_GROWTH: Final = 0.01


@dataclass(frozen=True, kw_only=True, slots=True)
class Contrast:
    """One part of the current traffic against the rest of it, by agreement or regret."""

    measure: Literal["agreement", "regret"]
    there: Estimate
    elsewhere: Estimate
    conclusion: Conclusion


def numbers(name: str, current: Mapping[int, int], reference: Mapping[int, int]) -> Shift:
    """The shift of a histogram with logarithmic buckets; its `wasserstein` is in doublings."""
    return histogram_shift(name, current, reference, value_of=lambda bucket: bucket / BUCKETS_PER_DOUBLING)


def factor(shift: Shift, current: Mapping[int, int], reference: Mapping[int, int]) -> float | None:
    """The typical factor by which values changed: above 1 they became larger. Changes in both directions add up."""
    if shift.wasserstein is None:
        return None
    return exp2(shift.wasserstein if _mean(current) >= _mean(reference) else -shift.wasserstein)


def grew_most(shift: Shift) -> tuple[str, float] | None:
    """The value whose share grew most, and by how much; None where none grew by `_MIN_GROWTH`."""
    rises = [(value, rise) for value, rise in shift.contributions if rise >= _MIN_GROWTH]
    return max(rises, key=lambda each: each[1]) if shift.kind == "mix" and rises else None


def contrasts(tallies: Tallies, dimension: str, value: str, source: str | None) -> list[Contrast]:
    """The candidate in one value of a dimension against all its other values.

    By agreement, and by regret of `source` where there is any.
    """
    agreement, regret = (Sums(), Sums()), (Sums(), Sums())
    for cell, tally in tallies.items():
        found = value_of(cell, dimension)
        if found is None:
            continue
        side = int(found != value)
        agreement[side].merge(tally.agreement)
        if cell.source == source:
            regret[side].merge(tally.regret)
    return [*contrast("agreement", *agreement), *contrast("regret", *regret)]


def contrast(measure: Literal["agreement", "regret"], there: Sums, elsewhere: Sums) -> list[Contrast]:
    """The comparison of two sums; empty where one of them has no data."""
    here, others = estimates([there, elsewhere])
    apart = difference(there, elsewhere)
    if here is None or others is None or apart is None:
        return []
    # Low agreement and high regret are both bad.
    higher: Conclusion = "better" if measure == "agreement" else "worse"
    lower: Conclusion = "worse" if measure == "agreement" else "better"
    conclusion: Conclusion = "no clear difference"
    if min(here.n, others.n) < MIN_PAIRS:
        conclusion = "not enough data"
    elif apart.low > 0:
        conclusion = higher
    elif apart.high < 0:
        conclusion = lower
    return [Contrast(measure=measure, there=here, elsewhere=others, conclusion=conclusion)]


def effect_sizes(shifts: list[Shift]) -> pd.DataFrame:
    """`name, effect, q_value, status, note`, in the given order, without shifts that could not be computed."""
    computed = [each for each in shifts if each.effect is not None]
    return pd.DataFrame(
        {
            "name": [each.name for each in computed],
            "effect": [each.effect for each in computed],
            "q_value": [each.q_value for each in computed],
            "status": [STATUSES[each.status] for each in computed],
            "note": [f"{each.effect:.2f}  ·  {q_value(each.q_value)}" for each in computed],
        }
    )


def mix(current: Mapping[str, int], reference: Mapping[str, int], *, max_values: int = MAX_VALUES) -> pd.DataFrame:
    """Shares of the most frequent values in both windows: `value, window, share, n`.

    The most frequent value first; hours and weekdays in their own order.
    """
    shares = {
        value: (
            reference.get(value, 0) / max(1, sum(reference.values())),
            current.get(value, 0) / max(1, sum(current.values())),
        )
        for value in {*current, *reference}
    }
    order = sorted(shares, key=lambda value: (-max(shares[value]), value))[:max_values]
    calendar_order = [*WEEKDAYS, *sorted(order)]
    if all(value in WEEKDAYS or value.endswith(":00") for value in order):
        order.sort(key=calendar_order.index)
    rows = [
        {"value": value, "window": name, "share": shares[value][side], "n": counts.get(value, 0)}
        for value in order
        for side, (name, counts) in enumerate((("reference", reference), ("current", current)))
    ]
    return pd.DataFrame(rows, columns=["value", "window", "share", "n"])


def densities(current: Mapping[int, int], reference: Mapping[int, int]) -> pd.DataFrame:
    """Both distributions on one axis: `x, window, share`, with the empty buckets between."""
    present = {*current, *reference}
    buckets = range(min(present, default=0) - 1, max(present, default=-1) + 2)
    rows = [
        {"x": bucket_value(index), "window": name, "share": counts.get(index, 0) / max(1, sum(counts.values()))}
        for name, counts in (("reference", reference), ("current", current))
        for index in buckets
    ]
    return pd.DataFrame(rows, columns=["x", "window", "share"])


def _mean(counts: Mapping[int, int]) -> float:
    return sum(bucket * n for bucket, n in counts.items()) / max(1, sum(counts.values()))


def histogram(tallies: Tallies, measure: str) -> Counter[int]:
    """One measure's histogram over all of the traffic."""
    found: Counter[int] = Counter()
    for tally in tallies.values():
        found.update(tally.histograms.get(measure, {}))
    return found
