"""Cached reads of the Regret page. Rollups only: a year of traffic costs what its hours cost."""

from dataclasses import dataclass

import pandas as pd

from dashboard.data import cache, config, measures, regret_tables
from dashboard.data.cache import cached
from dashboard.data.measures import Step
from dashboard.data.regret_tables import Per, Side
from dashboard.data.state import Window
from scoring.evidence import report
from scoring.evidence.estimates import Estimate, estimates
from scoring.evidence.report import TaskEvidence
from shadow.aggregates.tally import ALL
from shadow.records import RegretSource


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """Regret of the whole task, and the counts it rests on."""

    evidence: TaskEvidence
    sampled: pd.DataFrame


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """Regret over time, the share the candidate served, and where the stage changed."""

    regret: pd.DataFrame
    served: pd.DataFrame
    stages: pd.DataFrame


@cached
def known(task: str, candidate: str, window: Window) -> Known | None:
    """Regret by source, and what it rests on; None where the window holds nothing."""
    totals = cache.totals(task, candidate, window)
    for found in report.evidence(totals, tasks=config.settings().tasks):
        if found.n:
            return Known(evidence=found, sampled=regret_tables.sampled(totals))
    return None


@cached
def segments(task: str, candidate: str, window: Window, source: RegretSource) -> pd.DataFrame:
    """Segments by what `source` says, see `measures.ranking`; those of the stage among them.

    The window must hold something.
    """
    tallies = regret_tables.of_source(cache.segments(task, candidate, window), source)
    (judged,) = report.evidence(tallies, tasks=config.settings().tasks)
    return measures.ranking(judged, "regret")


@cached
def sides(task: str, candidate: str, window: Window, source: RegretSource) -> list[tuple[Side, Estimate | None]]:
    """Before and after the rollout, each with its regret."""
    found = regret_tables.by_kind(cache.totals(task, candidate, window), source)
    return list(zip(found, estimates([side.sums for side in found]), strict=True))


@cached
def course(task: str, candidate: str, window: Window, source: RegretSource, per: Per) -> Course:
    """Everything over time, see `regrets`."""
    step: Step = "hour" if per == "hour" else "day"
    # Who was served is told by pairs, less those that sampling left out.
    totals = cache.steps(task, candidate, window, ALL[0], step, counts=(regret_tables.LEFT_OUT,))
    stages = cache.steps(task, candidate, window, regret_tables.STAGE, step, counts=(regret_tables.LEFT_OUT,))
    return Course(
        regret=regret_tables.over_time(totals, source, per),
        served=regret_tables.served(totals, per),
        stages=regret_tables.stage_changes(stages, per),
    )
