"""Cached reads of the Segments page."""

from dataclasses import dataclass
from typing import Final

import pandas as pd
import streamlit as st

from dashboard.data import cache
from dashboard.data.cache import KINDS, cached, register, snapshot
from dashboard.data.config import settings
from dashboard.data.tables import Measure, ranking, with_regret_of
from dashboard.data.windows import Window
from dashboard.views.segments import tables
from scoring.evidence import report, worst_slices
from scoring.evidence.worst_slices import WorstCrossings
from shadow.aggregates import unit_scores
from shadow.records import RegretSource
from shadow.store.read import rollup_reads, slices

#: A search reads many rows, so its result is cached for so many seconds.
_SEARCH_TTL: Final = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranking:
    """Segments of one candidate, see `data.tables.ranking`; the task's `average`; the `source` of its regret."""

    rows: pd.DataFrame
    average: float | None
    source: RegretSource | None


@dataclass(frozen=True, kw_only=True, slots=True)
class CrossingSearch:
    """The worst crossings; `older_left_out`: there are older rows, which were not searched."""

    result: WorstCrossings
    older_left_out: bool


@cached
def segments(task: str, candidate: str, window: Window, measure: Measure) -> Ranking | None:
    """The segments by `measure`, flagged by it; None where the window has no pairs."""
    tallies = cache.segments(task, candidate, window)
    if measure == "agreement":
        tallies = with_regret_of(tallies, None)
    for evidence in report.evidence(tallies, tasks=settings().tasks):
        whole = evidence.agreement if measure == "agreement" else evidence.regret
        return Ranking(
            rows=ranking(evidence, measure),
            average=whole.estimate if whole else None,
            source=evidence.regret.source if evidence.regret else None,
        )
    return None


@register
@st.cache_data(ttl=_SEARCH_TTL, max_entries=50, show_spinner=False)
def worst_crossings(task: str, candidate: str, window: Window, measure: Measure) -> CrossingSearch | None:
    """The worst crossings by `measure`, from the newest rows of the window.

    None where the window has no pairs, or where regret is asked for and unknown.
    """
    for evidence in report.evidence(cache.segments(task, candidate, window), tasks=settings().tasks):
        source = evidence.regret.source if evidence.regret else None
        if measure == "agreement" or source is not None:
            by = "agreement" if measure == "agreement" else source
            return _search(task, candidate, window, by or "agreement", evidence.false_flag_rate)
    return None


def _search(
    task: str, candidate: str, window: Window, measure: unit_scores.Measure, false_flag_rate: float
) -> CrossingSearch:
    with snapshot() as connection:
        rows = slices.rows_for_slices(
            connection, task=task, candidate=candidate, since=window.since, until=window.until, measure=measure
        )
    found = worst_slices.worst_crossings(
        ids=rows.ids, units=rows.units, dimensions=rows.dimensions, scores=rows.scores,
        probabilities=rows.probabilities, measure=measure, false_flag_rate=false_flag_rate,
    )  # fmt: skip
    return CrossingSearch(result=found, older_left_out=rows.older_left_out)


@cached
def crossing(task: str, candidate: str, window: Window, down: str, across: str) -> pd.DataFrame:
    """Agreement where two stored dimensions meet, see `tables.crossing`."""
    with snapshot() as connection:
        fields = rollup_reads.crossing(
            connection, task=task, candidate=candidate, dimensions=(down, across),
            since=window.since, until=window.until, kinds=KINDS,
        )  # fmt: skip
    return tables.crossing(fields)
