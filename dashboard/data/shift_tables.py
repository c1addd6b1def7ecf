"""How far two windows are apart, as tables and words: what `scoring.stats.exploration.shift` says of rollups.

Effect first, then chance: see there. Here is only what becomes a picture or a sentence, and
whether the candidate does worse where the traffic grew.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import exp2
from typing import Final, Literal, TypeAlias

import pandas as pd

from dashboard.data.measures import Tallies, value_of
from scoring.evidence.estimates import Estimate, difference, estimates
from scoring.evidence.verdict import ENOUGH
from scoring.stats.exploration.shift import Shift, ShiftStatus, histogram_shift
from shadow.aggregates.derived_dimensions import WEEKDAYS
from shadow.aggregates.tally import BUCKETS_PER_DOUBLING, Sums, bucket_value

Judgement: TypeAlias = Literal["worse", "better", "no clear difference", "not enough data"]

#: How each status is said.
STATUSES: Final[dict[ShiftStatus, str]] = {
    "shifted": "shifted",
    "too_small_to_matter": "real, but too small to matter",
    "within_chance": "within chance",
    "no_data": "no data",
    "not_judged": "not judged",
}

#: More values of one dimension than a reader takes in.
MOST_VALUES: Final = 24

#: A share that grew by less than this is not what a shift is about.
_GREW: Final = 0.01


@dataclass(frozen=True, kw_only=True, slots=True)
class Contrast:
    """One part of the current traffic against the rest of it, by agreement or regret."""

    measure: Literal["agreement", "regret"]
    there: Estimate
    elsewhere: Estimate
    judgement: Judgement


def numbers(name: str, current: Mapping[int, int], reference: Mapping[int, int]) -> Shift:
    """The shift of a histogram with logarithmic buckets; `wasserstein` counts doublings."""
    return histogram_shift(name, current, reference, value_of=lambda bucket: bucket / BUCKETS_PER_DOUBLING)


def factor(shift: Shift, current: Mapping[int, int], reference: Mapping[int, int]) -> float | None:
    """How many times larger (or smaller) numbers have typically become, counting moves either way."""
    if shift.wasserstein is None:
        return None
    return exp2(shift.wasserstein if _mean(current) >= _mean(reference) else -shift.wasserstein)


def grown(shift: Shift) -> tuple[str, float] | None:
    """The value whose share grew most, and by how much; None where none did to speak of."""
    rises = [(value, rise) for value, rise in shift.telling if rise >= _GREW]
    return max(rises, key=lambda each: each[1]) if shift.kind == "mix" and rises else None


def contrasts(tallies: Tallies, dimension: str, value: str, source: str | None) -> list[Contrast]:
    """How the candidate does in one value of a dimension, against all its other values.

    Agreement, and regret by `source` where there is one.
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
    """The comparison of two sums; empty where one side has no data."""
    here, others = estimates([there, elsewhere])
    apart = difference(there, elsewhere)
    if here is None or others is None or apart is None:
        return []
    # Low agreement and high regret are both bad.
    up, down = ("better", "worse") if measure == "agreement" else ("worse", "better")
    judgement: Judgement = "no clear difference"
    if min(here.n, others.n) < ENOUGH:
        judgement = "not enough data"
    elif apart.low > 0:
        judgement = "better" if up == "better" else "worse"
    elif apart.high < 0:
        judgement = "worse" if down == "worse" else "better"
    return [Contrast(measure=measure, there=here, elsewhere=others, judgement=judgement)]


def sizes(shifts: list[Shift]) -> pd.DataFrame:
    """`name, effect, q_value, status, said`, in the given order, without what cannot be told."""
    told = [each for each in shifts if each.effect is not None]
    return pd.DataFrame(
        {
            "name": [each.name for each in told],
            "effect": [each.effect for each in told],
            "q_value": [each.q_value for each in told],
            "status": [STATUSES[each.status] for each in told],
            "said": [f"{each.effect:.2f}  ·  {chance(each.q_value)}" for each in told],
        }
    )


def chance(q_value: float | None) -> str:
    """A corrected p-value as `q 0.031` or `q < 0.001`."""
    if q_value is None:
        return ""
    # 999 permutations cannot tell smaller ones, and correction makes them larger.
    return f"q {q_value:.3f}" if q_value >= 0.001 else "q < 0.001"


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


def _mean(counts: Mapping[int, int]) -> float:
    return sum(bucket * n for bucket, n in counts.items()) / max(1, sum(counts.values()))


def histogram(tallies: Tallies, measure: str) -> Counter[int]:
    """One measure's histogram over all of the traffic."""
    found: Counter[int] = Counter()
    for tally in tallies.values():
        found.update(tally.histograms.get(measure, {}))
    return found
