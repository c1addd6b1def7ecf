"""What judges are still to look at, what they said before, and what they cost.

Verdicts are cached by a digest of all that a judge was shown, so that the same question about
the same two replies is paid for once, in whichever exchanges it comes up.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, func, select

from shadow.records import Preference
from shadow.store.read import pairs as stored_pairs
from shadow.store.read.pairs import StoredPair
from shadow.store.rows import json_rows
from shadow.store.rows.names import storable_name, storable_text
from shadow.store.schema.engine import explained
from shadow.store.schema.tables import comparisons, judge_spending, verdicts
from shadow.store.write import bulk_write

#: Longer reasons are cut.
MAX_REASON: Final = 2_000


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the model `judge` answered about a question and two replies, and what that cost.

    `digest` names all it was shown. `first` and `second` are its preferences before and after
    the replies changed places, and `preference` what they come to.
    """

    digest: str
    judge: str
    preference: Preference
    first: Preference
    second: Preference
    reason: str = ""
    cost_nanousd: int = 0
    at: datetime


class Spending(NamedTuple):
    """What the judges of a task were asked on one day, and what it cost."""

    calls: int
    cost_nanousd: int

    @property
    def usd(self) -> float:
        return self.cost_nanousd / 1e9


def awaiting_verdict(connection: Connection, *, task: str, limit: int) -> list[StoredPair]:
    """Pairs of a task that a judge is still to look at, newest first.

    Some may have lost their payload (`payload_kept`): there is nothing to look at any more, and
    `opinions.give_up` says so.
    """
    return stored_pairs.find(connection, task=task, judge_due=True, limit=limit)


def oldest_due(connection: Connection, task: str) -> datetime | None:
    """The event time of the oldest pair that a judge is still to look at."""
    query = select(func.min(comparisons.c.at)).where(comparisons.c.task == task, comparisons.c.judge_due)
    with explained(connection.engine.url):
        oldest: datetime | None = connection.execute(query).scalar()
    return oldest


def cached(connection: Connection, digests: Iterable[str]) -> dict[str, Verdict]:
    """What judges said before, of those of the digests that are known."""
    query = select(verdicts).where(verdicts.c.digest.in_(set(digests)))
    with explained(connection.engine.url):
        found = [Verdict(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001 - public, see SQLAlchemy
    return {verdict.digest: verdict for verdict in found}


def remember(connection: Connection, given: Sequence[Verdict]) -> int:
    """Add verdicts to the cache; how many were new. The first one about a digest stays."""
    rows = {verdict.digest: _row(verdict) for verdict in reversed(given)}
    if not rows:
        return 0
    with explained(connection.engine.url):
        return len(connection.execute(_REMEMBER, {"rows": json_rows.document(list(rows.values()))}).all())


def spent(connection: Connection, task: str, day: date) -> Spending:
    """What the judges of a task cost on a day (UTC)."""
    columns = judge_spending.c
    query = select(func.sum(columns.calls), func.sum(columns.cost_nanousd)).where(
        columns.task == task, columns.day == _midnight(day)
    )
    with explained(connection.engine.url):
        calls, cost = connection.execute(query).one()
    return Spending(int(calls or 0), int(cost or 0))


def spend(connection: Connection, task: str, judge: str, day: date, *, calls: int, cost_nanousd: int) -> None:
    """Add what asking a judge cost to the spending of a day (UTC)."""
    row = {"task": storable_name(task), "day": _midnight(day), "judge": storable_name(judge), "calls": calls}
    with explained(connection.engine.url):
        connection.execute(_SPEND, {"rows": json_rows.document([row | {"cost_nanousd": cost_nanousd}])})


def _row(verdict: Verdict) -> dict[str, Any]:
    names = {"digest": storable_name(verdict.digest), "judge": storable_name(verdict.judge)}
    return msgspec.structs.asdict(verdict) | names | {"reason": storable_text(verdict.reason)[:MAX_REASON]}


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


_REMEMBER: Final = bulk_write.insert_rows(verdicts).on_conflict_do_nothing().returning(verdicts.c.digest)
_SPEND: Final = bulk_write.insert_or_add(judge_spending, "calls", "cost_nanousd")
