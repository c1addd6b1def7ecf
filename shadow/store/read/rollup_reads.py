"""Tallies, read from rollups only: the time a page takes does not grow with the traffic."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, func, literal, or_, select
from sqlalchemy.dialects.postgresql import TIMESTAMP

from shadow.aggregates.tally import ALL, OVERFLOW, Cell, CellKind, Sums, Tally
from shadow.store.schema.engine import explained
from shadow.store.schema.tables import (
    HEAVIEST,
    MEASURES,
    SUMS,
    crossings,
    ledger,
    rollup_counts,
    rollup_histograms,
    rollups,
)

Per: TypeAlias = Literal["hour", "day", "window", "hour_of_week"]

#: A Monday. With `per="hour_of_week"` a cell's hour is in the week that starts here.
WEEK: Final = datetime(2001, 1, 1, tzinfo=UTC)
#: The hour of every cell with `per="window"` and no `since`.
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def read(
    connection: Connection,
    *,
    task: str | None = None,
    candidate: str | None = None,
    kinds: Sequence[CellKind] = ("shadow",),
    sources: Sequence[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    dimension: str | None = None,
    per: Per = "hour",
    counts: bool | Sequence[str] = True,
    histograms: bool = True,
) -> dict[Cell, Tally]:
    """Tallies of the hours that start in [since, until), added up in the database per bucket of time.

    per         the bucket: an hour, a day (UTC), the whole window, or one of the 168 hours of the
                week. `Cell.hour` is the start of the bucket: the hour or day, `since` (or EPOCH), or
                the hour in the week that starts at WEEK
    task, candidate, dimension
                None: all of them, including the totals (`shadow.aggregates.tally.ALL`).
                `dimension="all"` reads only the totals
    sources     None: all of them, including "" for pairs without a source. Tallies of different
                sources are separate cells, because regret must not be summed over sources
    counts      False leaves the counters out, names read only those: there are several times as
                many rows of counters as of sums
    histograms  False leaves the histograms out. Only totals have them

    Use a connection of `engine.snapshot`, or counts may be newer than sums.
    """
    query = _Query(task, candidate, kinds, sources, since, until, dimension, per)
    found: dict[Cell, Tally] = {}
    with explained(connection.engine.url):
        # `all`: iterating over the result goes through several layers for every row.
        for row in connection.execute(query.select(rollups, (), SUM_COLUMNS)).all():
            found[_cell(row)] = tally_of(row[_KEY:])
        if counts:
            counters = query.select(rollup_counts, ("name",), ("n",))
            if counts is not True:
                counters = counters.where(rollup_counts.c.name.in_(counts))
            for row in connection.execute(counters).all():
                if tally := found.get(_cell(row)):
                    name, n = row[_KEY:]
                    tally.counts[name] = int(n)
        if histograms and dimension in (None, ALL[0]):
            for row in connection.execute(query.select(rollup_histograms, ("measure", "bucket"), ("n",))).all():
                if tally := found.get(_cell(row)):
                    measure, bucket, n = row[_KEY:]
                    tally.histograms.setdefault(measure, Counter())[bucket] = int(n)
    return found


def crossing(
    connection: Connection,
    *,
    task: str,
    candidate: str,
    dimensions: tuple[str, str],
    since: datetime | None = None,
    until: datetime | None = None,
    kinds: Sequence[CellKind] = ("shadow",),
) -> dict[tuple[str, str], Tally]:
    """Tallies per pair of values of two dimensions, over the days (UTC) that start in [since, until).

    `since` is rounded down to its day. Pairs without one of the dimensions are left out. The
    combinations beyond a day's limit are counted under (OVERFLOW, OVERFLOW). These tallies have sums,
    but no counts and no histograms.
    """
    first, second = (crossings.c.segments[name].astext for name in dimensions)
    values = [func.coalesce(first, OVERFLOW).label("first"), func.coalesce(second, OVERFLOW).label("second")]
    conditions = [
        crossings.c.task == task,
        crossings.c.candidate == candidate,
        crossings.c.kind.in_(kinds),
        or_(crossings.c.combination == OVERFLOW, and_(first.is_not(None), second.is_not(None))),
    ]
    if since is not None:
        midnight = since.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        conditions.append(crossings.c.day >= midnight)
    if until is not None:
        conditions.append(crossings.c.day < until)
    query = select(*values, *_totals(crossings, SUM_COLUMNS)).where(*conditions).group_by("first", "second")
    with explained(connection.engine.url):
        return {(row.first, row.second): tally_of(row[2:]) for row in connection.execute(query)}


@dataclass(frozen=True)
class _Query:
    """The arguments of `read`, as a query of each table."""

    task: str | None
    candidate: str | None
    kinds: Sequence[CellKind]
    sources: Sequence[str] | None
    since: datetime | None
    until: datetime | None
    dimension: str | None
    per: Per

    def select(self, table: Table, details: Sequence[str], sums: Iterable[str]) -> Select[Any]:
        """Selects the fields of `Cell` in order, then `details`, then the totals of `sums`."""
        # Histograms are those of totals; their table has no columns for the segment.
        segment = [table.c[name] if name in table.c else literal(ALL[0]).label(name) for name in ("dimension", "value")]
        key = [*(table.c[name] for name in ("task", "candidate", "kind", "source")), *segment]
        further = [table.c[name] for name in details]
        if self.per == "hour":  # a row is an hour: there is nothing to add up
            rows = [table.c[name] for name in sums]
            return select(*key, table.c.hour.label("start"), *further, *rows).where(*self._conditions(table))
        return (
            select(*key, self._bucket(table).label("start"), *further, *_totals(table, sums))
            .where(*self._conditions(table))
            # By name: PostgreSQL does not know that two bound parameters have the same value.
            .group_by(*(part.name for part in key), "start", *details)
        )

    def _conditions(self, table: Table) -> list[ColumnElement[bool]]:
        # With a condition on the task PostgreSQL can use the primary key, which starts with it.
        wanted = table.c.task.in_(select(ledger.c.task)) if self.task is None else table.c.task == self.task
        conditions = [wanted, table.c.kind.in_(self.kinds)]
        if self.candidate is not None:
            conditions.append(table.c.candidate == self.candidate)
        if self.sources is not None:
            conditions.append(table.c.source.in_(self.sources))
        if self.since is not None:
            conditions.append(table.c.hour >= self.since)
        if self.until is not None:
            conditions.append(table.c.hour < self.until)
        if self.dimension is not None and "dimension" in table.c:
            conditions.append(table.c.dimension == self.dimension)
        return conditions

    def _bucket(self, table: Table) -> ColumnElement[Any]:
        match self.per:
            case "hour":
                return table.c.hour
            case "day":
                return _start_of("day", table)
            case "hour_of_week":
                return literal(WEEK, TIMESTAMP(timezone=True)) + (table.c.hour - _start_of("week", table))
            case "window":
                return literal(self.since or EPOCH, TIMESTAMP(timezone=True))


def _start_of(unit: Literal["day", "week"], table: Table) -> ColumnElement[Any]:
    return func.date_trunc(unit, table.c.hour, "UTC")


def _totals(table: Table, names: Iterable[str]) -> list[ColumnElement[Any]]:
    return [(func.max if name.endswith(HEAVIEST) else func.sum)(table.c[name]).label(name) for name in names]


_FIELDS: Final = (*SUMS, HEAVIEST)
_WIDTH: Final = len(_FIELDS)
#: The columns of the sums of a tally, as `tally_of` takes them.
SUM_COLUMNS: Final = ("pairs", *(f"{measure}_{field}" for measure in MEASURES for field in _FIELDS))
_KEY: Final = len(Cell._fields)


def _cell(row: Any) -> Cell:
    return Cell(*row[:_KEY])


def tally_of(totals: Sequence[Any]) -> Tally:
    """The tally with these values of SUM_COLUMNS."""
    pairs, *rest = map(int, totals)
    return Tally(pairs, Sums(*rest[:_WIDTH]), Sums(*rest[_WIDTH : 2 * _WIDTH]), Sums(*rest[2 * _WIDTH :]))
