"""Which segments are bad, so that few are flagged by mistake however many there are.

Each segment gets an e-value against its null hypothesis, and all segments of a task and
candidate, overlapping or not, are judged together by e-BH: of those flagged, the share
flagged by mistake is expected to be at most the rate the task's owner chose.

The null hypothesis is that regret is at most the limit, where the segment has enough pairs of
which somebody knows; else that the segment agrees as well as the rest of the traffic does.
Which of the two depends on how many pairs were looked at, never on what was seen in them.
"""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np

from scoring.evidence.estimates import moments
from scoring.evidence.pools import Pool
from scoring.evidence.verdict import ENOUGH
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
    """What was looked for in a segment, and whether it was found.

    `q_value` is the smallest rate of false flags at which it would be flagged.
    """

    status: Status
    q_value: float
    looked_for: str


def flags(whole: Pool, segments: Sequence[Pool], *, limit: float, false_flag_rate: float) -> list[Flag]:
    """A flag or its absence for each segment of `whole`."""
    said = [_regret(pool) for pool in segments]
    by_regret = np.array([regret is not None for regret in said], dtype=bool)
    e_values = np.ones(len(segments))
    if by_regret.any():
        e_values[by_regret] = e_values_above(limit, [moments(regret) for regret in said if regret is not None])
    others = [pool.tally.agreement for pool, regret in zip(segments, said, strict=True) if regret is None]
    if others:
        rests = [moments(_rest(whole.tally.agreement, each)) for each in others]
        # Evidence that the rest agrees better than the segment does.
        e_values[~by_regret] = e_values_against_rest(rests, [moments(each) for each in others])
    sizes = [
        (pool.tally.agreement if regret is None else regret).n for pool, regret in zip(segments, said, strict=True)
    ]
    return [
        Flag(_STATUS[reading.status], reading.q_value, REGRET if regret is not None else DISAGREEMENT)
        for reading, regret in zip(judge_segments(e_values, sizes, false_flag_rate, ENOUGH), said, strict=True)
    ]


def _regret(pool: Pool) -> Sums | None:
    """The regret of the primary source, unless agreement is known of enough pairs and regret is not."""
    source = pool.primary
    if source is None:
        return None
    regret = pool.by_source[source].regret
    return regret if regret.n >= min(ENOUGH, pool.tally.agreement.n) else None


def _rest(whole: Sums, segment: Sums) -> Sums:
    """The sums of what is outside the segment."""
    rest = Sums()
    rest.merge(whole)
    rest.subtract(segment)
    return rest
