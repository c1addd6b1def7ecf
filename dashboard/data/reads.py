"""Cached reads: pages ask here for frames and evidence, and touch neither store nor tallies themselves.

Everything but single exchanges comes from rollups, so a page costs the same at ten thousand
exchanges and at ten million. The Regret page's reads are in `regret_frames`, the Shift page's
in `shift_frames`.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import pandas as pd
import streamlit as st
from sqlalchemy import Connection

from dashboard.data import cache, measures, regret_tables
from dashboard.data.cache import KINDS, cached, remembered, snapshot
from dashboard.data.config import settings
from dashboard.data.measures import Measure, Step
from dashboard.data.state import Subject, Wanted, Window
from scoring.evidence import report, worst_slices
from scoring.evidence.report import TaskEvidence
from scoring.evidence.verdict import NOT_SAMPLED
from scoring.evidence.worst_slices import WorstCrossings
from shadow.aggregates import derived_dimensions, unit_scores
from shadow.aggregates.tally import ALL
from shadow.errors import ConfigError, SchemaError, StoreError
from shadow.records import RegretSource, Role
from shadow.store.read import catalogue as stored_catalogue
from shadow.store.read import ledger as stored_ledger
from shadow.store.read import pairs as stored_exchanges
from shadow.store.read import rollup_reads as stored_tallies
from shadow.store.read import slices as stored_slices
from shadow.store.read.ledger import Ledger
from shadow.store.read.pairs import StoredPair
from shadow.store.schema.revision import require_schema

#: A search reads rows, many of them: what it found is kept for so many seconds.
_SEARCHED_FOR: Final = 300

#: Start of the counters of unscored pairs; the reason follows.
_UNSCORED: Final = "unscored:"


@dataclass(frozen=True, kw_only=True, slots=True)
class Trouble:
    """Why there is nothing to show yet, and what to do about it."""

    title: str
    explanation: str
    mend: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """A task that has evidence: its candidates, and the hours of its first and newest exchange."""

    task: str
    candidates: tuple[str, ...]
    first: datetime
    last: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranking:
    """Segments of one candidate, see `measures.ranking`; `average` is the task's, `source` says who knew."""

    rows: pd.DataFrame
    average: float | None
    source: RegretSource | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Worst:
    """Where crossings are worst; `cut` says that older rows were left out."""

    found: WorstCrossings
    cut: bool


_NO_EXCHANGES: Final = Trouble(
    title="No exchanges yet",
    explanation=(
        "The tables are ready, and nothing has been compared so far. Send requests through the gateway, "
        "replay recorded pairs, or watch simulated models:"
    ),
    mend="shadow gateway      # then point an OpenAI client's base_url at it\n"
    "shadow replay FILE  # judges recorded pairs; needs no broker\n"
    "shadow demo         # everything on this machine, with simulated models",
)


@cached
def trouble() -> Trouble | None:
    """What stands between the reader and the pages; None when there is something to see."""
    try:
        with snapshot() as connection:
            require_schema(connection)
            return None if _known(connection) else _NO_EXCHANGES
    except ConfigError as fault:
        return Trouble(title="No usable configuration yet", explanation=str(fault), mend="shadow check")
    except SchemaError as fault:
        return Trouble(title="The database is not prepared", explanation=str(fault), mend="shadow migrate")
    except StoreError as fault:
        return Trouble(title="The database cannot be reached", explanation=str(fault), mend="shadow check")


@cached
def catalogue() -> list[Known]:
    """Every task with evidence about a candidate, by name."""
    with snapshot() as connection:
        return _known(connection)


@cached
def ledger(task: str | None) -> Ledger:
    """Where every exchange went, of one task or of all."""
    with snapshot() as connection:
        return stored_ledger.read(connection, task=task)


@cached
def overview(task: str | None, window: Window) -> list[TaskEvidence]:
    """Evidence of every task and candidate, without their segments."""
    with snapshot() as connection:
        found = stored_tallies.read(
            connection, task=task, kinds=(*KINDS, "ceiling", "excess"), since=window.since, until=window.until,
            dimension=ALL[0], per="window",
        )  # fmt: skip
    return report.evidence(found, tasks=settings().tasks)


@cached
def segments(task: str, candidate: str, window: Window, measure: Measure) -> Ranking | None:
    """How each segment does by `measure`, and is flagged by it; None where the window holds nothing."""
    tallies = cache.segments(task, candidate, window)
    if measure == "agreement":
        tallies = regret_tables.of_source(tallies, None)
    for judged in report.evidence(tallies, tasks=settings().tasks):
        whole = judged.agreement if measure == "agreement" else judged.regret
        return Ranking(
            rows=measures.ranking(judged, measure),
            average=whole.estimate if whole else None,
            source=judged.regret.source if judged.regret else None,
        )
    return None


@remembered
@st.cache_data(ttl=_SEARCHED_FOR, max_entries=50, show_spinner=False)
def worst(task: str, candidate: str, window: Window, measure: Measure) -> Worst | None:
    """The worst crossings by `measure`, from the newest rows of the window.

    None where it holds nothing, or nobody knows of regret.
    """
    for judged in report.evidence(cache.segments(task, candidate, window), tasks=settings().tasks):
        source = judged.regret.source if judged.regret else None
        if measure == "agreement" or source is not None:
            by = "agreement" if measure == "agreement" else source
            return _searched(task, candidate, window, by or "agreement", judged.false_flag_rate)
    return None


def _searched(task: str, candidate: str, window: Window, measure: unit_scores.Measure, false_flag_rate: float) -> Worst:
    with snapshot() as connection:
        rows = stored_slices.rows_for_slices(
            connection, task=task, candidate=candidate, since=window.since, until=window.until, measure=measure
        )
    found = worst_slices.worst_crossings(
        ids=rows.ids, units=rows.units, dimensions=rows.dimensions, scores=rows.scores,
        probabilities=rows.probabilities, measure=measure, false_flag_rate=false_flag_rate,
    )  # fmt: skip
    return Worst(found=found, cut=rows.cut)


@cached
def dimensions(task: str, candidate: str, window: Window) -> list[str]:
    """Dimensions with data: the declared ones, then the derived. Not those of the calendar."""
    found = {cell.dimension for cell in cache.segments(task, candidate, window)} - {ALL[0]}
    return [
        *sorted(found - set(derived_dimensions.DERIVED)),
        *(name for name in derived_dimensions.DERIVED if name in found),
    ]


@cached
def values(task: str, candidate: str, window: Window, dimension: str) -> list[str]:
    """The values seen in one dimension, the most frequent first."""
    counts = measures.pairs_by_value(cache.segments(task, candidate, window), dimension)
    return sorted(counts, key=lambda value: (-counts[value], value))


@cached
def unscored(task: str, candidate: str, window: Window) -> dict[str, int]:
    """Pairs that could not be scored, by reason, the most frequent first. Not those nobody was asked about."""
    counts: Counter[str] = Counter()
    for tally in cache.totals(task, candidate, window).values():
        counts += Counter({name: n for name, n in tally.counts.items() if name.startswith(_UNSCORED) and n > 0})
    reasons = {name.removeprefix(_UNSCORED): n for name, n in counts.most_common()}
    return {reason: n for reason, n in reasons.items() if reason != NOT_SAMPLED}


@cached
def crossing(task: str, candidate: str, window: Window, down: str, across: str) -> pd.DataFrame:
    """Agreement where two stored dimensions meet, see `measures.crossing`."""
    with snapshot() as connection:
        fields = stored_tallies.crossing(
            connection, task=task, candidate=candidate, dimensions=(down, across),
            since=window.since, until=window.until, kinds=KINDS,
        )  # fmt: skip
    return measures.crossing(fields)


@cached
def trend(subject: Subject, step: Step) -> pd.DataFrame:
    """Agreement over time, see `measures.trend`."""
    return measures.trend(cache.buckets(subject, step), step)


@cached
def week(subject: Subject) -> pd.DataFrame:
    """Agreement by hour of the week, see `measures.week`."""
    return measures.week(cache.buckets(subject, "hour_of_week", counts=False))


@cached
def failures(subject: Subject, role: Role, step: Step) -> pd.DataFrame:
    """Failed replies over time, see `measures.failures`."""
    return measures.failures(cache.buckets(subject, step), role, step)


@cached
def volume(subject: Subject, step: Step) -> pd.DataFrame:
    """Pairs over time, see `measures.volume`."""
    return measures.volume(cache.buckets(subject, step), step)


@cached
def pairs(wanted: Wanted) -> pd.DataFrame:
    """The newest matching pairs, as rows for people to choose from, see `measures.listing`."""
    with snapshot() as connection:
        found = stored_exchanges.find(
            connection, task=wanted.task, candidate=wanted.candidate, since=wanted.window.since,
            until=wanted.window.until, segment=dict([wanted.segment]) if wanted.segment else None,
            max_agreement=wanted.max_agreement, failure=wanted.failure, unscored=wanted.unscored,
            text=wanted.text, limit=wanted.limit,
        )  # fmt: skip
    return measures.listing([(pair.trial, pair.comparison) for pair in found])


@cached
def exchange(task: str, candidate: str, exchange_id: str) -> list[StoredPair]:
    """All pairs of one exchange with this candidate."""
    with snapshot() as connection:
        return stored_exchanges.find(connection, task=task, candidate=candidate, exchange_id=exchange_id)


def _known(connection: Connection) -> list[Known]:
    return [
        Known(task=each.task, candidates=each.candidates, first=each.first_hour, last=each.last_hour)
        for each in stored_catalogue.tasks(connection)
        if each.candidates
    ]
