"""Does the candidate disagree with the frontier more than the frontier disagrees with itself?

A frontier model that is asked twice does not reply the same twice. On exchanges with the frontier's
reply A, the candidate's reply and the frontier's second reply A′, the excess disagreement is
d = 1{candidate ≠ A} − 1{A′ ≠ A}. Its mean is 0 for a candidate that reproduces the frontier as well
as the frontier itself. The interval bets on (d + 1)/2 (Waudby-Smith & Ramdas, "Estimating means of
bounded random variables by betting", JRSS B 2024, Theorem 3) and is valid under continuous looking.
Comparing two rates by a rule of thumb flagged 61% of the candidates that were not worse at all.
"""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from scoring.stats.betting import bounded_interval
from scoring.stats.sequential import ALPHA, Interval
from scoring.stats.weighted import interval_of_rows

CeilingStatus: TypeAlias = Literal["worse", "better", "undecided", "no_ceiling"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Excess:
    """Excess disagreement in [-1, 1]; positive is bad for the candidate. `interval.n` is the number of
    exchanges with both trials. `status` says on which side of 0 the whole interval lies.
    """

    interval: Interval
    status: CeilingStatus


def excess_disagreement(candidate_agreement: ArrayLike, ceiling_agreement: ArrayLike, alpha: float = ALPHA) -> Excess:
    """The excess from paired agreements in [0, 1]: candidate with A, and A′ with A, per exchange.

    Raises ValueError for agreements out of range, or lengths that differ.
    """
    candidate = np.asarray(candidate_agreement, dtype=np.float64).ravel()
    ceiling = np.asarray(ceiling_agreement, dtype=np.float64).ravel()
    if candidate.size != ceiling.size:
        raise ValueError(f"{candidate.size} candidate agreements but {ceiling.size} ceiling agreements")
    for name, x in (("candidate", candidate), ("ceiling", ceiling)):
        if not ((x >= 0) & (x <= 1)).all():
            raise ValueError(f"{name} agreements must be in [0, 1]")
    return _excess(bounded_interval((ceiling - candidate + 1) / 2, alpha))


def excess_of_counts(candidate_only: int, ceiling_only: int, n: int, alpha: float = ALPHA) -> Excess:
    """The excess from addable counts of 0/1 agreement.

    Among n exchanges with both trials, on `candidate_only` only the candidate disagreed with A,
    on `ceiling_only` only A′ did. Raises ValueError for counts that are negative or exceed n.
    """
    if min(candidate_only, ceiling_only) < 0 or candidate_only + ceiling_only > n:
        raise ValueError(f"{candidate_only} and {ceiling_only} disagreements are not among {n} exchanges")
    if n == 0:
        return _excess(Interval(None, 0.0, 1.0, 0))
    counts = np.array([ceiling_only, n - candidate_only - ceiling_only, candidate_only], dtype=np.float64)
    halves = np.array([0.0, 0.5, 1.0])
    return _excess(replace(interval_of_rows(halves, np.ones(3), counts, alpha), n=n))


def _excess(half: Interval) -> Excess:
    if half.estimate is None:
        return Excess(interval=Interval(None, -1.0, 1.0, 0), status="no_ceiling")
    interval = Interval(2 * half.estimate - 1, 2 * half.low - 1, 2 * half.high - 1, half.n)
    status: CeilingStatus = "worse" if interval.low > 0 else "better" if interval.high < 0 else "undecided"
    return Excess(interval=interval, status=status)
