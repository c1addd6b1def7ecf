"""How each exchange ended, and the ledger that counts it: one outcome each, the best one known.

Messages about one exchange come in any order and more than once. Outcomes are therefore
ranked, an exchange only ever moves up, and the ledger moves with it in the same transaction:
whatever the order, the end is the same.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection, Executable, func, select, text, tuple_

from shadow.records import Comparison, Trial
from shadow.store.schema.tables import exchanges, ledger
from shadow.store.write import bulk_write
from shadow.store.write.rows import UNANSWERED

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


class Key(NamedTuple):
    """An exchange: its id and event time (UTC)."""

    id: str
    at: datetime


class Outcome(NamedTuple):
    """Compares by rank, then by reason, so that the best of several is the same in any order."""

    rank: int
    reason: str
    name: str


class Row(msgspec.Struct, frozen=True):
    """A row of `exchanges`."""

    id: str
    at: datetime
    task: str
    outcome: str
    reason: str
    rank: int
    was_outcome: str = ""
    was_reason: str = ""


ARRIVED: Final = Outcome(_RANKS[IN_FLIGHT, False], "", IN_FLIGHT)


def of_pair(trial: Trial, comparison: Comparison) -> Outcome:
    """What one scored trial says of its exchange."""
    name, reason = COMPARED, ""
    if trial.reply.failure == "expired":
        name = EXPIRED
    elif comparison.agreement is None:
        name, reason = UNSCORED, comparison.unscored or "unknown"
    if reason in UNANSWERED:
        # Nobody was asked: with its reason just above a ceiling, and below all that may be found out.
        return Outcome(_RANKS[COMPARED, True], reason, name)
    return Outcome(_RANKS[name, trial.kind == "ceiling"], reason, name)


def lock(connection: Connection, *, letters: bool) -> None:
    """To be taken before anything is written; `letters` says whether dead letters will be."""
    function = "pg_advisory_xact_lock" if letters else "pg_advisory_xact_lock_shared"
    connection.execute(text(f"SELECT {function}(:key)"), {"key": _LETTERS_LOCK})


class Outcomes:
    """The best outcome found for each exchange of a batch, to be written in one go."""

    def __init__(self) -> None:
        self._best: dict[Key, tuple[str, Outcome]] = {}

    def add(self, key: Key, task: str, outcome: Outcome) -> None:
        known = self._best.get(key)
        if known is None or outcome > known[1]:
            self._best[key] = task, outcome

    def add_letters(self, connection: Connection, new: Sequence[str]) -> None:
        """Add what dead letters say: of exchanges found already, and by the ids `new` of others.

        A letter whose exchange nobody has seen yet says nothing now; it is found when that arrives.
        """
        others = connection.execute(_EXCHANGES, {"ids": new}) if new else ()
        tasks = {Key(row.id, row.at): row.task for row in others}
        tasks |= {key: task for key, (task, _) in self._best.items()}
        letters = connection.execute(_LETTERS, {"ids": bulk_write.document([key.id for key in tasks])}) if tasks else ()
        reasons = {letter.id: letter.reason for letter in letters}
        for key, task in tasks.items():
            if key.id in reasons:
                self.add(key, task, Outcome(_RANKS[DEAD_LETTERED, False], reasons[key.id], DEAD_LETTERED))

    def write(self, connection: Connection) -> None:
        """Enter new exchanges, move known ones up, and change the ledger by what that changed."""
        rows = [
            Row(key.id, key.at, task, outcome.name, outcome.reason, outcome.rank)
            for key, (task, outcome) in self._best.items()
        ]
        if not rows:
            return
        changes: Counter[tuple[str, str, str]] = Counter()
        for row in connection.execute(_MOVE, {"rows": bulk_write.document(rows)}):
            changes[row.task, row.outcome, row.reason] += row.n
            if row.was_outcome:
                changes[row.task, row.was_outcome, row.was_reason] -= row.n
        entries = [
            {"task": task, "outcome": outcome, "reason": reason, "n": n}
            for (task, outcome, reason), n in changes.items()
            if n
        ]
        connection.execute(_COUNT, {"rows": bulk_write.document(entries)})


def _moving() -> Executable:
    """Enter the staged exchanges or move them up; gives how many went from where to where."""
    statement = bulk_write.insert_rows(exchanges)
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


_MOVE: Final = _moving()
_COUNT: Final = bulk_write.add_up(ledger, "n")
_EXCHANGES: Final = text("SELECT id, at, task FROM exchanges WHERE id = ANY(:ids)")
_LETTERS: Final = text("""
    SELECT id, max(reason) AS reason
    FROM dead_letters
    WHERE id IN (SELECT json_array_elements_text(CAST(:ids AS json)))
    GROUP BY id
""")
