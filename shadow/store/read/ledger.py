"""The ledger: exact counts of how the captured exchanges ended."""

from collections import Counter
from datetime import datetime

import msgspec
from sqlalchemy import Connection, func, select

from shadow.store.rows.outcome import COMPARED, DEAD_LETTERED, EXPIRED, IN_FLIGHT, UNSCORED
from shadow.store.schema.engine import explained
from shadow.store.schema.tables import capture_counts, exchanges, ledger

_DROPPED = "dropped:"


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of exchanges, over all time.

    From the capturing processes: `accepted = published + dropped + still queued`, where exchanges that
    were queued in a killed process stay "still queued". From the store, always exactly:
    `mirrored = compared + unscored + dead_lettered + expired + in_flight`. Exchanges that are
    published and not mirrored yet are in Kafka.
    """

    accepted: int = 0
    published: int = 0
    dropped: dict[str, int] = {}
    sampled_out: int = 0
    mirrored: int = 0
    compared: int = 0
    unscored: dict[str, int] = {}
    dead_lettered: dict[str, int] = {}
    expired: int = 0
    in_flight: int = 0
    oldest_in_flight_at: datetime | None = None


def read(connection: Connection, *, task: str | None = None) -> Ledger:
    """The ledger of `task`, or of all exchanges, including those without a task."""
    capture: Counter[str] = Counter()
    for (_, outcome), n in captured(connection, task).items():
        capture[outcome] += n
    found: Counter[tuple[str, str]] = Counter()
    for (_, outcome, reason), n in ended(connection, task).items():
        found[outcome, reason] += n
    with explained(connection.engine.url):
        oldest = _oldest_in_flight(connection, task) if found[IN_FLIGHT, ""] else None
    return Ledger(
        accepted=capture["accepted"],
        published=capture["mirrored"],
        sampled_out=capture["sampled_out"],
        dropped={name.removeprefix(_DROPPED): n for name, n in capture.items() if name.startswith(_DROPPED)},
        mirrored=found.total(),
        compared=found[COMPARED, ""],
        unscored=_reasons(found, UNSCORED),
        dead_lettered=_reasons(found, DEAD_LETTERED),
        expired=found[EXPIRED, ""],
        in_flight=found[IN_FLIGHT, ""],
        oldest_in_flight_at=oldest,
    )


def ended(connection: Connection, task: str | None = None) -> dict[tuple[str, str, str], int]:
    """Numbers of mirrored exchanges by task, outcome and reason; 0 where all have another outcome by now."""
    query = select(ledger.c.task, ledger.c.outcome, ledger.c.reason, ledger.c.n)
    if task is not None:
        query = query.where(ledger.c.task == task)
    with explained(connection.engine.url):
        return {(row.task, row.outcome, row.reason): row.n for row in connection.execute(query)}


def captured(connection: Connection, task: str | None = None) -> dict[tuple[str, str], int]:
    """The counts of all capturing processes together, by task and outcome."""
    key = (capture_counts.c.task, capture_counts.c.outcome)
    query = select(*key, func.sum(capture_counts.c.n).label("n")).group_by(*key)
    if task is not None:
        query = query.where(capture_counts.c.task == task)
    with explained(connection.engine.url):
        return {(row.task, row.outcome): int(row.n) for row in connection.execute(query)}


def _oldest_in_flight(connection: Connection, task: str | None) -> datetime | None:
    tasks = select(ledger.c.task) if task is None else None
    query = select(exchanges.c.at).where(
        exchanges.c.outcome == IN_FLIGHT,
        exchanges.c.task == task if tasks is None else exchanges.c.task.in_(tasks),
    )
    found: datetime | None = connection.execute(query.order_by(exchanges.c.at).limit(1)).scalar()
    return found


def _reasons(found: Counter[tuple[str, str]], outcome: str) -> dict[str, int]:
    return {reason: n for (name, reason), n in sorted(found.items()) if n and name == outcome}
