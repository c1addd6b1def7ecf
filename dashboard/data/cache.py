"""Connections to the store, what is cached for how long, and the tallies that several pages share.

What the pages show is at most `TTL` seconds old, and the database is read once however many readers look.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Literal, ParamSpec, TypeVar

import streamlit as st
from sqlalchemy import Connection, Engine
from streamlit.runtime.caching.cache_utils import CachedFunc

from dashboard.data.config import settings
from dashboard.data.tables import Step
from dashboard.data.windows import Window
from shadow.aggregates.tally import ALL, Cell, Tally
from shadow.records import TrialKind
from shadow.store.read import rollup_reads
from shadow.store.schema import engine as engines

#: Seconds for which a cached read is used again.
TTL: Final = 8

#: Trials about the candidate: of exchanges that the frontier served, and of those that it served itself.
KINDS: Final[tuple[TrialKind, ...]] = ("shadow", "reverse")

P = ParamSpec("P")
R = TypeVar("R")

_registered: Final[list[CachedFunc[..., Any]]] = []


def register(read: CachedFunc[P, R]) -> CachedFunc[P, R]:
    """`read`, whose cache `clear` empties."""
    _registered.append(read)
    return read


def clear() -> None:
    """Empty the cache of every registered read: a new label may change each cached figure."""
    for read in _registered:
        read.clear()


def cached(read: Callable[P, R]) -> CachedFunc[P, R]:
    """`read`, cached for `TTL` seconds; every caller gets a copy of the result."""
    return register(st.cache_data(ttl=TTL, max_entries=500, show_spinner=False)(read))


def cached_without_copy(read: Callable[P, R]) -> CachedFunc[P, R]:
    """`read`, cached for `TTL` seconds; callers share one result and must not change it."""
    return register(st.cache_resource(ttl=TTL, max_entries=100, show_spinner=False)(read))


@contextmanager
def snapshot() -> Iterator[Connection]:
    """A transaction to read in. Raises ConfigError, StoreError or SchemaError where none can be opened."""
    with engines.snapshot(_database()) as connection:
        yield connection


@contextmanager
def transaction() -> Iterator[Connection]:
    """A transaction to write in; only the Review page does.

    Raises what `snapshot` raises, and StoreError where the database refuses to write.
    """
    with engines.transaction(_database()) as connection:
        yield connection


@cached_without_copy
def segments(task: str, candidate: str, window: Window) -> Mapping[Cell, Tally]:
    """The sums of every segment over the window.

    Totals are kept by hour of the week: `hour` and `weekday` are derived from their times.
    """
    with snapshot() as connection:
        stored = rollup_reads.read(
            connection, task=task, candidate=candidate, kinds=KINDS, since=window.since, until=window.until,
            per="window", counts=False, histograms=False,
        )  # fmt: skip
        totals = rollup_reads.read(
            connection, task=task, candidate=candidate, kinds=KINDS, since=window.since, until=window.until,
            dimension=ALL[0], per="hour_of_week", counts=False, histograms=False,
        )  # fmt: skip
    return totals | {cell: tally for cell, tally in stored.items() if cell.dimension != ALL[0]}


@cached_without_copy
def totals(task: str, candidate: str, window: Window) -> Mapping[Cell, Tally]:
    """The totals over the window, without histograms."""
    with snapshot() as connection:
        return rollup_reads.read(
            connection, task=task, candidate=candidate, kinds=KINDS, since=window.since, until=window.until,
            dimension=ALL[0], per="window", histograms=False,
        )  # fmt: skip


@cached_without_copy
def histograms(task: str, candidate: str, window: Window) -> Mapping[Cell, Tally]:
    """The totals over the window with their histograms, which have many rows, and without counts."""
    with snapshot() as connection:
        return rollup_reads.read(
            connection, task=task, candidate=candidate, kinds=KINDS, since=window.since, until=window.until,
            dimension=ALL[0], per="window", counts=False,
        )  # fmt: skip


@cached_without_copy
def periods(
    task: str,
    candidate: str,
    window: Window,
    dimension: str,
    per: Step | Literal["hour_of_week"],
    *,
    counts: bool | tuple[str, ...] = False,
) -> Mapping[Cell, Tally]:
    """The sums of one dimension by period, without histograms.

    `counts` names the counters to read, or is True for all of them.
    """
    with snapshot() as connection:
        return rollup_reads.read(
            connection, task=task, candidate=candidate, kinds=KINDS, since=window.since, until=window.until,
            dimension=dimension, per=per, counts=counts, histograms=False,
        )  # fmt: skip


def _database() -> Engine:
    found = settings()
    return _engine(found.postgres_url(), found.postgres.pool_size)


@st.cache_resource(show_spinner=False, on_release=Engine.dispose)
def _engine(url: str, pool_size: int) -> Engine:
    return engines.connect(url, pool_size=pool_size, application="shadow dashboard")
