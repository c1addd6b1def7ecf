"""The states of detectors, and reads of the hours that a detector has yet to process."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from shadow.aggregates.tally import ALL
from shadow.records import TrialKind
from shadow.store.rows.outcome import IN_FLIGHT
from shadow.store.schema.engine import explained
from shadow.store.schema.tables import catalogue, detectors, exchanges, rollup_counts, rollups

#: The kinds of pairs. Cells of other kinds are derived from these.
KINDS: Final[tuple[TrialKind, ...]] = ("shadow", "reverse", "ceiling")


class DetectorState(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `detectors`: `state` is computed from all hours before `next_hour`."""

    candidate: str
    kind: str
    detector: str
    subject: str
    next_hour: datetime
    state: dict[str, Any]


class Stored(NamedTuple):
    """The hours of a task's first and last pair, and the number of its pairs."""

    first_hour: datetime
    last_hour: datetime
    pairs: int


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """One transaction of `locks.dedicated_session`, committed at the end. Errors are raised as StoreError."""
    with explained(connection.engine.url), connection.begin():
        yield


def load(connection: Connection, task: str) -> list[DetectorState]:
    """All states of `task`."""
    query = select(*(detectors.c[name] for name in DetectorState.__struct_fields__)).where(detectors.c.task == task)
    with explained(connection.engine.url):
        return [DetectorState(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001 - see `incidents`


def save(connection: Connection, task: str, states: Sequence[DetectorState]) -> None:
    """Store states, replacing those of the same detectors."""
    if not states:
        return
    statement = insert(detectors)
    changed = {name: statement.excluded[name] for name in ("next_hour", "state", "updated_at")}
    key = list(detectors.primary_key.columns)
    now = datetime.now(UTC)
    rows = [{"task": task, "updated_at": now, **msgspec.structs.asdict(state)} for state in states]
    with explained(connection.engine.url):
        connection.execute(statement.on_conflict_do_update(index_elements=key, set_=changed), rows)


def forget(connection: Connection, task: str, names: Sequence[str]) -> int:
    """Delete the states of these detectors of `task`, so that they start again; returns how many there were."""
    statement = delete(detectors).where(detectors.c.task == task, detectors.c.detector.in_(names))
    with explained(connection.engine.url):
        return connection.execute(statement).rowcount


def tasks(connection: Connection) -> list[str]:
    """Every task with stored pairs."""
    with explained(connection.engine.url):
        return list(connection.execute(select(catalogue.c.task).distinct().order_by(catalogue.c.task)).scalars())


def stored(connection: Connection, task: str) -> Stored | None:
    """The extent of a task's pairs; None if it has none."""
    query = select(func.min(catalogue.c.first_hour), func.max(catalogue.c.last_hour), func.sum(catalogue.c.pairs))
    with explained(connection.engine.url):
        first, last, pairs = connection.execute(
            query.where(catalogue.c.task == task, catalogue.c.kind.in_(KINDS))
        ).one()
    return None if first is None else Stored(first, last, int(pairs))


def oldest_in_flight(connection: Connection, task: str, since: datetime) -> datetime | None:
    """The event time of the oldest exchange in flight, of those with an event time of `since` or later."""
    query = select(func.min(exchanges.c.at)).where(
        exchanges.c.task == task, exchanges.c.at >= since, exchanges.c.outcome == IN_FLIGHT
    )
    with explained(connection.engine.url):
        return connection.execute(query).scalar()


def hours(connection: Connection, task: str, since: datetime, until: datetime, limit: int) -> list[datetime]:
    """The first `limit` hours in [since, until) that have pairs, oldest first."""
    query = select(rollups.c.hour).distinct().where(*_totals(task), rollups.c.hour >= since, rollups.c.hour < until)
    with explained(connection.engine.url):
        return list(connection.execute(query.order_by(rollups.c.hour).limit(limit)).scalars())


def pairs_from(connection: Connection, task: str, hour: datetime, until: datetime | None = None) -> int:
    """Number of pairs in the hours from `hour` to `until`, exclusive."""
    query = select(func.coalesce(func.sum(rollups.c.pairs), 0)).where(*_totals(task), rollups.c.hour >= hour)
    if until is not None:
        query = query.where(rollups.c.hour < until)
    with explained(connection.engine.url):
        return int(connection.execute(query).scalar_one())


def labels_by_day(connection: Connection, task: str, since: datetime) -> Mapping[str, Counter[str]]:
    """The counters `labelled:<judge>:<human>` of each day (UTC) from `since` on."""
    day = func.date_trunc("day", rollup_counts.c.hour, "UTC").label("day")
    query = (
        select(day, rollup_counts.c.name, func.sum(rollup_counts.c.n).label("n"))
        .where(
            rollup_counts.c.task == task,
            rollup_counts.c.hour >= since,
            rollup_counts.c.source == "human",
            rollup_counts.c.dimension == ALL[0],
            rollup_counts.c.name.like("labelled:%"),
        )
        .group_by("day", rollup_counts.c.name)
    )
    found: dict[str, Counter[str]] = {}
    with explained(connection.engine.url):
        for row in connection.execute(query):
            found.setdefault(f"{row.day:%Y-%m-%d}", Counter())[row.name] += int(row.n)
    return found


def _totals(task: str) -> tuple[Any, ...]:
    return rollups.c.task == task, rollups.c.dimension == ALL[0], rollups.c.kind.in_(KINDS)
