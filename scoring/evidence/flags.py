"""Which segments are bad, with few wrong flags however many segments there are.

Each segment gets an e-value against its null hypothesis, and e-BH (Wang & Ramdas, "False discovery
rate control with e-values", JRSS B 2022) decides on all segments of a task and candidate together,
overlapping or not: the expected share of wrong flags among all flags is at most the rate that the
task's owner chose.

The null hypothesis is that regret is at most the limit, if enough pairs of the segment have a known
regret; otherwise that the segment agrees as well as the rest of the traffic. The choice depends on
the number of pairs with known regret, never on their regret.
"""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np

from scoring.evidence.estimates import moments
from scoring.evidence.pools import Pool
from scoring.evidence.verdict import MIN_PAIRS
from scoring.stats.segments import SegmentStatus, e_values_above, e_values_against_rest, judge_segments
from shadow.aggregates.tally import Sums

Status: TypeAlias = Literal["ok", "flagged", "not_enough_data"]

REGRET: Final = "regret above the limit"
DISAGREEMENT: Final = "agreement below that of the rest"

_STATUS: Final[dict[SegmentStatus, Status]] = {
    "worse": "flagged",
    "no_evidence": "ok",
    "not_enough_data": "not_enough_data",
}


class Flag(NamedTuple):
    """Whether a segment is flagged, and for what (`looked_for`).

    `q_value` is the smallest false flag rate at which it would be flagged.
    """

    status: Status
    q_value: float
    looked_for: str


def flags(whole: Pool, segments: Sequence[Pool], *, limit: float, false_flag_rate: float) -> list[Flag]:
    """The flag of each segment of `whole`, in the order of `segments`."""
    regrets = [_regret(pool) for pool in segments]
    by_regret = np.array([regret is not None for regret in regrets], dtype=bool)
    e_values = np.ones(len(segments))
    if by_regret.any():
        e_values[by_regret] = e_values_above(limit, [moments(regret) for regret in regrets if regret is not None])
    others = [pool.tally.agreement for pool, regret in zip(segments, regrets, strict=True) if regret is None]
    if others:
        rests = [moments(_rest(whole.tally.agreement, each)) for each in others]
        # Evidence that the rest agrees better than the segment.
        e_values[~by_regret] = e_values_against_rest(rests, [moments(each) for each in others])
    sizes = [
        (pool.tally.agreement if regret is None else regret).n for pool, regret in zip(segments, regrets, strict=True)
    ]
    return [
        Flag(_STATUS[reading.status], reading.q_value, REGRET if regret is not None else DISAGREEMENT)
        for reading, regret in zip(judge_segments(e_values, sizes, false_flag_rate, MIN_PAIRS), regrets, strict=True)
    ]


def _regret(pool: Pool) -> Sums | None:
    """The regret of the primary source; None if too few pairs have one although enough have an agreement."""
    source = pool.primary
    if source is None:
        return None
    regret = pool.by_source[source].regret
    return regret if regret.n >= min(MIN_PAIRS, pool.tally.agreement.n) else None


def _rest(whole: Sums, segment: Sums) -> Sums:
    """The sums of the pairs outside the segment."""
    rest = Sums()
    rest.merge(whole)
    rest.subtract(segment)
    return rest
