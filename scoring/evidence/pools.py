"""Adds up tallies per task, candidate and segment: the input of every estimate.

Segments are those in the tallies, and two that come from the time, in UTC: `hour` ("13:00") and
`weekday` ("Mon").
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from scoring.evidence.estimates import Estimate, estimates, net_estimates
from scoring.evidence.verdict import MIN_PAIRS
from shadow.aggregates.derived_dimensions import WEEKDAYS
from shadow.aggregates.regret_sources import SOURCES
from shadow.aggregates.tally import ALL, Cell, Sums, Tally
from shadow.records import RegretSource


class Regret(NamedTuple):
    """The sums of regret and net regret by one source."""

    regret: Sums
    net: Sums


@dataclass(slots=True)
class Pool:
    """One segment over all hours. `tally` holds what does not depend on a source, `by_source` the regret of each."""

    tally: Tally = field(default_factory=Tally)
    by_source: dict[RegretSource, Regret] = field(default_factory=dict)

    def add(self, cell: Cell, tally: Tally) -> None:
        self.tally.merge(tally)
        if not tally.regret.n:
            return
        for source in SOURCES:
            if cell.source == source:
                sums = self.by_source.setdefault(source, Regret(Sums(), Sums()))
                sums.regret.merge(tally.regret)
                sums.net.merge(tally.net_regret)

    @property
    def primary(self) -> RegretSource | None:
        """The strongest source with enough pairs; if none has enough, the one with the most."""
        seen = {source: self.by_source[source].regret.n for source in SOURCES if source in self.by_source}
        for source, n in seen.items():
            if n >= MIN_PAIRS:
                return source
        if not seen:
            return None
        # max returns the first of equals, which is the stronger source.
        return max(seen.items(), key=lambda item: item[1])[0]


@dataclass(slots=True)
class Group:
    """One task and candidate. `excess` comes from exchanges that the frontier answered twice."""

    whole: Pool = field(default_factory=Pool)
    segments: dict[tuple[str, str], Pool] = field(default_factory=dict)
    hours: list[datetime] = field(default_factory=list)
    excess: Sums = field(default_factory=Sums)


class Measured(NamedTuple):
    """The estimates of one pool; `regret` and `net_regret` are those of its primary source."""

    agreement: Estimate | None
    regret: Estimate | None
    net_regret: Estimate | None


def grouped(tallies: Mapping[Cell, Tally]) -> tuple[dict[tuple[str, str], Group], dict[str, Sums]]:
    """Groups by (task, candidate), and by task the sums of the frontier's agreement with itself."""
    groups: dict[tuple[str, str], Group] = {}
    ceilings: dict[str, Sums] = {}
    for cell, tally in tallies.items():
        is_total = (cell.dimension, cell.value) == ALL
        if cell.kind == "ceiling":
            if is_total:
                ceilings.setdefault(cell.task, Sums()).merge(tally.agreement)
            continue
        group = groups.setdefault((cell.task, cell.candidate), Group())
        if cell.kind == "excess":
            if is_total:
                group.excess.merge(tally.agreement)
            continue
        for name in _segments_of(cell):
            group.segments.setdefault(name, Pool()).add(cell, tally)
        if is_total:
            group.whole.add(cell, tally)
            group.hours.append(cell.hour)
    return groups, ceilings


def measured(pools: list[Pool]) -> list[Measured]:
    """Agreement, regret and net regret of each pool; computes all intervals in one call, which is faster."""
    sources = [pool.primary for pool in pools]
    nothing = Regret(Sums(), Sums())
    regrets = [pool.by_source[source] if source else nothing for pool, source in zip(pools, sources, strict=True)]
    regret, net = [each.regret for each in regrets], [each.net for each in regrets]
    agreements_and_regrets = estimates([*(pool.tally.agreement for pool in pools), *regret])
    rows = zip(
        agreements_and_regrets[: len(pools)],
        agreements_and_regrets[len(pools) :],
        net_estimates(regret, net),
        sources,
        strict=True,
    )
    return [
        Measured(agrees, loses and loses.with_source(source), nets and nets.with_source(source))
        for agrees, loses, nets, source in rows
    ]


def regret_estimates(regrets: list[Regret]) -> list[tuple[Estimate | None, Estimate | None]]:
    """The estimates of regret and net regret of each of `regrets`."""
    regret, net = [each.regret for each in regrets], [each.net for each in regrets]
    return list(zip(estimates(regret), net_estimates(regret, net), strict=True))


def _segments_of(cell: Cell) -> tuple[tuple[str, str], ...]:
    if (cell.dimension, cell.value) != ALL:
        return ((cell.dimension, cell.value),)
    return (("hour", f"{cell.hour:%H}:00"), ("weekday", WEEKDAYS[cell.hour.weekday()]))
