"""Write how each exchange ended, and keep the ledger that counts it.

An exchange only moves to a higher outcome (see `rows.outcome`), and the ledger changes with it in
the same transaction.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter
from typing import Final, NamedTuple, TypeAlias

import msgspec
from sqlalchemy import Connection, Executable, Integer, column, func, literal, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert

from shadow.store.rows import json_rows
from shadow.store.rows.outcome import Outcome, dead_lettered
from shadow.store.schema.tables import exchanges, ledger
from shadow.store.write import bulk_write

#: An entry of the ledger: task, outcome, reason.
_Entry: TypeAlias = tuple[str, str, str]


class Key(NamedTuple):
    """An exchange: its id and event time (UTC)."""

    id: str
    at: datetime


class _Row(msgspec.Struct, frozen=True):
    """What differs between the exchanges of a batch; `kind` is the position of a _Kind."""

    id: str
    at: datetime
    kind: int


class _Kind(msgspec.Struct, frozen=True):
    """What most exchanges of a batch have in common."""

    kind: int
    task: str
    outcome: str
    reason: str
    rank: int


class Outcomes:
    """The highest outcome of each exchange of a batch, written together."""

    def __init__(self) -> None:
        self._best: dict[Key, tuple[str, Outcome]] = {}

    def add(self, key: Key, task: str, outcome: Outcome) -> None:
        known = self._best.get(key)
        if known is None or outcome > known[1]:
            self._best[key] = task, outcome

    def add_letters(self, connection: Connection, new: Sequence[str]) -> None:
        """Add the outcomes of dead letters: of the exchanges of this batch, and of the exchanges `new` (ids).

        A letter whose exchange has not arrived yet is looked up when the exchange arrives.
        """
        others = connection.execute(_EXCHANGES, {"ids": new}) if new else ()
        tasks = {Key(row.id, row.at): row.task for row in others}
        ids = [key.id for key in (*tasks, *self._best)]
        letters = connection.execute(_LETTERS, {"ids": json_rows.document(ids)}) if ids else ()
        reasons = {letter.id: letter.reason for letter in letters}
        if not reasons:
            return
        tasks |= {key: task for key, (task, _) in self._best.items()}
        for key, task in tasks.items():
            if key.id in reasons:
                self.add(key, task, dead_lettered(reasons[key.id]))

    def write(self, connection: Connection) -> None:
        """Insert new exchanges, raise the outcome of known ones, and update the ledger accordingly."""
        if not self._best:
            return
        changes = self._insert(connection) or self._move(connection)
        entries = [
            {"task": task, "outcome": outcome, "reason": reason, "n": n}
            for (task, outcome, reason), n in changes.items()
            if n
        ]
        connection.execute(_COUNT, {"rows": json_rows.document(entries)})

    def _insert(self, connection: Connection) -> "Counter[_Entry] | None":
        """COPY the exchanges, if all are new (arrivals are): the changes of the ledger. None: one is there already."""
        rows = (
            (*key, task, outcome.name, outcome.reason, outcome.rank, "", "")
            for key, (task, outcome) in sorted(self._best.items(), key=itemgetter(0))
        )
        if not bulk_write.copy_if_all_new(connection, exchanges, exchanges.columns.keys(), rows):
            return None
        changes: Counter[_Entry] = Counter()
        for (task, outcome), n in Counter(self._best.values()).items():
            changes[task, outcome.name, outcome.reason] += n
        return changes

    def _move(self, connection: Connection) -> "Counter[_Entry]":
        """Insert new exchanges and raise the outcome of known ones. The changes of the ledger."""
        kinds: dict[tuple[str, Outcome], int] = {}
        rows = [_Row(key.id, key.at, kinds.setdefault(best, len(kinds))) for key, best in self._best.items()]
        described = [
            _Kind(kind, task, outcome.name, outcome.reason, outcome.rank) for (task, outcome), kind in kinds.items()
        ]
        document = {"rows": json_rows.document(rows), "kinds": json_rows.document(described)}
        changes: Counter[_Entry] = Counter()
        for row in connection.execute(_MOVE, document):
            changes[row.task, row.outcome, row.reason] += row.n
            if row.was_outcome:
                changes[row.task, row.was_outcome, row.was_reason] -= row.n
        return changes


def _move() -> Executable:
    """Insert exchanges or raise their outcome; returns how many moved from which outcome to which."""
    rows = json_rows.parameter_rows(exchanges.c.id, exchanges.c.at, column("kind", Integer))
    kinds = json_rows.parameter_rows(
        column("kind", Integer), *(exchanges.c[name] for name in ("task", "outcome", "reason", "rank")), name="kinds"
    )
    # Parsed as JSON, eight columns would take PostgreSQL twice as long as these three and a join.
    found = select(
        rows.c.id, rows.c.at, kinds.c.task, kinds.c.outcome, kinds.c.reason, kinds.c.rank, literal(""), literal("")
    )
    in_key_order = found.join_from(rows, kinds, rows.c.kind == kinds.c.kind).order_by(rows.c.id, rows.c.at)
    statement = insert(exchanges).from_select(list(exchanges.columns.keys()), in_key_order)
    old, new = exchanges.c, statement.excluded
    moved = (
        statement.on_conflict_do_update(
            index_elements=list(exchanges.primary_key.columns),
            set_={
                "was_outcome": old.outcome,
                "was_reason": old.reason,
                "outcome": new.outcome,
                "reason": new.reason,
                "rank": new.rank,
            },
            where=tuple_(new.rank, new.reason) > tuple_(old.rank, old.reason),
        )
        .returning(old.task, old.outcome, old.reason, old.was_outcome, old.was_reason)
        .cte("moved")
    )
    return select(moved, func.count().label("n")).group_by(*moved.columns)


_MOVE: Final = _move()
_COUNT: Final = bulk_write.insert_or_add(ledger, "n")
_EXCHANGES: Final = text("SELECT id, at, task FROM exchanges WHERE id = ANY(:ids)")
_LETTERS: Final = text("""
    SELECT id, max(reason) AS reason
    FROM dead_letters
    WHERE id IN (SELECT json_array_elements_text(CAST(:ids AS json)))
    GROUP BY id
""")
