"""Judges' verdicts on stored pairs: which pairs are due, what judges answered, and what it cost.

A verdict is recorded with its pair, and counted like a label (see `labels`, which also explains in
what kind of transaction the writing functions run). It is cached as well, under a digest of all that
the judge was shown, so that the same question about the same two replies is paid for only once,
whichever exchange it comes from.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, func, select

from shadow.records import Preference
from shadow.store.feedback import pair_opinions
from shadow.store.feedback.pair_opinions import PairFields, PairOpinions, check_probability
from shadow.store.read import pairs as stored_pairs
from shadow.store.read.pairs import StoredPair
from shadow.store.rows import json_rows
from shadow.store.rows.names import PairKey, storable_name, storable_text
from shadow.store.schema.engine import explained
from shadow.store.schema.tables import comparisons, judge_spending, verdicts
from shadow.store.write import bulk_write

#: Maximum length of a reason, in characters; longer ones are cut.
MAX_REASON: Final = 2_000


class PairVerdict(PairFields, frozen=True, kw_only=True):
    """The preference of the model `judge` in one pair.

    `probability` is that with which the pair was chosen for a judge. It is used only for pairs for
    which the store has none, because they were not chosen when they were scored.
    """

    judge: str
    preference: Preference
    probability: float = 1.0


class CachedVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of the model `judge` about a question and two replies, and what it cost.

    `digest` is that of all the judge was shown. `first` and `second` are its preferences before and
    after the replies exchanged places, and `preference` is the verdict from both.
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
    """How often the judges of a task were asked on one day, and what it cost."""

    calls: int
    cost_nanousd: int

    @property
    def usd(self) -> float:
        return self.cost_nanousd / 1e9


def awaiting_verdict(connection: Connection, *, task: str, limit: int) -> list[StoredPair]:
    """Pairs of a task at which a judge has yet to look, newest first.

    Some may have lost their payload (`payload_kept` is false), so that they cannot be judged any
    more: call `give_up` with those.
    """
    return stored_pairs.find(connection, task=task, judge_due=True, limit=limit)


def oldest_due(connection: Connection, task: str) -> datetime | None:
    """The event time of the oldest pair at which a judge has yet to look."""
    query = select(func.min(comparisons.c.at)).where(comparisons.c.task == task, comparisons.c.judge_due)
    with explained(connection.engine.url):
        oldest: datetime | None = connection.execute(query).scalar()
    return oldest


def record_verdicts(connection: Connection, given: Sequence[PairVerdict]) -> int:
    """Store verdicts and count them; returns how many pairs had no verdict before.

    Idempotent: the first verdict on a pair stays. Ignores verdicts on pairs that are not stored or
    that do not have two replies to compare.
    """
    first: dict[PairKey, PairVerdict] = {}
    for verdict in given:
        check_probability(verdict.probability)
        first.setdefault(verdict.pair, verdict)
    with explained(connection.engine.url):
        before = pair_opinions.lock(connection, first)
        unjudged = (key for key, opinions in before.items() if opinions.comparable and opinions.judge is None)
        after = {key: _with_verdict(before[key], first[key]) for key in unjudged}
        return pair_opinions.write(connection, before, after)


def give_up(connection: Connection, keys: Sequence[PairKey]) -> int:
    """Mark these pairs as no longer due for a judge; returns how many of them were due."""
    with explained(connection.engine.url):
        before = pair_opinions.lock(connection, keys)
        after = {key: opinions._replace(judge_due=None) for key, opinions in before.items()}
        return pair_opinions.write(connection, before, after)


def cached(connection: Connection, digests: Iterable[str]) -> dict[str, CachedVerdict]:
    """The cached verdicts among these digests."""
    query = select(verdicts).where(verdicts.c.digest.in_(set(digests)))
    with explained(connection.engine.url):
        rows = connection.execute(query)
        found = [CachedVerdict(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
    return {verdict.digest: verdict for verdict in found}


def remember(connection: Connection, given: Sequence[CachedVerdict]) -> int:
    """Add verdicts to the cache; returns how many were new. The first verdict under a digest stays."""
    rows = {verdict.digest: _row(verdict) for verdict in reversed(given)}
    if not rows:
        return 0
    with explained(connection.engine.url):
        return len(connection.execute(_REMEMBER, {"rows": json_rows.document(list(rows.values()))}).all())


def spent(connection: Connection, task: str, day: date) -> Spending:
    """The spending on the judges of a task on a day (UTC)."""
    columns = judge_spending.c
    query = select(func.sum(columns.calls), func.sum(columns.cost_nanousd)).where(
        columns.task == task, columns.day == _midnight(day)
    )
    with explained(connection.engine.url):
        calls, cost = connection.execute(query).one()
    return Spending(int(calls or 0), int(cost or 0))


def spend(connection: Connection, task: str, judge: str, day: date, *, calls: int, cost_nanousd: int) -> None:
    """Add calls of a judge and their cost to the spending of a day (UTC)."""
    row = {"task": storable_name(task), "day": _midnight(day), "judge": storable_name(judge), "calls": calls}
    with explained(connection.engine.url):
        connection.execute(_SPEND, {"rows": json_rows.document([row | {"cost_nanousd": cost_nanousd}])})


def _with_verdict(opinions: PairOpinions, verdict: PairVerdict) -> PairOpinions:
    probability = verdict.probability if opinions.judge_probability is None else opinions.judge_probability
    return opinions._replace(judge=verdict.preference, judge_probability=probability, judge_due=None)


def _row(verdict: CachedVerdict) -> dict[str, Any]:
    names = {"digest": storable_name(verdict.digest), "judge": storable_name(verdict.judge)}
    return msgspec.structs.asdict(verdict) | names | {"reason": storable_text(verdict.reason)[:MAX_REASON]}


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


_REMEMBER: Final = bulk_write.insert_rows(verdicts).on_conflict_do_nothing().returning(verdicts.c.digest)
_SPEND: Final = bulk_write.insert_or_add(judge_spending, "calls", "cost_nanousd")
