"""The way to the store: connections, what is remembered for how long, and reads that pages share.

What comes from here is at most `FRESH` seconds old, however many readers look.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Literal, ParamSpec, TypeVar

import streamlit as st
from sqlalchemy import Connection, Engine
from streamlit.runtime.caching.cache_utils import CachedFunc

from dashboard.data import measures
from dashboard.data.config import settings
from dashboard.data.measures import Step
from dashboard.data.state import Subject, Window
from shadow.aggregates.tally import ALL, Cell, Tally
from shadow.records import TrialKind
from shadow.store.read import rollup_reads as stored_tallies
from shadow.store.schema import engine as engines

#: Seconds for which what was read is good enough.
FRESH: Final = 8

#: Trials about served traffic, whoever was served. Ceilings say something about the frontier only.
KINDS: Final[tuple[TrialKind, ...]] = ("shadow", "reverse")

P = ParamSpec("P")
R = TypeVar("R")

_remembered: Final[list[CachedFunc[..., Any]]] = []


def remembered(read: CachedFunc[P, R]) -> CachedFunc[P, R]:
    """`read`, with what it remembers given up by `forget`."""
    _remembered.append(read)
    return read


def forget() -> None:
    """Read everything anew: a label may change each figure that is remembered here."""
    for read in _remembered:
        read.clear()


def cached(read: Callable[P, R]) -> CachedFunc[P, R]:
    """`read`, good enough for `FRESH` seconds; every reader gets a copy of what comes from it."""
    return remembered(st.cache_data(ttl=FRESH, max_entries=500, show_spinner=False)(read))


def shared(read: Callable[P, R]) -> CachedFunc[P, R]:
    """The same without the copy, so nobody may change what comes from it."""
    return remembered(st.cache_resource(ttl=FRESH, max_entries=100, show_spinner=False)(read))


@contextmanager
def snapshot() -> Iterator[Connection]:
    """A transaction to read in. ConfigError, StoreError or SchemaError where there is none."""
    with engines.snapshot(_database()) as connection:
        yield connection


@contextmanager
def transaction() -> Iterator[Connection]:
    """A transaction to write in; only the Review page does. Raises as `snapshot` does, and where writing is refused."""
    with engines.transaction(_database()) as connection:
        yield connection


@shared
def segments(task: str, candidate: str, window: Window) -> Mapping[Cell, Tally]:
    """The sums of every segment over the window; totals by hour of the week, from which the calendar is told."""
    with snapshot() as connection:
        stored = stored_tallies.read(
            connection, task=task, candidate=candidate, kinds=KINDS, since=window.since, until=window.until,
            per="window", counts=False, histograms=False,
        )  # fmt: skip
        totals = stored_tallies.read(
            connection, task=task, candidate=candidate, kinds=KINDS, since=window.since, until=window.until,
            dimension=ALL[0], per="hour_of_week", counts=False, histograms=False,
        )  # fmt: skip
    return totals | {cell: tally for cell, tally in stored.items() if cell.dimension != ALL[0]}


@shared
def totals(task: str, candidate: str, window: Window) -> Mapping[Cell, Tally]:
    """The totals over the window, without histograms."""
    with snapshot() as connection:
        return stored_tallies.read(
            connection, task=task, candidate=candidate, kinds=KINDS, since=window.since, until=window.until,
            dimension=ALL[0], per="window", histograms=False,
        )  # fmt: skip


@shared
def distributions(task: str, candidate: str, window: Window) -> Mapping[Cell, Tally]:
    """The totals over the window with their histograms, of which there are many rows."""
    with snapshot() as connection:
        return stored_tallies.read(
            connection, task=task, candidate=candidate, kinds=KINDS, since=window.since, until=window.until,
            dimension=ALL[0], per="window", counts=False,
        )  # fmt: skip


@shared
def steps(
    task: str,
    candidate: str,
    window: Window,
    dimension: str,
    per: Step | Literal["hour_of_week"],
    *,
    counts: bool | tuple[str, ...] = False,
) -> Mapping[Cell, Tally]:
    """One dimension by bucket of time, without histograms; with `counts` only where they are asked for."""
    with snapshot() as connection:
        return stored_tallies.read(
            connection, task=task, candidate=candidate, kinds=KINDS, since=window.since, until=window.until,
            dimension=dimension, per=per, counts=counts, histograms=False,
        )  # fmt: skip


def buckets(subject: Subject, per: Step | Literal["hour_of_week"], *, counts: bool = True) -> measures.Buckets:
    """The tallies of the subject by bucket of time."""
    found = steps(subject.task, subject.candidate, subject.window, subject.dimension, per, counts=counts)
    return measures.by_start(found, subject.value)


def _database() -> Engine:
    found = settings()
    return _engine(found.postgres_url(), found.postgres.pool_size)


@st.cache_resource(show_spinner=False, on_release=Engine.dispose)
def _engine(url: str, pool_size: int) -> Engine:
    return engines.connect(url, pool_size=pool_size, application="shadow dashboard")
