"""May the candidate have more traffic? A non-inferiority test by betting.

"No significant difference" rewards missing data: with ten samples nothing is significant. The gate
tests the opposite. Its null hypothesis is that regret is at or above the limit, a bet is placed
against it, and the gate opens only when the wealth reaches 1/alpha. If regret is at the limit, that
ever happens with probability at most alpha, however often one looks (Ville's inequality; the bets are
those of Waudby-Smith & Ramdas, "Estimating means of bounded random variables by betting", JRSS B
2024, Theorem 3, with fixed stakes, see `wealth`). A second bet, that regret is above the limit,
decides when to give up.

The state of a gate is a `Moments`: addable, a few integers, the same after any restart. A reading is
a pure function of it.
"""

from dataclasses import dataclass
from math import exp, log
from typing import Final, Literal, TypeAlias

import numpy as np
from scipy.stats import binom

from scoring.stats.moments import Floats, Moments, columns
from scoring.stats.sequential import ALPHA
from scoring.stats.wealth import DEFAULT_BETS, Bets, log_wealth

GateStatus: TypeAlias = Literal["open", "closed", "undecided"]
GateReason: TypeAlias = Literal["regret_below_limit", "regret_above_limit", "not_enough_evidence", "no_samples"]

#: A stake g is best if the true regret is (1 − g) · limit. Most of the wealth is on the stake for 60%
#: of the limit, where a rollout is worthwhile but not obvious.
GATE_BETS: Final = Bets(stakes=(0.1, 0.25, 0.4, 0.6, 0.9), parts=(0.1, 0.2, 0.35, 0.2, 0.15))

#: The search for a plan ends at this many samples, with a reason.
_MAX_PLAN_SAMPLES: Final = 50_000_000

_MAX_EXPONENT: Final = 700.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReading:
    """`e_below` is the evidence that regret is below the limit, `e_above` that it is above; each
    is convincing at 1/alpha. `open` and `closed` say which was reached.
    """

    status: GateStatus
    reason: GateReason
    e_below: float
    e_above: float
    threshold: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePlan:
    """How long a stage will take: with probability 0.5 (median) and 0.9 (p90) no longer than this.

    All are None, with a reason, where the gate is not expected to open.
    """

    samples_median: int | None
    samples_p90: int | None
    days_median: float | None
    days_p90: float | None
    reason: Literal["expected_regret_not_below_limit", "longer_than_any_plan"] | None = None


def read_gate(moments: Moments, limit: float, alpha: float = ALPHA) -> GateReading:
    """The evidence so far for "regret is below `limit`", 0 < limit < 1.

    Valid after every sample. The moments account for unequal sampling. Raises ValueError for `limit`
    or `alpha` outside (0, 1).
    """
    _check(limit, alpha)
    threshold = 1 / alpha
    if moments.n == 0:
        return GateReading(status="undecided", reason="no_samples", e_below=1, e_above=1, threshold=threshold, n=0)
    sums = columns([moments])
    below = _e(log_wealth(np.array(limit), sums, GATE_BETS, "below"))
    above = _e(log_wealth(np.array(limit), sums, DEFAULT_BETS, "above"))
    status: GateStatus = "open" if below >= threshold else "closed" if above >= threshold else "undecided"
    reasons: dict[GateStatus, GateReason] = {
        "open": "regret_below_limit",
        "closed": "regret_above_limit",
        "undecided": "not_enough_evidence",
    }
    return GateReading(
        status=status, reason=reasons[status], e_below=below, e_above=above, threshold=threshold, n=moments.n
    )


def plan_gate(limit: float, expected_regret: float, samples_a_day: float, alpha: float = ALPHA) -> GatePlan:
    """How many samples, and days, the gate will take if regret is `expected_regret`, in [0, 1].

    Both are upper bounds of the true quantiles: the gate may open and close again, so the first
    opening can only be earlier. `samples_a_day` is traffic times stage times sampling rate. Raises
    ValueError for arguments out of range.
    """
    _check(limit, alpha)
    if not (0 <= expected_regret <= 1 and samples_a_day > 0):
        raise ValueError("expected_regret must be in [0, 1] and samples_a_day above 0")
    if expected_regret >= limit:
        return _no_plan("expected_regret_not_below_limit")
    median = _samples(limit, expected_regret, alpha, 0.5)
    p90 = _samples(limit, expected_regret, alpha, 0.9)
    if median is None or p90 is None:
        return _no_plan("longer_than_any_plan")
    return GatePlan(
        samples_median=median, samples_p90=p90, days_median=median / samples_a_day, days_p90=p90 / samples_a_day
    )


def _samples(limit: float, regret: float, alpha: float, probability: float) -> int | None:
    """The smallest n at which the gate is open with `probability` (up to the steps of the binomial), or None."""

    def is_open(n: int) -> bool:
        most = _max_regrets(limit, n, alpha)
        return most >= 0 and float(binom.cdf(most, n, regret)) >= probability

    high = 1
    while not is_open(high):
        high *= 2
        if high > _MAX_PLAN_SAMPLES:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_open(middle) else (middle, high)
    return high


def _max_regrets(limit: float, n: int, alpha: float) -> int:
    """The largest number of regrets among n with which the gate is open; -1 if there is none."""
    low, high = -1, int(limit * n) + 1
    while high - low > 1:
        middle = (low + high) // 2
        wealth = log_wealth(np.array(limit), columns([Moments.of_counts(middle, n)]), GATE_BETS, "below")[0]
        low, high = (middle, high) if wealth >= log(1 / alpha) else (low, middle)
    return low


def _no_plan(reason: Literal["expected_regret_not_below_limit", "longer_than_any_plan"]) -> GatePlan:
    return GatePlan(samples_median=None, samples_p90=None, days_median=None, days_p90=None, reason=reason)


def _e(logs: Floats) -> float:
    return exp(min(float(logs[0]), _MAX_EXPONENT))


def _check(limit: float, alpha: float) -> None:
    if not (0 < limit < 1 and 0 < alpha < 1):
        raise ValueError(f"limit and alpha must be in (0, 1), not {limit} and {alpha}")
