"""Incidents, and the heartbeats of services."""

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final, Literal, TypeAlias

import msgspec
from sqlalchemy import Connection, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from shadow.store.schema.engine import explained
from shadow.store.schema.tables import heartbeats as heartbeat_rows
from shadow.store.schema.tables import incidents

Severity: TypeAlias = Literal["warning", "critical"]

_ID_BYTES: Final = 12


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """A period for which a detector raised an alarm; open while `closed_at` is None.

    `opened_at` and `closed_at` are event times, `noticed_at` is the time at which the monitor noticed.
    `subject` is the part of the candidate's traffic that it is about (a segment, a source, a reason).
    `summary` is one sentence with numbers, `detail` has the figures.
    """

    id: str
    task: str
    candidate: str
    kind: str
    detector: str
    subject: str
    severity: Severity
    summary: str
    opened_at: datetime
    noticed_at: datetime
    closed_at: datetime | None = None
    closed_because: str | None = None
    detail: dict[str, Any] = {}


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """The time of a service's last round, and its report."""

    service: str
    at: datetime
    detail: dict[str, Any]


def identity(*parts: str, opened_at: datetime) -> str:
    """The id of an incident: a digest of its subject and opening time, so that the same input gives the same id."""
    whole = msgspec.json.encode([*parts, opened_at.isoformat()])
    return blake2b(whole, digest_size=_ID_BYTES).hexdigest()


def open_incident(connection: Connection, incident: Incident) -> None:
    """Insert an incident, or open it again if it is closed."""
    row = msgspec.structs.asdict(incident)
    reopened = {"closed_at": None, "closed_because": None}
    statement = insert(incidents).on_conflict_do_update(index_elements=["id"], set_=reopened)
    with explained(connection.engine.url):
        connection.execute(statement, row)


def close_incident(connection: Connection, identifier: str, closed_at: datetime, because: str) -> None:
    """Close an incident, unless it is closed already."""
    statement = (
        update(incidents)
        .where(incidents.c.id == identifier, incidents.c.closed_at.is_(None))
        .values(closed_at=closed_at, closed_because=because)
    )
    with explained(connection.engine.url):
        connection.execute(statement)


def read(
    connection: Connection, task: str | None = None, since: datetime | None = None, *, open_only: bool = False
) -> list[Incident]:
    """Incidents of `task`, or of all tasks, newest first; with `since`, those that were open at or after it."""
    query = select(incidents).order_by(incidents.c.opened_at.desc(), incidents.c.id)
    if task is not None:
        query = query.where(incidents.c.task == task)
    if since is not None:
        query = query.where(or_(incidents.c.closed_at.is_(None), incidents.c.closed_at >= since))
    if open_only:
        query = query.where(incidents.c.closed_at.is_(None))
    with explained(connection.engine.url):
        return [Incident(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001 - a row's public mapping


def count_open(connection: Connection) -> dict[tuple[str, str], int]:
    """Number of open incidents, by task and detector."""
    key = (incidents.c.task, incidents.c.detector)
    query = select(*key, func.count().label("n")).where(incidents.c.closed_at.is_(None)).group_by(*key)
    with explained(connection.engine.url):
        return {(row.task, row.detector): row.n for row in connection.execute(query)}


def heartbeat(connection: Connection, service: str, detail: Mapping[str, Any]) -> None:
    """Store that `service` is alive now, with its report."""
    statement = insert(heartbeat_rows)
    new = statement.excluded
    statement = statement.on_conflict_do_update(index_elements=["service"], set_={"at": new.at, "detail": new.detail})
    with explained(connection.engine.url):
        connection.execute(statement.values(service=service, at=datetime.now(UTC), detail=dict(detail)))


def heartbeats(connection: Connection) -> dict[str, Heartbeat]:
    """The last heartbeat of each service, by name."""
    with explained(connection.engine.url):
        rows = connection.execute(select(heartbeat_rows).order_by(heartbeat_rows.c.service))
        return {row.service: Heartbeat(service=row.service, at=row.at, detail=row.detail) for row in rows}
