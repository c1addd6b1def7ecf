"""Scores summed per unit: a user or a conversation that made many calls.

Calls of one unit are alike, so an interval over calls is too narrow; one over the means of units is
not (`scoring.stats.unit_means`). Rollups do not know units, so these sums are made from pairs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isclose
from typing import Literal, TypeAlias

from shadow.aggregates.regret_sources import net_by_source
from shadow.aggregates.tally import micros
from shadow.records import Comparison, RegretSource, Trial

#: Agreement, or the regret by one source.
Measure: TypeAlias = Literal["agreement"] | RegretSource


@dataclass(slots=True)
class UnitScores:
    """Scores of one measure: `sums[unit]` is the number of calls and the sum of their scores, in millionths.

    `rarest` and `commonest` are the smallest and the largest probability with which a call was sampled.
    """

    sums: dict[str, tuple[int, int]] = field(default_factory=dict)
    rarest: float = 1.0
    commonest: float = 0.0

    def add(self, unit: str, x: float, probability: float) -> None:
        calls, total = self.sums.get(unit, (0, 0))
        self.sums[unit] = calls + 1, total + micros(x)
        self.rarest = min(self.rarest, probability)
        self.commonest = max(self.commonest, probability)

    def merge(self, other: "UnitScores") -> None:
        for unit, (calls, total) in other.sums.items():
            known_calls, known_total = self.sums.get(unit, (0, 0))
            self.sums[unit] = known_calls + calls, known_total + total
        self.rarest = min(self.rarest, other.rarest)
        self.commonest = max(self.commonest, other.commonest)

    @property
    def is_equal(self) -> bool:
        """Whether every call was sampled with the same probability."""
        return not self.sums or isclose(self.rarest, self.commonest, rel_tol=1e-6)


#: The scores of one candidate's calls.
UnitScoresByMeasure: TypeAlias = Mapping[Measure, UnitScores]

#: By task and candidate.
UnitScoresByCandidate: TypeAlias = dict[tuple[str, str], dict[Measure, UnitScores]]


def count(scores: UnitScoresByCandidate, trial: Trial, comparison: Comparison) -> None:
    """Add one scored pair to the scores of its unit, if it has one. Ceilings do not count: they have no candidate."""
    unit = trial.exchange.unit
    if unit is None or trial.kind == "ceiling":
        return
    by_measure = scores.setdefault((trial.exchange.task, trial.candidate), {})
    if comparison.agreement is not None:
        by_measure.setdefault("agreement", UnitScores()).add(unit, comparison.agreement, trial.inclusion_probability)
    for source, net in net_by_source(trial, comparison).items():
        by_measure.setdefault(source, UnitScores()).add(unit, max(0.0, net), trial.inclusion_probability)


def merge(scores: UnitScoresByCandidate, others: UnitScoresByCandidate) -> None:
    """Add `others` to `scores`."""
    for candidate, by_measure in others.items():
        known = scores.setdefault(candidate, {})
        for measure, added in by_measure.items():
            known.setdefault(measure, UnitScores()).merge(added)
