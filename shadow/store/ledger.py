"""The accounting: how every captured exchange ended, to the exact number."""

from collections import Counter
from datetime import datetime

import msgspec
from sqlalchemy import Connection, select

from shadow.store import outcomes
from shadow.store.engine import explained
from shadow.store.tables import capture_counts, exchanges, ledger

_DROPPED = "dropped:"


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of exchanges, over all time.

    Capture says: `accepted = published + dropped + still queued` (a process that was killed
    leaves what it had queued there). The store says, always and exactly:
    `mirrored = compared + unscored + dead_lettered + expired + in_flight`. What was published
    and is not mirrored yet is on its way through Kafka.
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
    """The ledger of `task`, or of everything, what named no task included."""
    with explained(connection.engine.url):
        captured = _captured(connection, task)
        ended = _ended(connection, task)
        oldest = _oldest_in_flight(connection, task) if ended[outcomes.IN_FLIGHT, ""] else None
    return Ledger(
        accepted=captured["accepted"],
        published=captured["mirrored"],
        sampled_out=captured["sampled_out"],
        dropped={name.removeprefix(_DROPPED): n for name, n in captured.items() if name.startswith(_DROPPED)},
        mirrored=ended.total(),
        compared=ended[outcomes.COMPARED, ""],
        unscored=_reasons(ended, outcomes.UNSCORED),
        dead_lettered=_reasons(ended, outcomes.DEAD_LETTERED),
        expired=ended[outcomes.EXPIRED, ""],
        in_flight=ended[outcomes.IN_FLIGHT, ""],
        oldest_in_flight_at=oldest,
    )


def _captured(connection: Connection, task: str | None) -> Counter[str]:
    query = select(capture_counts.c.outcome, capture_counts.c.n)
    if task is not None:
        query = query.where(capture_counts.c.task == task)
    counted: Counter[str] = Counter()
    for outcome, n in connection.execute(query):
        counted[outcome] += n
    return counted


def _ended(connection: Connection, task: str | None) -> Counter[tuple[str, str]]:
    query = select(ledger.c.outcome, ledger.c.reason, ledger.c.n).where(ledger.c.n != 0)
    if task is not None:
        query = query.where(ledger.c.task == task)
    counted: Counter[tuple[str, str]] = Counter()
    for outcome, reason, n in connection.execute(query):
        counted[outcome, reason] += n
    return counted


def _oldest_in_flight(connection: Connection, task: str | None) -> datetime | None:
    tasks = select(ledger.c.task) if task is None else None
    query = select(exchanges.c.at).where(
        exchanges.c.outcome == outcomes.IN_FLIGHT,
        exchanges.c.task == task if tasks is None else exchanges.c.task.in_(tasks),
    )
    found: datetime | None = connection.execute(query.order_by(exchanges.c.at).limit(1)).scalar()
    return found


def _reasons(ended: Counter[tuple[str, str]], outcome: str) -> dict[str, int]:
    return {reason: n for (name, reason), n in sorted(ended.items()) if name == outcome}
