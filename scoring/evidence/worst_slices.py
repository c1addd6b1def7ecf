"""The worst crossings of segments, such as German *and* long: found on one half, confirmed on the other.

Confirmation treats pairs as independent. All pairs of a unit are in the same half, so a unit cannot
confirm itself; still, check which units are behind a crossing that has only a few.
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

#: With fewer pairs than this, the halves are too small to search.
MIN_ROWS: Final = 4 * SUPPORT

#: Maximum number of crossings that go to confirmation.
MAX_CROSSINGS: Final = 10


class Crossing(msgspec.Struct, frozen=True, kw_only=True):
    """A confirmed crossing, with its figures on the confirming half.

    `n` pairs inside have the mean score `rate`, those outside `rest`. `q_value` is the smallest
    false discovery rate at which it would be confirmed.
    """

    where: dict[str, str]
    n: int
    rate: float
    rest: float
    q_value: float


class WorstCrossings(msgspec.Struct, frozen=True, kw_only=True):
    """Confirmed crossings, most surely bad first; where there are none, `reason` says why.

    `measure` is "regret", by `source`, or "disagreement". `n` pairs were used, `left_out` were left
    out because their sampling probability is below the common one, and `searched` crossings were
    frequent enough in the searched half.
    """

    crossings: list[Crossing]
    reason: Reason
    measure: Literal["disagreement", "regret"]
    source: RegretSource | None
    n: int
    left_out: int = 0
    searched: int


def measure_for(source: RegretSource | None, n: int) -> Measure:
    """The measure to search by: the regret of `source` if it knows that of enough (`n`) pairs, else agreement."""
    return source if source is not None and n >= MIN_ROWS else "agreement"


def worst_crossings(
    *,
    ids: Sequence[str],
    units: Sequence[str | None],
    dimensions: Mapping[str, Sequence[str]],
    scores: Sequence[float],
    probabilities: Sequence[float],
    measure: Measure = "agreement",
    false_flag_rate: float = 0.1,
    most: int = MAX_CROSSINGS,
) -> WorstCrossings:
    """Search columns of one length, such as those of `shadow.store.read.slices.rows_for_slices`.

    All rows of a unit (or of an exchange without a unit) are in the same half. Where rows were
    sampled with unequal probabilities, those with a higher one are thinned out, deterministically,
    to a common probability: otherwise a crossing could look bad because its bad part was sampled
    more often. The common probability is the one that keeps the most rows; rows with a lower one are
    left out, and the result does not cover them.
    """
    common = _best_common_probability(probabilities)
    kept = _thinned_rows(ids, probabilities, common)
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
        left_out=sum(probability < common for probability in probabilities),
        searched=found.searched,
    )


def _best_common_probability(probabilities: Sequence[float]) -> float:
    """The probability, among the given ones, to which rows can be thinned out with the most rows left."""
    represented, most, best = 0.0, 0.0, 1.0
    for common, n in sorted(Counter(probabilities).items(), reverse=True):
        represented += n / common  # traffic that the rows with at least this probability represent
        if represented * common > most:
            most, best = represented * common, common
    return best


def _thinned_rows(ids: Sequence[str], probabilities: Sequence[float], common: float) -> list[int]:
    """The indexes of the rows to keep, all with the same probability of being there."""
    return [
        row
        for row, (name, probability) in enumerate(zip(ids, probabilities, strict=True))
        if probability >= common and sampling.chosen(name, rate=common / probability, salt="slices")
    ]


def _crossing(found: Slice) -> Crossing:
    return Crossing(
        where=dict(found.where),
        n=found.n,
        rate=round(found.rate, PLACES),
        rest=round(found.rest, PLACES),
        q_value=round(found.q_value, PLACES),
    )
