"""Evidence that a segment is worse than a limit, or than the rest of the traffic.

Both are e-processes from addable sums: they may be read at every look, and any number of
segments, overlapping or not, may be handed to `ebh`. A segment with few rows is not "fine"
because nothing was found in it: it says `not_enough_data`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, sqrt
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from scoring.stats.ebh import e_q_values
from scoring.stats.moments import Columns, Floats, Moments, columns
from scoring.stats.wealth import SPREAD, log_wealth

SegmentStatus: TypeAlias = Literal["worse", "not_enough_data", "no_evidence"]

#: Where e^x would no longer fit; what is beyond is beyond doubt.
_LARGEST: Final = 700.0

_GOLDEN: Final = (sqrt(5) - 1) / 2

#: Each narrows the bracket by the golden ratio: from 40 to a millionth of log-odds.
_SECTIONS: Final = 36

#: Means from 2e-9 to 1 - 2e-9.
_WIDEST_ODDS: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentReading:
    """One segment among those it was judged with. `q_value` is the smallest false discovery
    rate at which it is flagged; `status` is the machine-readable verdict.
    """

    e_value: float
    q_value: float
    n: int
    status: SegmentStatus


def e_values_above(limit: float, many: Sequence[Moments]) -> Floats:
    """Per segment, evidence that its mean is above `limit`, in (0, 1): expected to be at most 1 if it is not."""
    if not 0 < limit < 1:
        raise ValueError(f"limit must be in (0, 1), not {limit}")
    if not many:
        return np.array([])
    return _e(log_wealth(np.array(limit), columns(many)))


def e_values_against_rest(segments: Sequence[Moments], rests: Sequence[Moments]) -> Floats:
    """Per segment, evidence that its mean is above that of the rest of the traffic.

    `rests` holds, per segment, the moments of the rows outside it. If segment ≤ rest, some θ
    lies between: the segment's bet against θ and the rest's bet against θ are then both fair,
    so is their product, and the smallest product over all θ is no more than that one
    (the infimum of test martingales over a composite null is an e-process: Ramdas, Ruf, Larsson & Koolen,
    "Testing exchangeability", IJAR 2022).
    """
    if len(segments) != len(rests):
        raise ValueError(f"{len(segments)} segments but {len(rests)} rests")
    if not segments:
        return np.array([])
    return _e(_log_e_against_rest(columns(segments), columns(rests)))


def judge_segments(
    e_values: ArrayLike, sizes: Sequence[int], alpha: float = 0.1, enough: int = 50
) -> list[SegmentReading]:
    """Flag by e-BH at false discovery rate `alpha`; below `enough` rows the rest is not enough data.

    A flag on thin data stands: e-values are valid at any n.
    """
    e = np.asarray(e_values, dtype=np.float64)
    readings: list[SegmentReading] = []
    for e_value, q_value, n in zip(e.tolist(), e_q_values(e).tolist(), sizes, strict=True):
        status: SegmentStatus = "worse" if q_value <= alpha else "not_enough_data" if n < enough else "no_evidence"
        readings.append(SegmentReading(e_value=e_value, q_value=q_value, n=n, status=status))
    return readings


def _log_e_against_rest(segment: Columns, rest: Columns) -> Floats:
    """The smallest product over θ.

    The logarithm of each wealth is convex in θ (each row's factor 1 − g + gx/θ is log-convex,
    and so are sums of such products), so a golden section closes in on the minimum, and what
    is missed of it is of second order.
    """

    def product(odds: Floats) -> Floats:
        theta = 1 / (1 + np.exp(-odds))
        ours = _with_cash(log_wealth(theta, segment, SPREAD, "above"))
        return ours + _with_cash(log_wealth(theta, rest, SPREAD, "below"))

    # On the scale of log-odds, because rates near 0 differ by ratios.
    low, high = np.full_like(segment.up, -_WIDEST_ODDS), np.full_like(segment.up, _WIDEST_ODDS)
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = product(left), product(right)
    for _ in range(_SECTIONS):
        before = at_left < at_right
        low, high = np.where(before, low, left), np.where(before, right, high)
        inner = np.where(before, high - _GOLDEN * (high - low), low + _GOLDEN * (high - low))
        at_inner = product(inner)
        left, right = np.where(before, inner, right), np.where(before, left, inner)
        at_left, at_right = np.where(before, at_inner, at_right), np.where(before, at_left, at_inner)
    smallest: Floats = np.minimum(at_left, at_right)
    return smallest


def _with_cash(logs: Floats) -> Floats:
    """Half is never put at stake, so that wealth cannot fall below a half."""
    return np.logaddexp(logs, 0.0) - log(2)


def _e(logs: Floats) -> Floats:
    e: Floats = np.exp(np.minimum(logs, _LARGEST))
    return e
