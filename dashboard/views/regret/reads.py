"""Cached reads of the Regret page. From rollups alone: the cost grows with the hours, not with the traffic."""

from dataclasses import dataclass

import pandas as pd

from dashboard.data import cache, config
from dashboard.data.cache import cached
from dashboard.data.tables import Step, ranking, with_regret_of
from dashboard.data.windows import Window
from dashboard.views.regret import tables
from dashboard.views.regret.tables import KindRegret, Per
from scoring.evidence import report
from scoring.evidence.estimates import Estimate, estimates
from scoring.evidence.report import TaskEvidence
from shadow.aggregates.counters import NOT_SAMPLED_COUNTER
from shadow.aggregates.tally import ALL
from shadow.records import RegretSource


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """Regret of the whole task, and how its pairs were sampled, see `tables.sampling`."""

    evidence: TaskEvidence
    sampling: pd.DataFrame


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """Regret over time, the share that the candidate served, and the changes of stage; see `tables`."""

    regret: pd.DataFrame
    served: pd.DataFrame
    stages: pd.DataFrame


@cached
def summary(task: str, candidate: str, window: Window) -> Summary | None:
    """Regret by source; None where the window has no pairs."""
    totals = cache.totals(task, candidate, window)
    for evidence in report.evidence(totals, tasks=config.settings().tasks):
        if evidence.n:
            return Summary(evidence=evidence, sampling=tables.sampling(totals))
    return None


@cached
def segments(task: str, candidate: str, window: Window, source: RegretSource) -> pd.DataFrame:
    """Segments by their regret according to `source`, the stages among them; see `data.tables.ranking`.

    The window must have pairs.
    """
    tallies = with_regret_of(cache.segments(task, candidate, window), source)
    (evidence,) = report.evidence(tallies, tasks=config.settings().tasks)
    return ranking(evidence, "regret")


@cached
def by_kind(
    task: str, candidate: str, window: Window, source: RegretSource
) -> list[tuple[KindRegret, Estimate | None]]:
    """Before and after the rollout, each with its regret."""
    found = tables.by_kind(cache.totals(task, candidate, window), source)
    return list(zip(found, estimates([each.sums for each in found]), strict=True))


@cached
def history(task: str, candidate: str, window: Window, source: RegretSource, per: Per) -> History:
    """Regret, the served share and the stages over time."""
    step: Step = "hour" if per == "hour" else "day"
    # The served share is computed from pairs less those that sampling left out, so their counter is read too.
    totals = cache.periods(task, candidate, window, ALL[0], step, counts=(NOT_SAMPLED_COUNTER,))
    stages = cache.periods(task, candidate, window, tables.STAGE, step, counts=(NOT_SAMPLED_COUNTER,))
    return History(
        regret=tables.over_time(totals, source, per),
        served=tables.served(totals, per),
        stages=tables.stage_changes(stages, per),
    )
