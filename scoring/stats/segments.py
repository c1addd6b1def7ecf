"""Evidence that a segment is worse than a limit, or than the rest of the traffic.

Both are e-processes from addable sums (bets of Waudby-Smith & Ramdas, see `wealth`): they are valid
at every look, and `ebh` takes any number of segments, overlapping or not. A segment with few rows and
no evidence is not "fine": its status is `not_enough_data`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, sqrt
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from scoring.stats.ebh import e_q_values
from scoring.stats.moments import Columns, Floats, Moments, columns
from scoring.stats.wealth import DEFAULT_BETS, log_wealth

SegmentStatus: TypeAlias = Literal["worse", "not_enough_data", "no_evidence"]

#: The largest exponent, because e^x of more would overflow; larger evidence makes no difference.
_MAX_EXPONENT: Final = 700.0

_GOLDEN: Final = (sqrt(5) - 1) / 2

#: Steps of the golden section search: narrow the bracket from 40 to a millionth of log-odds.
_SECTION_STEPS: Final = 36

#: Log-odds searched: means from 2e-9 to 1 - 2e-9.
_MAX_LOG_ODDS: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentReading:
    """The result for one segment among all that were judged together. `q_value` is the smallest false
    discovery rate at which it is flagged.
    """

    e_value: float
    q_value: float
    n: int
    status: SegmentStatus


def e_values_above(limit: float, many: Sequence[Moments]) -> Floats:
    """Per segment, an e-value for "the mean is above `limit`", 0 < limit < 1; its expectation is at most 1 if not.

    Raises ValueError for a limit out of range.
    """
    if not 0 < limit < 1:
        raise ValueError(f"limit must be in (0, 1), not {limit}")
    if not many:
        return np.array([])
    return _e(log_wealth(np.array(limit), columns(many)))


def e_values_against_rest(segments: Sequence[Moments], rests: Sequence[Moments]) -> Floats:
    """Per segment, an e-value for "the mean is above that of the rest of the traffic".

    `rests` holds, per segment, the moments of the rows outside it. If segment ≤ rest, some θ
    lies between: the segment's bet against θ and the rest's bet against θ are then both fair,
    so is their product, and the smallest product over all θ is no more than that one
    (the infimum of test martingales over a composite null is an e-process: Ramdas, Ruf, Larsson & Koolen,
    "Testing exchangeability", IJAR 2022). Raises ValueError for lengths that differ.
    """
    if len(segments) != len(rests):
        raise ValueError(f"{len(segments)} segments but {len(rests)} rests")
    if not segments:
        return np.array([])
    return _e(_log_e_against_rest(columns(segments), columns(rests)))


def judge_segments(
    e_values: ArrayLike, sizes: Sequence[int], alpha: float = 0.1, min_rows: int = 50
) -> list[SegmentReading]:
    """Flags segments by e-BH at false discovery rate `alpha`; unflagged ones below `min_rows` are `not_enough_data`.

    A flag on few rows stands, because e-values are valid at any n. Raises ValueError for lengths that differ.
    """
    e = np.asarray(e_values, dtype=np.float64)
    readings: list[SegmentReading] = []
    for e_value, q_value, n in zip(e.tolist(), e_q_values(e).tolist(), sizes, strict=True):
        status: SegmentStatus = "worse" if q_value <= alpha else "not_enough_data" if n < min_rows else "no_evidence"
        readings.append(SegmentReading(e_value=e_value, q_value=q_value, n=n, status=status))
    return readings


def _log_e_against_rest(segment: Columns, rest: Columns) -> Floats:
    """The smallest product over θ.

    The logarithm of each wealth is convex in θ (each row's factor 1 − g + gx/θ is log-convex,
    and so are sums of such products), so golden section search finds the minimum; its error is of
    second order.
    """

    def product(odds: Floats) -> Floats:
        theta = 1 / (1 + np.exp(-odds))
        ours = _with_cash(log_wealth(theta, segment, DEFAULT_BETS, "above"))
        return ours + _with_cash(log_wealth(theta, rest, DEFAULT_BETS, "below"))

    # Searches log-odds, because rates near 0 differ by ratios.
    low, high = np.full_like(segment.up, -_MAX_LOG_ODDS), np.full_like(segment.up, _MAX_LOG_ODDS)
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = product(left), product(right)
    for _ in range(_SECTION_STEPS):
        before = at_left < at_right
        low, high = np.where(before, low, left), np.where(before, right, high)
        inner = np.where(before, high - _GOLDEN * (high - low), low + _GOLDEN * (high - low))
        at_inner = product(inner)
        left, right = np.where(before, inner, right), np.where(before, left, inner)
        at_left, at_right = np.where(before, at_inner, at_right), np.where(before, at_left, at_inner)
    smallest: Floats = np.minimum(at_left, at_right)
    return smallest


def _with_cash(logs: Floats) -> Floats:
    """Keeps half of the wealth out of the bet, so that it cannot fall below 1/2."""
    return np.logaddexp(logs, 0.0) - log(2)


def _e(logs: Floats) -> Floats:
    e: Floats = np.exp(np.minimum(logs, _MAX_EXPONENT))
    return e
