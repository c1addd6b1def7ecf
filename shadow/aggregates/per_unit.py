"""Scores summed per unit: the user or conversation that made many calls.

Calls of one unit are alike, so an interval over calls is too narrow; one over unit means is
not. Means of units do not come from rollups, which do not know the units.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isclose
from typing import Literal, TypeAlias

from shadow.aggregates.regret_sources import net_by_source
from shadow.aggregates.tally import micros
from shadow.records import Comparison, RegretSource, Trial

#: Agreement, or the regret that one source gives.
Measure: TypeAlias = Literal["agreement"] | RegretSource


@dataclass(slots=True)
class PerUnit:
    """Scores of one measure: `sums[unit]` is the number of calls and the sum of their scores, in millionths.

    `rarest` and `commonest` are the smallest and largest chance with which one was seen.
    """

    sums: dict[str, tuple[int, int]] = field(default_factory=dict)
    rarest: float = 1.0
    commonest: float = 0.0

    def add(self, unit: str, x: float, probability: float) -> None:
        calls, total = self.sums.get(unit, (0, 0))
        self.sums[unit] = calls + 1, total + micros(x)
        self.rarest = min(self.rarest, probability)
        self.commonest = max(self.commonest, probability)

    @property
    def is_equal(self) -> bool:
        """Whether every call had the same chance of being seen."""
        return not self.sums or isclose(self.rarest, self.commonest, rel_tol=1e-6)


#: What is known per unit of one candidate's calls.
Units: TypeAlias = Mapping[Measure, PerUnit]

#: The same by task and candidate.
UnitTallies: TypeAlias = dict[tuple[str, str], dict[Measure, PerUnit]]


def count(tallies: UnitTallies, trial: Trial, comparison: Comparison) -> None:
    """Count one scored pair to its unit, if it has one. A ceiling says nothing of the candidate."""
    unit = trial.exchange.unit
    if unit is None or trial.kind == "ceiling":
        return
    known = tallies.setdefault((trial.exchange.task, trial.candidate), {})
    if comparison.agreement is not None:
        known.setdefault("agreement", PerUnit()).add(unit, comparison.agreement, trial.inclusion_probability)
    for source, net in net_by_source(trial, comparison).items():
        known.setdefault(source, PerUnit()).add(unit, max(0.0, net), trial.inclusion_probability)
