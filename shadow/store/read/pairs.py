"""Stored pairs, one by one: for pages, judges and export."""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, or_, select, tuple_

from shadow.records import RegretSource
from shadow.store.rows.names import PairKey
from shadow.store.rows.stored_pairs import (
    EXCHANGE_TEXT,
    REPLY_TEXT,
    Cursor,
    StoredPair,
    by_key,
    pair_of,
    select_pairs,
)
from shadow.store.schema.engine import explained
from shadow.store.schema.tables import UNSCORED, comparisons, exchanges, ledger

__all__ = ["ANY_REASON", "MAX_LIMIT", "Cursor", "StoredPair", "by_key", "find", "iterate", "keys_of"]

#: Maximum number of pairs in one `find`.
MAX_LIMIT: Final = 1_000

#: As `find(unscored=...)`: unscored pairs, whatever the reason.
ANY_REASON: Final = ""

_KEY: Final = Cursor._fields


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
    """The newest pairs, by event time, that meet every given condition.

    segment        the pair has all of these dimensions and values, declared or derived
    max_agreement  it was scored, and agrees at most this much
    failure        one of the replies failed in this way
    unscored       it could not be scored for this reason; ANY_REASON: for any reason but sampling
    text           the request or a reply contains this text, in any case (only where the payload is kept)
    source         the strongest source of its regret is this one
    labelled       people have, or have not, labelled it
    judge_due      a judge has yet to look at it, or not

    The next page is `before` the last pair's cursor. At most MAX_LIMIT pairs.
    """
    limit = max(0, min(limit, MAX_LIMIT))
    with explained(connection.engine.url):
        conditions = [
            *_key_conditions(connection, exchange_id, since, until, before),
            *_pair_conditions(candidate, kind, segment, max_agreement, failure, unscored),
            *_opinion_conditions(source, labelled, judge_due),
        ]
        # One task at a time: the primary key starts with the task, so each task's pairs come sorted.
        tasks = [task] if task is not None else list(connection.execute(select(ledger.c.task).distinct()).scalars())
        found = (_page(connection, [comparisons.c.task == name, *conditions], text, limit) for name in tasks)
        newest_first = heapq.merge(*found, key=lambda pair: pair.cursor, reverse=True)
        return list(islice(newest_first, limit))


def iterate(connection: Connection, *, page: int = 500, **conditions: Any) -> Iterator[StoredPair]:
    """Every pair that meets the conditions of `find`, newest first, in constant memory.

    Reads page by page. Use a connection of `engine.browsing`: a transaction as long as an export
    would block the creation of partitions.
    """
    before: Cursor | None = None
    while pairs := find(connection, limit=page, before=before, **conditions):
        yield from pairs
        before = pairs[-1].cursor


def keys_of(connection: Connection, exchange_ids: Iterable[str]) -> dict[str, list[PairKey]]:
    """The keys of the stored pairs of these exchanges that compare two models (all but ceilings), by exchange."""
    same = and_(comparisons.c.at == exchanges.c.at, comparisons.c.exchange_id == exchanges.c.id)
    query = (
        select(*comparisons.primary_key.columns)
        # With the exchange's time PostgreSQL reads one partition, and there uses the primary key.
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
        # With the exchange's time PostgreSQL reads one partition, and there uses the primary key.
        moments = connection.execute(select(exchanges.c.at).where(exchanges.c.id == exchange_id)).scalars().all()
        conditions += [at.in_(moments), comparisons.c.exchange_id == exchange_id]
    if before is not None:
        # The first condition follows from the second, but only by the first PostgreSQL excludes partitions.
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
        # The condition of the partial index, so that PostgreSQL uses it.
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
        # The condition of the partial index, so that PostgreSQL uses it.
        conditions.append(columns.judge_due if judge_due else columns.judge_due.is_(None))
    return conditions


def _page(
    connection: Connection, conditions: list[ColumnElement[bool]], text: str | None, limit: int
) -> list[StoredPair]:
    query = select_pairs().where(*conditions).order_by(*(comparisons.c[name].desc() for name in _KEY)).limit(limit)
    if text:
        # Payloads are JSON text, in which quotation marks and line breaks are escaped.
        escaped = msgspec.json.encode(text)[1:-1].decode()
        query = query.where(
            or_(*(part.element.icontains(escaped, autoescape=True) for part in (EXCHANGE_TEXT, REPLY_TEXT)))
        )
    return [pair_of(row) for row in connection.execute(query)]
