"""Cached reads: the only part of the dashboard that touches the store and the evidence.

Pages ask here for frames and evidence. What they get is at most `FRESH` seconds old, however
many readers look. Everything but single exchanges comes from rollups, so a page costs the
same at ten thousand exchanges and at ten million.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import pandas as pd
import streamlit as st
from sqlalchemy import Connection, Engine

from dashboard import measures, shift
from dashboard.configured import settings
from dashboard.measures import Measure, Step
from dashboard.state import Subject, Wanted, Window
from scoring import evidence as evidences
from scoring.evidence import TaskEvidence
from shadow import identify
from shadow.errors import ConfigError, SchemaError, StoreError
from shadow.records import Role, TrialKind
from shadow.store import catalogue as stored_catalogue
from shadow.store import engine as engines
from shadow.store import exchanges as stored_exchanges
from shadow.store import ledger as stored_ledger
from shadow.store import tallies as stored_tallies
from shadow.store.exchanges import Pair
from shadow.store.ledger import Ledger
from shadow.tally import ALL, Cell, Tally

#: Seconds for which what was read is good enough.
FRESH: Final = 8

#: Trials about served traffic, whoever was served. Ceilings say something about the frontier only.
_KINDS: Final[tuple[TrialKind, ...]] = ("shadow", "reverse")

_DISTRIBUTIONS: Final = {
    "input_chars": "input length (characters)",
    "output_chars:frontier": "frontier's output length (characters)",
    "output_chars:candidate": "candidate's output length (characters)",
    "latency_ms:frontier": "frontier's latency (ms)",
    "latency_ms:candidate": "candidate's latency (ms)",
}

_cached = st.cache_data(ttl=FRESH, max_entries=500, show_spinner=False)
# Shared instead of copied for every reader, so nobody may change what comes from it.
_shared = st.cache_resource(ttl=FRESH, max_entries=100, show_spinner=False)


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
    """Segments of one candidate, worst first, see `measures.ranking`; `average` is the task's."""

    rows: pd.DataFrame
    average: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Moved:
    """One thing that may have shifted: its effect size, and the counts of both windows."""

    effect: shift.Effect
    is_mix: bool
    current: Mapping[Any, int]
    reference: Mapping[Any, int]


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


@_cached
def trouble() -> Trouble | None:
    """What stands between the reader and the pages; None when there is something to see."""
    try:
        with _reading() as connection:
            engines.require_schema(connection)
            return None if _known(connection) else _NO_EXCHANGES
    except ConfigError as fault:
        return Trouble(title="No usable configuration yet", explanation=str(fault), mend="shadow check")
    except SchemaError as fault:
        return Trouble(title="The database is not prepared", explanation=str(fault), mend="shadow migrate")
    except StoreError as fault:
        return Trouble(title="The database cannot be reached", explanation=str(fault), mend="shadow check")


@_cached
def catalogue() -> list[Known]:
    """Every task with evidence about a candidate, by name."""
    with _reading() as connection:
        return _known(connection)


@_cached
def ledger(task: str | None) -> Ledger:
    """Where every exchange went, of one task or of all."""
    with _reading() as connection:
        return stored_ledger.read(connection, task=task)


@_cached
def overview(task: str | None, window: Window) -> list[TaskEvidence]:
    """Evidence of every task and candidate, without their segments."""
    with _reading() as connection:
        found = stored_tallies.read(
            connection, task=task, kinds=(*_KINDS, "ceiling"), since=window.since, until=window.until,
            dimension=ALL[0], per="window",
        )  # fmt: skip
    return evidences.evidence(found)


@_cached
def segments(task: str, candidate: str, window: Window, measure: Measure) -> Ranking | None:
    """How each segment does by `measure`; None where the window holds nothing."""
    for judged in evidences.evidence(_segments(task, candidate, window)):
        whole = judged.agreement if measure == "agreement" else judged.regret
        return Ranking(rows=measures.ranking(judged, measure), average=whole.estimate if whole else None)
    return None


@_cached
def dimensions(task: str, candidate: str, window: Window) -> list[str]:
    """Dimensions with data: the declared ones, then the derived. Not those of the calendar."""
    found = {cell.dimension for cell in _segments(task, candidate, window)} - {ALL[0]}
    return [*sorted(found - set(identify.DERIVED)), *(name for name in identify.DERIVED if name in found)]


@_cached
def values(task: str, candidate: str, window: Window, dimension: str) -> list[str]:
    """The values seen in one dimension, the most frequent first."""
    counts = measures.pairs_by_value(_segments(task, candidate, window), dimension)
    return sorted(counts, key=lambda value: (-counts[value], value))


@_cached
def crossing(task: str, candidate: str, window: Window, down: str, across: str) -> pd.DataFrame:
    """Agreement where two stored dimensions meet, see `measures.crossing`."""
    with _reading() as connection:
        fields = stored_tallies.crossing(
            connection, task=task, candidate=candidate, dimensions=(down, across),
            since=window.since, until=window.until, kinds=_KINDS,
        )  # fmt: skip
    return measures.crossing(fields)


@_cached
def trend(subject: Subject, step: Step) -> pd.DataFrame:
    """Agreement over time, see `measures.trend`."""
    return measures.trend(_buckets(subject, step), step)


@_cached
def week(subject: Subject) -> pd.DataFrame:
    """Agreement by hour of the week, see `measures.week`."""
    return measures.week(_buckets(subject, "hour_of_week"))


@_cached
def failures(subject: Subject, role: Role, step: Step) -> pd.DataFrame:
    """Failed replies over time, see `measures.failures`."""
    return measures.failures(_buckets(subject, step), role, step)


@_cached
def volume(subject: Subject, step: Step) -> pd.DataFrame:
    """Pairs over time, see `measures.volume`."""
    return measures.volume(_buckets(subject, step), step)


@_cached
def moves(task: str, candidate: str, window: Window, reference: Window) -> list[Moved]:
    """Everything that may have moved between two windows, the largest effect first."""
    now, then = _segments(task, candidate, window), _segments(task, candidate, reference)
    names = [*dimensions(task, candidate, window), *dimensions(task, candidate, reference), *identify.CALENDAR]
    found = []
    for name in dict.fromkeys(names):
        mix, before = measures.pairs_by_value(now, name), measures.pairs_by_value(then, name)
        found.append(Moved(effect=shift.of_mix(name, mix, before), is_mix=True, current=mix, reference=before))
    for measure, label in _DISTRIBUTIONS.items():
        histogram, earlier = measures.histogram(now, measure), measures.histogram(then, measure)
        effect = shift.of_distribution(label, histogram, earlier)
        found.append(Moved(effect=effect, is_mix=False, current=histogram, reference=earlier))
    return sorted(found, key=lambda moved: (-(moved.effect.size or 0.0), moved.effect.name))


@_cached
def pairs(wanted: Wanted) -> pd.DataFrame:
    """The newest matching pairs, as rows for people to choose from, see `measures.listing`."""
    with _reading() as connection:
        found = stored_exchanges.find(
            connection, task=wanted.task, candidate=wanted.candidate, since=wanted.window.since,
            until=wanted.window.until, segment=dict([wanted.segment]) if wanted.segment else None,
            max_agreement=wanted.max_agreement, failure=wanted.failure, text=wanted.text, limit=wanted.limit,
        )  # fmt: skip
    return measures.listing([(pair.trial, pair.comparison) for pair in found])


@_cached
def exchange(task: str, candidate: str, exchange_id: str) -> list[Pair]:
    """All pairs of one exchange with this candidate."""
    with _reading() as connection:
        return stored_exchanges.find(connection, task=task, candidate=candidate, exchange_id=exchange_id)


@_shared
def _segments(task: str, candidate: str, window: Window) -> Mapping[Cell, Tally]:
    """Every segment over the window; the totals by hour of the week, from which the calendar is told."""
    with _reading() as connection:
        stored = stored_tallies.read(
            connection, task=task, candidate=candidate, kinds=_KINDS, since=window.since, until=window.until,
            per="window", histograms=False,
        )  # fmt: skip
        totals = stored_tallies.read(
            connection, task=task, candidate=candidate, kinds=_KINDS, since=window.since, until=window.until,
            dimension=ALL[0], per="hour_of_week",
        )  # fmt: skip
    return totals | {cell: tally for cell, tally in stored.items() if cell.dimension != ALL[0]}


@_shared
def _buckets(subject: Subject, per: Step | Literal["hour_of_week"]) -> measures.Buckets:
    """The tallies of the subject by bucket of time."""
    with _reading() as connection:
        found = stored_tallies.read(
            connection, task=subject.task, candidate=subject.candidate, kinds=_KINDS,
            since=subject.window.since, until=subject.window.until,
            dimension=subject.dimension, per=per, histograms=False,
        )  # fmt: skip
    return measures.by_start(found, subject.value)


def _known(connection: Connection) -> list[Known]:
    return [
        Known(task=each.task, candidates=each.candidates, first=each.first_hour, last=each.last_hour)
        for each in stored_catalogue.tasks(connection)
        if each.candidates
    ]


@contextmanager
def _reading() -> Iterator[Connection]:
    """A transaction to read in. ConfigError, StoreError or SchemaError where there is none."""
    found = settings()
    with engines.snapshot(_engine(found.postgres_url(), found.postgres.pool_size)) as connection:
        yield connection


@st.cache_resource(show_spinner=False, on_release=Engine.dispose)
def _engine(url: str, pool_size: int) -> Engine:
    return engines.connect(url, pool_size=pool_size, application="shadow dashboard")
