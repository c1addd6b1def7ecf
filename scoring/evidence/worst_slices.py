"""The worst crossings of segments, such as German *and* long, found on one half and confirmed on the other.

Confirmation takes pairs for independent. Keeping a unit's pairs in one half prevents that a unit
confirms itself, but a crossing with few units still deserves a look at who they are.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeAlias

import msgspec
import numpy as np

from scoring.evidence.estimates import PLACES
from scoring.stats.exploration.slices import SUPPORT, Slice, SliceSearch, confirming_half, find_slices
from shadow.aggregates.unit_scores import Measure
from shadow.policy import sampling
from shadow.records import RegretSource

Reason: TypeAlias = Literal["found", "nothing_worse", "not_enough_data", "no_dimensions"]

#: With fewer pairs than this, either half is too small to search.
ENOUGH_ROWS: Final = 4 * SUPPORT

#: So many crossings go to confirmation.
MOST: Final = 10


class Crossing(msgspec.Struct, frozen=True, kw_only=True):
    """A crossing that the confirming half bears out, and what that half says of it.

    `n` pairs inside have the mean score `rate`, those outside `rest`. `q_value` is the smallest
    rate of false findings at which it would be confirmed.
    """

    where: dict[str, str]
    n: int
    rate: float
    rest: float
    q_value: float


class WorstCrossings(msgspec.Struct, frozen=True, kw_only=True):
    """Confirmed crossings, most surely bad first; where there are none, `reason` says why.

    `measure` is "regret", told by `source`, or "disagreement". `n` pairs were used, `left_out`
    were sampled too rarely to stand beside them, and `searched` crossings were frequent enough
    to be looked at in the searched half.
    """

    crossings: list[Crossing]
    reason: Reason
    measure: Literal["disagreement", "regret"]
    source: RegretSource | None
    n: int
    left_out: int = 0
    searched: int


def measure_for(source: RegretSource | None, n: int) -> Measure:
    """What to search for: the regret of `source` where it knows of `n` pairs, else disagreement."""
    return source if source is not None and n >= ENOUGH_ROWS else "agreement"


def worst_crossings(
    *,
    ids: Sequence[str],
    units: Sequence[str | None],
    dimensions: Mapping[str, Sequence[str]],
    scores: Sequence[float],
    probabilities: Sequence[float],
    measure: Measure = "agreement",
    false_flag_rate: float = 0.1,
    most: int = MOST,
) -> WorstCrossings:
    """Search columns of one length, such as those of `shadow.store.read.slices.rows_for_slices`.

    A unit, or an exchange of which no unit is known, is in one half with all its rows. Where
    rows were seen with unequal chances, those seen more readily are thinned out, by a fixed
    choice, to one chance for all: a crossing is not bad because its bad part was sampled more.
    That chance is the one that keeps the most rows; rows seen more rarely still are left out,
    and what is found says nothing of them.
    """
    chance = _best_chance(probabilities)
    kept = _evenly(ids, probabilities, chance)
    found = SliceSearch(slices=(), searched=0, reason="not_enough_data")
    if dimensions:
        seen = np.asarray(scores, dtype=np.float64)[kept]
        found = find_slices(
            {name: [values[row] for row in kept] for name, values in dimensions.items()},
            1 - seen if measure == "agreement" else seen,
            confirming_half([units[row] or ids[row] for row in kept]),
            alpha=false_flag_rate,
            most=most,
        )
    return WorstCrossings(
        crossings=[_crossing(each) for each in found.slices if each.confirmed],
        reason="no_dimensions" if kept and not dimensions else found.reason,
        measure="disagreement" if measure == "agreement" else "regret",
        source=None if measure == "agreement" else measure,
        n=len(kept),
        left_out=sum(probability < chance for probability in probabilities),
        searched=found.searched,
    )


def _best_chance(probabilities: Sequence[float]) -> float:
    """The chance, among those there are, to which rows can be thinned out with the most left over."""
    stood_for, most, best = 0.0, 0.0, 1.0
    for chance, n in sorted(Counter(probabilities).items(), reverse=True):
        stood_for += n / chance  # by the rows seen at least as readily
        if stood_for * chance > most:
            most, best = stood_for * chance, chance
    return best


def _evenly(ids: Sequence[str], probabilities: Sequence[float], chance: float) -> list[int]:
    """The rows to keep, so that all of them had the same chance of being there."""
    return [
        row
        for row, (name, probability) in enumerate(zip(ids, probabilities, strict=True))
        if probability >= chance and sampling.chosen(name, rate=chance / probability, salt="slices")
    ]


def _crossing(found: Slice) -> Crossing:
    return Crossing(
        where=dict(found.where),
        n=found.n,
        rate=round(found.rate, PLACES),
        rest=round(found.rest, PLACES),
        q_value=round(found.q_value, PLACES),
    )
