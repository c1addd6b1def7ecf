"""Stored pairs, one by one: for the pages that show them, for judges, and for export."""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, Text, and_, cast, or_, select, true, tuple_

from shadow.records import Comparison, Exchange, Preference, RegretSource, Reply, Role, Trial
from shadow.store.schema.engine import explained
from shadow.store.schema.tables import UNSCORED, comparisons, exchanges, ledger, payloads
from shadow.store.write import bulk_write
from shadow.store.write.rows import PairKey, clean

#: Most pairs of one `find`.
MAX_LIMIT: Final = 1_000

#: Asks `find` for unscored pairs, whatever the reason.
ANY_REASON: Final = ""

_KEY: Final = ("at", "exchange_id", "kind", "candidate")
_TEXTS: Final = [cast(payloads.c[name], Text).label(f"{name}_text") for name in ("exchange", "reply", "detail")]
_exchange = msgspec.json.Decoder(Exchange)
_reply = msgspec.json.Decoder(Reply)
_detail = msgspec.json.Decoder(dict[str, Any])


class Cursor(NamedTuple):
    """Where a page ends; the next one continues `before` it."""

    at: datetime
    exchange_id: str
    kind: str
    candidate: str


class StoredPair(msgspec.Struct, frozen=True, kw_only=True):
    """A stored trial and what was said of it.

    `human` and `judge` are what people and a judge say now, each with the chance in (0, 1] with
    which the pair was chosen to be looked at; of `judge_probability` that is known before the judge
    looks. What came with the exchange is in `trial.exchange`. `comparison.regret` is what the
    strongest source says now. Where retention has taken the payload (`payload_kept` is false), request and contents are
    empty and the frontier's model is not known; times, costs, failures and scores remain.
    """

    trial: Trial
    comparison: Comparison
    cursor: Cursor
    payload_kept: bool = True
    human: Preference | None = None
    human_probability: float | None = None
    judge: Preference | None = None
    judge_probability: float | None = None
    judge_due: bool = False

    @property
    def key(self) -> PairKey:
        """The name of the pair in every table."""
        return PairKey(clean(self.trial.exchange.task), *self.cursor)


def find(
    connection: Connection,
    *,
    task: str | None = None,
    candidate: str | None = None,
    kind: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    segment: Mapping[str, str] | None = None,
    max_agreement: float | None = None,
    failure: str | None = None,
    unscored: str | None = None,
    text: str | None = None,
    exchange_id: str | None = None,
    source: RegretSource | None = None,
    labelled: bool | None = None,
    judge_due: bool | None = None,
    limit: int = 50,
    before: Cursor | None = None,
) -> list[StoredPair]:
    """The newest pairs, by event time, for which every given condition holds.

    `segment` asks for all its dimensions, declared or derived; `max_agreement` for scored pairs
    that agree no more than that; `failure` for a failure of either side; `unscored` for pairs that
    could not be scored for that reason, or for any but that nobody was asked; `text` for words, in
    any case, in the request or one of the replies (only where the payload is kept); `source` for
    pairs whose regret somebody tells and this is the strongest who does; `labelled` for what people
    have, or have not, looked at; `judge_due` for what a judge is, or is not, still to look at. The
    next page is `before` the last pair's cursor.
    """
    limit = max(0, min(limit, MAX_LIMIT))
    with explained(connection.engine.url):
        conditions = [
            *_key_conditions(connection, exchange_id, since, until, before),
            *_pair_conditions(candidate, kind, segment, max_agreement, failure, unscored),
            *_opinion_conditions(source, labelled, judge_due),
        ]
        # One task at a time, for the key starts with the task and so gives each in order.
        tasks = [task] if task is not None else list(connection.execute(select(ledger.c.task).distinct()).scalars())
        found = (_page(connection, [comparisons.c.task == name, *conditions], text, limit) for name in tasks)
        newest_first = heapq.merge(*found, key=lambda pair: pair.cursor, reverse=True)
        return list(islice(newest_first, limit))


def iterate(connection: Connection, *, page: int = 500, **conditions: Any) -> Iterator[StoredPair]:
    """Every pair `find` would give, newest first, in constant memory.

    Reads page by page. Give it a connection of `engine.browsing`: a transaction held open for
    the length of an export would stand in the way of new partitions.
    """
    before: Cursor | None = None
    while pairs := find(connection, limit=page, before=before, **conditions):
        yield from pairs
        before = pairs[-1].cursor


def by_key(connection: Connection, keys: Iterable[PairKey]) -> dict[PairKey, StoredPair]:
    """Those of the named pairs that are stored."""
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    with explained(connection.engine.url):
        rows = connection.execute(_BY_KEY, {"rows": bulk_write.document([key._asdict() for key in wanted])})
        found = [_pair(row) for row in rows]
    return {pair.key: pair for pair in found}


def keys_of(connection: Connection, exchange_ids: Iterable[str]) -> dict[str, list[PairKey]]:
    """The stored pairs of these exchanges that set two models against each other (all but ceilings)."""
    same = and_(comparisons.c.at == exchanges.c.at, comparisons.c.exchange_id == exchanges.c.id)
    query = (
        select(*comparisons.primary_key.columns)
        # The time of an exchange leads to its partition and, with task and id, into the key.
        .join_from(exchanges, comparisons, and_(same, comparisons.c.task == exchanges.c.task))
        .where(exchanges.c.id.in_(set(exchange_ids)), comparisons.c.kind != "ceiling")
        .order_by(*comparisons.primary_key.columns)
    )
    found: dict[str, list[PairKey]] = {}
    with explained(connection.engine.url):
        for row in connection.execute(query):
            found.setdefault(row.exchange_id, []).append(PairKey(*row))
    return found


def _key_conditions(
    connection: Connection,
    exchange_id: str | None,
    since: datetime | None,
    until: datetime | None,
    before: Cursor | None,
) -> list[ColumnElement[bool]]:
    at = comparisons.c.at
    conditions = [at >= since] if since is not None else []
    conditions += [at < until] if until is not None else []
    if exchange_id is not None:
        # The time of an exchange leads to its partition and, with its id, into the key.
        moments = connection.execute(select(exchanges.c.at).where(exchanges.c.id == exchange_id)).scalars().all()
        conditions += [at.in_(moments), comparisons.c.exchange_id == exchange_id]
    if before is not None:
        # The first says nothing new, but it is what PostgreSQL can rule out partitions by.
        conditions += [at <= before.at, tuple_(*(comparisons.c[name] for name in _KEY)) < tuple_(*before)]
    return conditions


def _pair_conditions(
    candidate: str | None,
    kind: str | None,
    segment: Mapping[str, str] | None,
    max_agreement: float | None,
    failure: str | None,
    unscored: str | None,
) -> list[ColumnElement[bool]]:
    columns = comparisons.c
    conditions: list[ColumnElement[bool]] = []
    if candidate is not None:
        conditions.append(columns.candidate == candidate)
    if kind is not None:
        conditions.append(columns.kind == kind)
    if segment:
        conditions.append(columns.segment.contains(dict(segment)))
    if max_agreement is not None:
        conditions.append(columns.agreement <= max_agreement)
    if failure is not None:
        conditions.append(or_(columns.frontier_failure == failure, columns.candidate_failure == failure))
    if unscored is not None:
        # As it stands in the index of the pairs that are.
        conditions.append(UNSCORED)
        conditions += [columns.unscored == unscored] if unscored != ANY_REASON else []
    return conditions


def _opinion_conditions(
    source: RegretSource | None, labelled: bool | None, judge_due: bool | None
) -> list[ColumnElement[bool]]:
    columns = comparisons.c
    conditions: list[ColumnElement[bool]] = []
    if source is not None:
        conditions.append(columns.regret_source == source)
    if labelled is not None:
        conditions.append(columns.human.is_not(None) if labelled else columns.human.is_(None))
    if judge_due is not None:
        # As it stands in the index of the few that are due.
        conditions.append(columns.judge_due if judge_due else columns.judge_due.is_(None))
    return conditions


def _page(
    connection: Connection, conditions: list[ColumnElement[bool]], words: str | None, limit: int
) -> list[StoredPair]:
    query = _with_payload().where(*conditions).order_by(*(comparisons.c[name].desc() for name in _KEY)).limit(limit)
    if words:
        # Payloads are JSON text, in which a quotation mark or a line break is written with a backslash.
        written = msgspec.json.encode(words)[1:-1].decode()
        query = query.where(or_(*(part.element.icontains(written, autoescape=True) for part in _TEXTS[:2])))
    return [_pair(row) for row in connection.execute(query)]


def _with_payload() -> Select[Any]:
    same = and_(*(payloads.c[name] == comparisons.c[name] for name in PairKey._fields))
    return select(comparisons, *_TEXTS).join(payloads, same, isouter=True)


def _pair(row: Row[Any]) -> StoredPair:
    kept = row.exchange_text is not None
    exchange = _exchange.decode(row.exchange_text) if kept else _remains_of_exchange(row)
    reply = _reply.decode(row.reply_text) if kept else _remains_of_reply(row, _tried(row))
    comparison = Comparison(
        scorer=row.scorer,
        agreement=row.agreement,
        unscored=row.unscored,
        frontier_correct=row.frontier_correct,
        candidate_correct=row.candidate_correct,
        regret=row.regret,
        net_regret=row.net_regret,
        regret_source=row.regret_source,
        detail=_detail.decode(row.detail_text) if kept else {},
    )
    trial = Trial(
        exchange=exchange,
        kind=row.kind,
        candidate=row.candidate,
        reply=reply,
        at=row.answered_at,
        inclusion_probability=row.inclusion_probability,
    )
    cursor = Cursor(row.at, row.exchange_id, row.kind, row.candidate)
    return StoredPair(
        trial=trial,
        comparison=comparison,
        cursor=cursor,
        payload_kept=kept,
        human=row.human,
        human_probability=row.human_probability,
        judge=row.judge,
        judge_probability=row.judge_probability,
        judge_due=bool(row.judge_due),
    )


def _tried(row: Row[Any]) -> Role:
    """Whose reply the trial holds."""
    return "frontier" if row.kind == "reverse" else "candidate"


def _remains_of_exchange(row: Row[Any]) -> Exchange:
    served: Role = "candidate" if row.kind == "reverse" else "frontier"
    return Exchange(
        id=row.exchange_id,
        task=row.task,
        at=row.at,
        request={},
        reply=_remains_of_reply(row, served),
        served_by=served,
        segment=row.segment,
    )


def _remains_of_reply(row: Row[Any], side: Role) -> Reply:
    fields = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
    return Reply(
        model=row.candidate if side == "candidate" else "",
        latency_ms=fields[f"{side}_latency_ms"],
        cost_usd=fields[f"{side}_cost_usd"],
        failure=fields[f"{side}_failure"],
    )


# One key after the other: PostgreSQL does not know how few they are, and could read everything.
_wanted = bulk_write.staged(*comparisons.primary_key.columns)
_one: Final = (
    _with_payload().where(*(comparisons.c[name] == _wanted.c[name] for name in PairKey._fields)).limit(1).lateral("one")
)
_BY_KEY: Final = select(_one).select_from(_wanted).join(_one, true())
