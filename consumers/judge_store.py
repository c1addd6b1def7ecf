"""A judge's verdicts in PostgreSQL: pairs that are due, cached verdicts, and spending.

A verdict, its cost and its place in the cache are committed in one transaction, and what was not committed
is still due: after a kill it is asked again, or found in the cache. The likely cost of calls is committed
*before* they are made, and replaced by their cost afterwards, so that a process that dies again and again
keeps within its budget as well.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime
from typing import NamedTuple

from sqlalchemy import Connection, Engine

from scoring.judge import JudgedBatch, JudgeRequest, JudgeVerdict, VerdictStore, build_question
from shadow.store.feedback import verdicts
from shadow.store.feedback.verdicts import CachedVerdict, PairVerdict
from shadow.store.read.pairs import MAX_LIMIT
from shadow.store.rows.names import PairKey
from shadow.store.schema import engine as database


class DuePairs(NamedTuple):
    """The pairs of one round: those that can be judged, by the digest of their request, and those that cannot.

    Pairs with the same request, replies and rubric have the same digest, and are asked about once.
    """

    day: date
    requests: list[JudgeRequest]
    pairs: dict[str, list[PairKey]]
    without_payload: list[PairKey]
    spent_nanousd: int
    oldest: datetime | None


def find_due(
    engine: Engine, name: str, rubric: str | None, *, model: str, limit: int, attempts: Mapping[PairKey, int]
) -> DuePairs:
    """Up to `limit` due pairs of the task `name`, newest first, those with failed `attempts` last."""
    day = datetime.now(UTC).date()
    with database.snapshot(engine) as connection:
        found = verdicts.awaiting_verdict(connection, task=name, limit=min(limit + len(attempts), MAX_LIMIT))
        spent = verdicts.spent(connection, name, day)
        oldest = verdicts.oldest_due(connection, name)
    found = sorted(found, key=lambda pair: attempts.get(pair.key, 0))[:limit]
    requests: dict[str, JudgeRequest] = {}
    pairs: dict[str, list[PairKey]] = {}
    for pair in found:
        if pair.payload_kept:
            request = JudgeRequest.of(build_question(pair.trial), rubric, model=model)
            requests.setdefault(request.digest, request)
            pairs.setdefault(request.digest, []).append(pair.key)
    return DuePairs(
        day=day,
        requests=list(requests.values()),
        pairs=pairs,
        without_payload=[pair.key for pair in found if not pair.payload_kept],
        spent_nanousd=spent.cost_nanousd,
        oldest=oldest,
    )


class RoundStore(VerdictStore):
    """The verdicts and the spending of one round of the judge of one task."""

    def __init__(self, engine: Engine, task: str, judge: str, due: DuePairs) -> None:
        self._engine = engine
        self._task = task
        self._judge = judge
        self._due = due

    def cached(self, digests: Collection[str]) -> Mapping[str, JudgeVerdict]:
        return cached_verdicts(self._engine, digests)

    def reserve(self, cost_nanousd: int) -> None:
        with database.transaction(self._engine) as connection:
            self._spend(connection, calls=0, cost_nanousd=cost_nanousd)

    def save(self, batch: JudgedBatch) -> None:
        """Commit verdicts, cache and spending in one transaction."""
        given = [
            PairVerdict(**pair._asdict(), judge=self._judge, preference=verdict.preference)
            for request in batch.requests
            if (verdict := batch.verdict(request.digest)) is not None
            for pair in self._due.pairs[request.digest]
        ]
        if not given and not batch.asked:
            return
        with database.transaction(self._engine) as connection:
            verdicts.record_verdicts(connection, given)
            cache_verdicts(connection, self._judge, batch)
            self._spend(connection, calls=batch.calls, cost_nanousd=batch.cost_nanousd - batch.reserved_nanousd)

    def give_up(self, pairs: Collection[PairKey]) -> None:
        """Commit that these pairs will not be judged."""
        with database.transaction(self._engine) as connection:
            verdicts.give_up(connection, list(pairs))

    def _spend(self, connection: Connection, *, calls: int, cost_nanousd: int) -> None:
        verdicts.spend(connection, self._task, self._judge, self._due.day, calls=calls, cost_nanousd=cost_nanousd)


def cached_verdicts(engine: Engine, digests: Collection[str]) -> dict[str, JudgeVerdict]:
    """The cached verdicts among `digests`, whichever command asked for them."""
    with database.snapshot(engine) as connection:
        found = verdicts.cached(connection, digests)
    return {
        digest: JudgeVerdict(
            preference=cached.preference, first=cached.first, second=cached.second, reason=cached.reason
        )
        for digest, cached in found.items()
    }


def cache_verdicts(connection: Connection, judge: str, batch: JudgedBatch) -> None:
    """Cache the verdicts that calls of the model `judge` brought, in the caller's transaction."""
    given = [
        CachedVerdict(
            digest=request.digest,
            judge=judge,
            preference=verdict.preference,
            first=verdict.first,
            second=verdict.second,
            reason=verdict.reason,
            cost_nanousd=batch.judgements[request.digest].cost_nanousd,
            at=datetime.now(UTC),
        )
        for request in batch.asked
        if (verdict := batch.verdict(request.digest)) is not None
    ]
    verdicts.remember(connection, given)
