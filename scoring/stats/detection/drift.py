"""An alarm when regret has risen above its baseline: the e-Shiryaev–Roberts detector.

Repeated tests of the last 500 samples raise a false alarm in 99% of stationary runs of 20,000 samples.
Here the probability of a false alarm is bounded beforehand. At each sample the statistic

    M ← (M + 1) · (1 + λ(x − b))

sums the evidence for "regret rose above its baseline b at some time up to now" over all starting
times. While regret stays at b or below, E[M] grows by at most 1 a sample, so M
reaches A = N/alpha within N samples with probability at most alpha: M_n + (N − n) is a
supermartingale that starts at N (Doob). This is the e-SR procedure of Shin, Ramdas & Rinaldo,
"E-detectors: a nonparametric framework for sequential change detection", NEJSDS 2024, section 2;
their bound on the *average* run length alone would allow alarms in 51% of stationary runs of that
length.

The best λ for a regret of r times the baseline is (r − 1)/(1 − b); r is unknown, so a mixture over
several r is used. b may change with the hour of the week, as long as it is known before the sample.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scoring.stats.moments import Floats, Moments, checked_rows, columns
from scoring.stats.sequential import ALPHA
from scoring.stats.wealth import log_wealth_of_stakes

#: Ratios r of risen regret to its baseline, and the part of the bets on each.
RATIOS: Final = (1.5, 2.0, 2.5, 3.0, 4.0)
PARTS: Final = (0.1, 0.3, 0.3, 0.2, 0.1)

#: Samples within which a false alarm has probability at most alpha.
HORIZON: Final = 20_000

#: Maximum stake: a bet that could lose everything would disable the detector after one surprise.
_MAX_STAKE: Final = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftState:
    """M per ratio, the number of samples, and the sample at which the alarm was raised, if it was.

    Plain numbers that msgspec or json store exactly. An alarm is latched, and the evidence stays as
    it was then; start again from `DriftState()` once the alarm is handled.
    """

    evidence: tuple[float, ...] = (0.0,) * len(RATIOS)
    n: int = 0
    alarmed_at: int | None = None

    @property
    def level(self) -> float:
        """The statistic that is compared with N/alpha."""
        return sum(part * each for part, each in zip(PARTS, self.evidence, strict=True))

    @property
    def alarmed(self) -> bool:
        return self.alarmed_at is not None


def alarm_level(horizon: int = HORIZON, alpha: float = ALPHA) -> float:
    """A = N/alpha: reached within N = `horizon` stationary samples with probability at most `alpha`.

    Raises ValueError for a horizon that is not positive and for alpha outside (0, 1).
    """
    if not (horizon > 0 and 0 < alpha < 1):
        raise ValueError(f"horizon must be positive and alpha in (0, 1), not {horizon} and {alpha}")
    return horizon / alpha


def observe_samples(
    state: DriftState,
    values: ArrayLike,
    baselines: ArrayLike,
    threshold: float | None = None,
    relative_weights: ArrayLike | None = None,
) -> DriftState:
    """The state after regrets in [0, 1], in the order in which they occurred.

    `baselines` holds the expected rate of each sample, in (0, 1), or one for all;
    `relative_weights` π_min/π, in (0, 1], where sampling was unequal. `threshold` defaults to
    `alarm_level()`. The state does not depend, to the bit, on how the stream is cut into batches.
    Raises ValueError for arguments out of range, or lengths that differ.
    """
    x, weight = checked_rows(values, relative_weights)
    if x.size == 0:
        return state
    baseline = _rates(baselines, x.size)
    factors = np.array([1 + _stakes(ratio, baseline) / baseline * weight * (x - baseline) for ratio in RATIOS])
    paths = [
        list(accumulate(row.tolist(), _one_sample, initial=before))
        for row, before in zip(factors, state.evidence, strict=True)
    ]
    return _advanced(state, np.array(paths), state.n + np.arange(x.size + 1), threshold)


def observe_hours(
    state: DriftState, hours: Sequence[tuple[Moments, float]], threshold: float | None = None
) -> DriftState:
    """The state after rollups of whole hours, oldest first, each with its hour's baseline.

    The order within an hour is unknown, so an hour is one step, and a change may have begun at its
    start. E[M] still grows by at most 1 per sample, so the same threshold holds. Hours without rows
    are skipped. Raises ValueError for baselines outside (0, 1).
    """
    seen = [(moments, rate) for moments, rate in hours if moments.n]
    if not seen:
        return state
    baseline = _rates([rate for _, rate in seen], len(seen))
    sums = columns([moments for moments, _ in seen])
    stakes = np.array([_stakes(ratio, baseline) for ratio in RATIOS])
    factors = np.exp(np.minimum(log_wealth_of_stakes(baseline, sums, stakes), 500.0))
    sizes = [moments.n for moments, _ in seen]
    paths = [
        list(accumulate(zip(sizes, row.tolist(), strict=True), _one_hour, initial=before))
        for row, before in zip(factors, state.evidence, strict=True)
    ]
    return _advanced(state, np.array(paths), state.n + np.cumsum([0, *sizes]), threshold)


def _one_sample(before: float, factor: float) -> float:
    return (before + 1.0) * factor


def _one_hour(before: float, hour: tuple[int, float]) -> float:
    n, factor = hour
    return (before + n) * factor


def _advanced(state: DriftState, paths: Floats, samples: NDArray[np.int64], threshold: float | None) -> DriftState:
    """The state at the end of the paths (ratio × step; the first step is `state`), or at its alarm."""
    end = int(samples[-1])
    if state.alarmed:
        return replace(state, n=end)
    # Summed in the same order as in `DriftState.level`, so that both agree to the bit.
    levels = sum(part * path for part, path in zip(PARTS, paths, strict=True))
    reached = np.flatnonzero(levels >= (alarm_level() if threshold is None else threshold))
    at = int(reached[0]) if reached.size else -1
    evidence = tuple(paths[:, at].tolist())
    return DriftState(evidence=evidence, n=end, alarmed_at=int(samples[at]) if reached.size else None)


def _stakes(ratio: float, baseline: Floats) -> Floats:
    """The share of the wealth that a sample without regret loses."""
    return np.minimum((ratio - 1) * baseline / (1 - baseline), _MAX_STAKE)


def _rates(baselines: ArrayLike, n: int) -> Floats:
    rates = np.broadcast_to(np.asarray(baselines, dtype=np.float64), (n,))
    if not ((rates > 0) & (rates < 1)).all():
        raise ValueError("baselines must be in (0, 1)")
    return rates
