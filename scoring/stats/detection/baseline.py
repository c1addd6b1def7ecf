"""The expected regret rate for each hour of the week.

Traffic has a weekly cycle: nights, Mondays, batch jobs. A detector that compares every hour with
one average raises an alarm on every ordinary Monday. On the other hand, a week of a task holds two or
three regrets per hour of the week, far too few to estimate each hour alone. So the rate is modelled
as smooth waves over the week and the day on a logarithmic scale, each as strong as the data support
(empirical Bayes with Laplace's approximation and the evidence updates of MacKay, "Bayesian
interpolation", Neural Computation 1992: the variance of the waves is itself estimated).
Where single hours deviate beyond chance, each is then moved towards its own data (gamma–Poisson
shrinkage).

A baseline that is too low by 10% makes a stationary stream look like a drift, so the detector bets
against the estimate plus one standard error.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from math import log
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.stats.moments import MICRO, Floats, Moments

HOURS: Final = 168

#: Harmonics of the week and of the day: periods of one, a half and a third.
_HARMONICS: Final = 3

#: Iterations: estimate the waves given their variance, then the variance given the waves.
_ROUNDS: Final = 15

#: Single hours count if the overdispersion is this many standard deviations beyond chance.
_MIN_OVERDISPERSION: Final = 3.0

#: Bounds of a baseline: one of 0 would make the first regret infinitely surprising.
_MIN_RATE: Final = 1e-4
_MAX_RATE: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Weekly:
    """Addable sums per hour of the week (168, Monday 0:00 UTC first) in millionths: rows, and their regret.

    Where sampling was unequal, an hour counts its effective sample size (Σw)²/Σw².
    """

    rows: tuple[int, ...] = (0,) * HOURS
    regrets: tuple[int, ...] = (0,) * HOURS

    def __add__(self, other: "Weekly") -> "Weekly":
        return Weekly(
            rows=tuple(a + b for a, b in zip(self.rows, other.rows, strict=True)),
            regrets=tuple(a + b for a, b in zip(self.regrets, other.regrets, strict=True)),
        )

    @classmethod
    def of(cls, hours: Iterable[tuple[datetime, Moments]]) -> "Weekly":
        """The sums of hourly rollups. Raises ValueError for a time without a zone."""
        rows, regrets = [0] * HOURS, [0] * HOURS
        for hour, moments in hours:
            if moments.n:
                effective = moments.weight**2 // moments.weight_squares
                rows[hour_of_week(hour)] += effective
                regrets[hour_of_week(hour)] += effective * moments.weighted // moments.weight
        return cls(rows=tuple(rows), regrets=tuple(regrets))

    @property
    def hours_seen(self) -> int:
        """The number of hours of the week with data; 168 after a whole week."""
        return sum(1 for rows in self.rows if rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Per hour of the week (168), the expected rate, and the cautious rate for a detector to bet against."""

    expected: tuple[float, ...]
    cautious: tuple[float, ...]

    @classmethod
    def constant(cls, rate: float) -> "Baseline":
        """A known rate that is the same in every hour."""
        return cls(expected=(rate,) * HOURS, cautious=(rate,) * HOURS)


def hour_of_week(at: datetime) -> int:
    """0 on Monday from 0:00 to 1:00 UTC, 167 on Sunday from 23:00. Raises ValueError for a naive time."""
    if at.tzinfo is None:
        raise ValueError("a time without a zone has no hour of the week")
    utc = at.astimezone(UTC)
    return utc.weekday() * 24 + utc.hour


def fit_baseline(weekly: Weekly, standard_errors: float = 1.0) -> Baseline | None:
    """The baseline from a week or more of data; None without data.

    Fewer data make it more uncertain: a few days give a nearly flat baseline and a wide margin of
    `standard_errors`.
    """
    n = np.array(weekly.rows, dtype=np.float64) / MICRO
    regrets = np.array(weekly.regrets, dtype=np.float64) / MICRO
    if not n.sum():
        return None
    # A rate of 0 has no logarithm, so at least half a regret is assumed.
    regrets = regrets + max(0.0, 0.5 - regrets.sum()) * n / n.sum()
    waves, variance = _waves(n, regrets)
    rate, own = _single_hours(n, regrets, waves)
    cautious = rate * np.exp(standard_errors * np.sqrt(variance + own))
    bounded = (tuple(np.clip(each, _MIN_RATE, _MAX_RATE).tolist()) for each in (rate, cautious))
    return Baseline(expected=next(bounded), cautious=next(bounded))


def _features() -> tuple[Floats, NDArray[np.intp]]:
    """The design matrix (168 × 13: a constant, then waves of unit variance), and the group of each column."""
    hour = np.arange(HOURS)
    columns, groups = [np.ones(HOURS)], [0]
    for group, period in ((1, HOURS), (2, 24)):
        for harmonic in range(1, _HARMONICS + 1):
            angle = 2 * np.pi * harmonic * hour / period
            columns += [np.sqrt(2) * np.cos(angle), np.sqrt(2) * np.sin(angle)]
            groups += [group, group]
    return np.column_stack(columns), np.array(groups)


_FEATURES, _GROUPS = _features()


def _waves(n: Floats, regrets: Floats) -> tuple[Floats, Floats]:
    """The smooth rate of each hour, and the variance of its logarithm."""
    waves = np.zeros(_FEATURES.shape[1])
    waves[0] = log((regrets.sum() + 0.5) / (n.sum() + 1))
    strength = np.array([np.inf, 0.05, 0.05])  # no prior for the constant
    covariance: Floats = np.zeros((waves.size, waves.size))
    for _ in range(_ROUNDS):
        precision = 1 / strength[_GROUPS]
        for _ in range(3):
            mean = n * np.exp(np.clip(_FEATURES @ waves, -20, 0))
            curvature = (_FEATURES.T * mean) @ _FEATURES + np.diag(precision) + 1e-9 * np.eye(waves.size)
            waves = waves + np.linalg.solve(curvature, _FEATURES.T @ (regrets - mean) - precision * waves)
        covariance = np.asarray(np.linalg.inv(curvature), dtype=np.float64)
        for group in (1, 2):
            mine = group == _GROUPS
            strength[group] = max(float(np.mean(waves[mine] ** 2 + np.diag(covariance)[mine])), 1e-6)
    variance = np.einsum("hi,ij,hj->h", _FEATURES, covariance, _FEATURES)
    return np.exp(np.clip(_FEATURES @ waves, -20, 0)), variance


def _single_hours(n: Floats, regrets: Floats, smooth: Floats) -> tuple[Floats, Floats]:
    """The rate of each hour with its own data, and the variance of its logarithm."""
    mean = n * smooth
    beyond = float(((regrets - mean) ** 2 - mean).sum())
    chance = float(np.sqrt((2 * mean**2 + mean).sum()))
    if beyond <= _MIN_OVERDISPERSION * chance:
        return smooth, np.zeros(HOURS)
    spread = beyond / float((mean**2).sum())
    prior = 1 / spread
    return smooth * (regrets + prior) / (mean + prior), 1 / (regrets + prior)
