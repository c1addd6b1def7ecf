"""How each exchange ended, and the ledger that counts it: one outcome each, the best one known.

Messages about one exchange come in any order and more than once. Outcomes are therefore
ranked, an exchange only ever moves up, and the ledger moves with it in the same transaction:
whatever the order, the end is the same.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple, TypeAlias

import msgspec
from sqlalchemy import Connection, text

from shadow.records import Comparison, Trial
from shadow.store import staging
from shadow.store.tables import exchanges, ledger

IN_FLIGHT: Final = "in_flight"
DEAD_LETTERED: Final = "dead_lettered"
EXPIRED: Final = "expired"
UNSCORED: Final = "unscored"
COMPARED: Final = "compared"

#: Worst to best. A second answer of the frontier says nothing about the exchange's own trial,
#: so a ceiling decides only while nothing else is known.
_RANKS: Final = {
    ranked: rank
    for rank, ranked in enumerate(
        [
            (IN_FLIGHT, False),
            (EXPIRED, True),
            (UNSCORED, True),
            (COMPARED, True),
            (DEAD_LETTERED, False),
            (EXPIRED, False),
            (UNSCORED, False),
            (COMPARED, False),
        ]
    )
}

#: Writers of exchanges share it, the writer of dead letters has it alone: otherwise a letter and
#: its exchange, written at the same moment, would not see each other.
_LETTERS_LOCK: Final = 7_308_604_895_151_519


#: A row of the ledger: task, outcome, reason.
Entry: TypeAlias = tuple[str, str, str]


class Key(NamedTuple):
    """An exchange: its id and event time (UTC)."""

    id: str
    at: datetime


class Outcome(NamedTuple):
    """Compares by rank, then by reason, so that the best of several is the same in any order."""

    rank: int
    reason: str
    name: str


class Ended(msgspec.Struct, frozen=True):
    """A row of `exchanges`."""

    id: str
    at: datetime
    task: str
    outcome: str
    reason: str
    rank: int


ARRIVED: Final = Outcome(_RANKS[IN_FLIGHT, False], "", IN_FLIGHT)


def of_pair(trial: Trial, comparison: Comparison) -> Outcome:
    """What one scored trial says of its exchange."""
    name, reason = COMPARED, ""
    if trial.reply.failure == "expired":
        name = EXPIRED
    elif comparison.agreement is None:
        name, reason = UNSCORED, comparison.unscored or "unknown"
    return Outcome(_RANKS[name, trial.kind == "ceiling"], reason, name)


def share_lock(connection: Connection) -> None:
    """To be taken by writers of exchanges, before they write anything."""
    connection.execute(text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": _LETTERS_LOCK})


def own_lock(connection: Connection) -> None:
    """To be taken by writers of dead letters, before they write anything."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LETTERS_LOCK})


def record(connection: Connection, found: Mapping[Key, tuple[str, Outcome]]) -> None:
    """Write the outcomes of exchanges (with their tasks): new rows, or old ones moved up."""
    rows = [_row(key, task, outcome) for key, (task, outcome) in sorted(found.items())]
    new = {Key(*row) for row in connection.execute(_INSERT, {"rows": staging.document(rows)})}
    inserted = [row for row in rows if Key(row.id, row.at) in new]
    changes = Counter((row.task, row.outcome, row.reason) for row in inserted)
    changes.update(_move(connection, [row for row in rows if Key(row.id, row.at) not in new]))
    changes.update(_move(connection, _with_letters(connection, inserted)))
    _count(connection, changes)


def dead_lettered(connection: Connection, ids: Sequence[str]) -> None:
    """Tell the exchanges of new dead letters. One that is not known yet is told when it arrives."""
    known = connection.execute(_KNOWN, {"ids": ids})
    rows = [Ended(row.id, row.at, row.task, row.outcome, row.reason, row.rank) for row in known]
    _count(connection, _move(connection, _with_letters(connection, rows)))


def _with_letters(connection: Connection, rows: Sequence[Ended]) -> list[Ended]:
    """Those of `rows` that have a dead letter, ended by it."""
    letters = connection.execute(_REASONS, {"ids": [row.id for row in rows]}) if rows else ()
    reasons = {letter.id: letter.reason for letter in letters}
    return [
        _row(Key(row.id, row.at), row.task, Outcome(_RANKS[DEAD_LETTERED, False], reasons[row.id], DEAD_LETTERED))
        for row in rows
        if row.id in reasons
    ]


def _move(connection: Connection, rows: Sequence[Ended]) -> Counter[Entry]:
    """Move exchanges up to better outcomes; what that changes in the ledger."""
    changes: Counter[Entry] = Counter()
    if rows:
        moments = [row.at for row in rows]
        bounds = {"first": min(moments), "last": max(moments)}
        for row in connection.execute(_MOVE, {"rows": staging.document(rows), **bounds}):
            changes[row.task, row.old_outcome, row.old_reason] -= 1
            changes[row.task, row.outcome, row.reason] += 1
    return changes


def _count(connection: Connection, changes: Counter[Entry]) -> None:
    rows = [
        {"task": task, "outcome": outcome, "reason": reason, "n": n}
        for (task, outcome, reason), n in changes.items()
        if n
    ]
    if rows:
        connection.execute(_ADD, {"rows": staging.document(rows)})


def _row(key: Key, task: str, outcome: Outcome) -> Ended:
    return Ended(key.id, key.at, task, outcome.name, outcome.reason, outcome.rank)


_INSERT: Final = staging.insert_new(exchanges).returning(exchanges.c.id, exchanges.c.at)
_ADD: Final = staging.add_up(ledger, "n")
_KNOWN: Final = text("SELECT id, at, task, outcome, reason, rank FROM exchanges WHERE id = ANY(:ids)")
_REASONS: Final = text("SELECT id, max(reason) AS reason FROM dead_letters WHERE id = ANY(:ids) GROUP BY id")
# The bounds on `at` follow from the rows; they keep the other days' partitions out of it.
_MOVE: Final = text("""
    WITH better AS (
        SELECT e.id, e.at, e.task, e.outcome AS old_outcome, e.reason AS old_reason, s.outcome, s.reason, s.rank
        FROM exchanges AS e
        JOIN json_to_recordset(CAST(:rows AS json))
            AS s (id text, at timestamptz, outcome text, reason text COLLATE "C", rank smallint)
            ON s.id = e.id AND s.at = e.at
        WHERE (s.rank, s.reason) > (e.rank, e.reason) AND e.at BETWEEN :first AND :last
        ORDER BY e.id, e.at
        FOR UPDATE OF e
    )
    UPDATE exchanges AS e
    SET outcome = better.outcome, reason = better.reason, rank = better.rank
    FROM better
    WHERE e.id = better.id AND e.at = better.at AND e.at BETWEEN :first AND :last
    RETURNING better.task, better.old_outcome, better.old_reason, better.outcome, better.reason
""")
