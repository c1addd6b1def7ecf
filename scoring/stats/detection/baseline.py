"""What regret is normal at this hour of the week.

Traffic has a week in it: nights, Mondays, batch jobs. A detector that compares every hour with
one average alarms on every calm Monday. A week of a task, on the other hand, holds two or
three regrets per hour of the week, far too few to take each hour at its word. So the rate is
modelled as smooth waves over the week and the day on a logarithmic scale, each as strong as
the data support (empirical Bayes: the variance of the waves is itself estimated; Laplace's
approximation and MacKay's updates), and an hour that stands out beyond chance is then pulled
towards what was seen in it (gamma–Poisson).

A baseline that is too low by 10% makes a calm stream look like a drift, so what the detector
bets against is the estimate plus one standard error.
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

#: Waves per week and per day, from one period down to a third of one.
_HARMONICS: Final = 3

#: Rounds of estimating the waves given their variance, then the variance given the waves.
_ROUNDS: Final = 15

#: Overdispersion this many standard deviations beyond chance makes single hours count.
_STANDS_OUT: Final = 3.0

#: A baseline of 0 would make the first regret infinitely surprising.
_LEAST: Final = 1e-4
_MOST: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Weekly:
    """Addable sums per hour of the week, Monday 0:00 UTC first, in millionths: rows, and their regret.

    Where sampling was unequal, an hour counts for as many equal rows as its weights are worth.
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
        """The sums of rollups, one per hour. Raises ValueError for a time without a zone."""
        rows, regrets = [0] * HOURS, [0] * HOURS
        for hour, moments in hours:
            if moments.n:
                worth = moments.weight**2 // moments.weight_squares
                rows[hour_of_week(hour)] += worth
                regrets[hour_of_week(hour)] += worth * moments.weighted // moments.weight
        return cls(rows=tuple(rows), regrets=tuple(regrets))

    @property
    def hours_seen(self) -> int:
        """How many hours of the week have data; a whole week has been seen at 168."""
        return sum(1 for rows in self.rows if rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Per hour of the week the expected rate, and the rate a detector may bet against (168 each)."""

    expected: tuple[float, ...]
    cautious: tuple[float, ...]

    @classmethod
    def constant(cls, rate: float) -> "Baseline":
        """A rate that is known, the same in every hour."""
        return cls(expected=(rate,) * HOURS, cautious=(rate,) * HOURS)


def hour_of_week(at: datetime) -> int:
    """0 on Monday from 0:00 to 1:00 UTC, 167 on Sunday from 23:00. Raises ValueError for a naive time."""
    if at.tzinfo is None:
        raise ValueError("a time without a zone has no hour of the week")
    utc = at.astimezone(UTC)
    return utc.weekday() * 24 + utc.hour


def fit_baseline(weekly: Weekly, standard_errors: float = 1.0) -> Baseline | None:
    """The baseline, from a week or more; None where there is no data at all.

    It is as uncertain as the data are few: a few days give a nearly flat baseline, and a wide margin.
    """
    n = np.array(weekly.rows, dtype=np.float64) / MICRO
    regrets = np.array(weekly.regrets, dtype=np.float64) / MICRO
    if not n.sum():
        return None
    # A rate of 0 has no logarithm: where hardly any regret was seen, half of one stands for it.
    regrets = regrets + max(0.0, 0.5 - regrets.sum()) * n / n.sum()
    waves, variance = _waves(n, regrets)
    rate, own = _single_hours(n, regrets, waves)
    cautious = rate * np.exp(standard_errors * np.sqrt(variance + own))
    bounded = (tuple(np.clip(each, _LEAST, _MOST).tolist()) for each in (rate, cautious))
    return Baseline(expected=next(bounded), cautious=next(bounded))


def _features() -> tuple[Floats, NDArray[np.intp]]:
    """168 rows: a constant, then waves of unit variance; and which group each column belongs to."""
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
    strength = np.array([np.inf, 0.05, 0.05])  # the constant is not shrunk
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
    """The rate of each hour with its own data, and the variance that its own data leave."""
    mean = n * smooth
    beyond = float(((regrets - mean) ** 2 - mean).sum())
    chance = float(np.sqrt((2 * mean**2 + mean).sum()))
    if beyond <= _STANDS_OUT * chance:
        return smooth, np.zeros(HOURS)
    spread = beyond / float((mean**2).sum())
    prior = 1 / spread
    return smooth * (regrets + prior) / (mean + prior), 1 / (regrets + prior)
