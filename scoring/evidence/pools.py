"""Tallies put together per task, candidate and segment: what every estimate is made from.

Segments are those that the tallies hold, and two read off the clock, in UTC: `hour` ("13:00")
and `weekday` ("Mon").
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from scoring.evidence.estimates import Estimate, estimates, net_estimates
from scoring.evidence.verdict import ENOUGH
from shadow.aggregates.derived_dimensions import WEEKDAYS
from shadow.aggregates.regret_sources import SOURCES
from shadow.aggregates.tally import ALL, Cell, Sums, Tally
from shadow.records import RegretSource


class Regret(NamedTuple):
    """The sums of what one source says."""

    regret: Sums
    net: Sums


@dataclass(slots=True)
class Pool:
    """One segment over all hours. `tally` holds what is true whoever knew; `by_source` the regret of each."""

    tally: Tally = field(default_factory=Tally)
    by_source: dict[RegretSource, Regret] = field(default_factory=dict)

    def add(self, cell: Cell, tally: Tally) -> None:
        self.tally.merge(tally)
        if not tally.regret.n:
            return
        for source in SOURCES:
            if cell.source == source:
                said = self.by_source.setdefault(source, Regret(Sums(), Sums()))
                said.regret.merge(tally.regret)
                said.net.merge(tally.net_regret)

    @property
    def primary(self) -> RegretSource | None:
        """The strongest source that looked at enough pairs; if none did, the one that saw most."""
        seen = {source: self.by_source[source].regret.n for source in SOURCES if source in self.by_source}
        for source, n in seen.items():
            if n >= ENOUGH:
                return source
        if not seen:
            return None
        # Of equals, max takes the first, which is the stronger.
        return max(seen.items(), key=lambda item: item[1])[0]


@dataclass(slots=True)
class Group:
    """One task and candidate. `excess` is told by exchanges that the frontier answered twice."""

    whole: Pool = field(default_factory=Pool)
    segments: dict[tuple[str, str], Pool] = field(default_factory=dict)
    hours: list[datetime] = field(default_factory=list)
    excess: Sums = field(default_factory=Sums)


class Measured(NamedTuple):
    """The estimates of one pool; `regret` and `net_regret` are the primary source's."""

    agreement: Estimate | None
    regret: Estimate | None
    net_regret: Estimate | None


def grouped(tallies: Mapping[Cell, Tally]) -> tuple[dict[tuple[str, str], Group], dict[str, Sums]]:
    """Groups by (task, candidate), and the agreement of each task's frontier with itself."""
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
    """Agreement, regret and net regret of each pool, all intervals at once."""
    sources = [pool.primary for pool in pools]
    nothing = Regret(Sums(), Sums())
    said = [pool.by_source[source] if source else nothing for pool, source in zip(pools, sources, strict=True)]
    regret, net = [each.regret for each in said], [each.net for each in said]
    told = estimates([*(pool.tally.agreement for pool in pools), *regret])
    rows = zip(told[: len(pools)], told[len(pools) :], net_estimates(regret, net), sources, strict=True)
    return [
        Measured(agrees, loses and loses.of(source), nets and nets.of(source)) for agrees, loses, nets, source in rows
    ]


def regret_estimates(said: list[Regret]) -> list[tuple[Estimate | None, Estimate | None]]:
    """Regret and net regret of each."""
    regret, net = [each.regret for each in said], [each.net for each in said]
    return list(zip(estimates(regret), net_estimates(regret, net), strict=True))


def _segments_of(cell: Cell) -> tuple[tuple[str, str], ...]:
    if (cell.dimension, cell.value) != ALL:
        return ((cell.dimension, cell.value),)
    return (("hour", f"{cell.hour:%H}:00"), ("weekday", WEEKDAYS[cell.hour.weekday()]))
