"""Periods in which something was wrong, and the signs of life of those who watch."""

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
    """A period in which something was wrong; open while `closed_at` is None.

    `opened_at` and `closed_at` are event times, `noticed_at` is the clock's when the monitor saw it.
    `subject` is what within the candidate it is about (a segment, a source, a reason). `summary` is
    one sentence with its numbers, `detail` holds the figures.
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
    """When a loop last did its round, and what it had to say."""

    service: str
    at: datetime
    detail: dict[str, Any]


def identity(*parts: str, opened_at: datetime) -> str:
    """The id of an incident: made of what it is about and when it opened, so the same input names it the same."""
    whole = msgspec.json.encode([*parts, opened_at.isoformat()])
    return blake2b(whole, digest_size=_ID_BYTES).hexdigest()


def open_incident(connection: Connection, incident: Incident) -> None:
    """Enter an incident, or open it again where it had been closed."""
    row = msgspec.structs.asdict(incident)
    again = {"closed_at": None, "closed_because": None}
    statement = insert(incidents).on_conflict_do_update(index_elements=["id"], set_=again)
    with explained(connection.engine.url):
        connection.execute(statement, row)


def close_incident(connection: Connection, identifier: str, closed_at: datetime, because: str) -> None:
    """Close an incident; one that is closed stays as it is."""
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
    """Incidents of `task`, or of all, newest first; with `since` those that were open at or after it."""
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
    """How many incidents are open, per task and detector."""
    key = (incidents.c.task, incidents.c.detector)
    query = select(*key, func.count().label("n")).where(incidents.c.closed_at.is_(None)).group_by(*key)
    with explained(connection.engine.url):
        return {(row.task, row.detector): row.n for row in connection.execute(query)}


def heartbeat(connection: Connection, service: str, detail: Mapping[str, Any]) -> None:
    """Say that `service` is alive now, and what it has to say."""
    statement = insert(heartbeat_rows)
    new = statement.excluded
    statement = statement.on_conflict_do_update(index_elements=["service"], set_={"at": new.at, "detail": new.detail})
    with explained(connection.engine.url):
        connection.execute(statement.values(service=service, at=datetime.now(UTC), detail=dict(detail)))


def heartbeats(connection: Connection) -> dict[str, Heartbeat]:
    """The newest heartbeat of each service, by its name."""
    with explained(connection.engine.url):
        rows = connection.execute(select(heartbeat_rows).order_by(heartbeat_rows.c.service))
        return {row.service: Heartbeat(service=row.service, at=row.at, detail=row.detail) for row in rows}
