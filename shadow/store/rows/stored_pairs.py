"""Rows of `comparisons` and `payloads` as pairs."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, Select, Text, and_, cast, select, true

from shadow.openai_api.replies import with_reasoning_apart
from shadow.records import Comparison, Exchange, Preference, Reply, Role, TokenProbabilities, Trial
from shadow.store.rows import json_rows
from shadow.store.rows.names import PairKey, storable_name
from shadow.store.schema.engine import explained
from shadow.store.schema.tables import comparisons, payloads

#: The payload's columns as text, for `select_pairs`.
EXCHANGE_TEXT: Final = cast(payloads.c.exchange, Text).label("exchange_text")
REPLY_TEXT: Final = cast(payloads.c.reply, Text).label("reply_text")
DETAIL_TEXT: Final = cast(payloads.c.detail, Text).label("detail_text")

_exchange = msgspec.json.Decoder(Exchange)
_reply = msgspec.json.Decoder(Reply)
_detail = msgspec.json.Decoder(dict[str, Any])


class Cursor(NamedTuple):
    """The position of a pair in the order of time: the next page starts `before` the last pair's cursor."""

    at: datetime
    exchange_id: str
    kind: str
    candidate: str


class StoredPair(msgspec.Struct, frozen=True, kw_only=True):
    """A stored trial, its scores, and the current labels and verdict.

    `human` is the consensus of people's labels and `judge` the judge's preference, each with the
    probability in (0, 1] with which the pair was chosen to be looked at. `judge_probability` is set
    before a judge looks at the pair; until then `judge_due` is true. A preference that came with
    the exchange is in `trial.exchange`. `comparison.regret` is that of the strongest source.

    When retention has deleted the payload, `payload_kept` is false: the request and the contents
    are empty and the frontier's model is unknown, but times, costs, failures and scores remain.
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
        """The pair's primary key."""
        return PairKey(storable_name(self.trial.exchange.task), *self.cursor)


def select_pairs() -> Select[Any]:
    """Selects what `pair_of` needs: rows of `comparisons`, with their payload where there is one."""
    same = and_(*(payloads.c[name] == comparisons.c[name] for name in PairKey._fields))
    return select(comparisons, EXCHANGE_TEXT, REPLY_TEXT, DETAIL_TEXT).join(payloads, same, isouter=True)


def pair_of(row: Row[Any], *, as_counted: bool = False) -> StoredPair:
    """The pair in a row of `select_pairs`.

    Older rows hold reasoning and answer in one text: they are separated, unless the pair is wanted `as_counted`.
    """
    payload_kept = row.exchange_text is not None
    asked: Role = "frontier" if row.kind == "reverse" else "candidate"
    exchange = _exchange.decode(row.exchange_text) if payload_kept else _exchange_without_payload(row)
    reply = _reply.decode(row.reply_text) if payload_kept else _reply_without_payload(row, asked)
    if not as_counted:
        reply = with_reasoning_apart(reply)
        if (served := with_reasoning_apart(exchange.reply)) is not exchange.reply:
            exchange = msgspec.structs.replace(exchange, reply=served)
    return StoredPair(
        trial=Trial(
            exchange=exchange,
            kind=row.kind,
            candidate=row.candidate,
            reply=reply,
            at=row.answered_at,
            inclusion_probability=row.inclusion_probability,
        ),
        comparison=Comparison(
            scorer=row.scorer,
            agreement=row.agreement,
            unscored=row.unscored,
            frontier_correct=row.frontier_correct,
            candidate_correct=row.candidate_correct,
            regret=row.regret,
            net_regret=row.net_regret,
            regret_source=row.regret_source,
            detail=_detail.decode(row.detail_text) if payload_kept else {},
        ),
        cursor=Cursor(row.at, row.exchange_id, row.kind, row.candidate),
        payload_kept=payload_kept,
        human=row.human,
        human_probability=row.human_probability,
        judge=row.judge,
        judge_probability=row.judge_probability,
        judge_due=bool(row.judge_due),
    )


def by_key(connection: Connection, keys: Iterable[PairKey], *, as_counted: bool = False) -> dict[PairKey, StoredPair]:
    """The pairs with these keys, without those that are not stored; `as_counted`: see `pair_of`."""
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    with explained(connection.engine.url):
        rows = connection.execute(_BY_KEY, {"rows": json_rows.document([key._asdict() for key in wanted])})
        found = [pair_of(row, as_counted=as_counted) for row in rows]
    return {pair.key: pair for pair in found}


def _exchange_without_payload(row: Row[Any]) -> Exchange:
    served_by: Role = "candidate" if row.kind == "reverse" else "frontier"
    return Exchange(
        id=row.exchange_id,
        task=row.task,
        at=row.at,
        request={},
        reply=_reply_without_payload(row, served_by),
        served_by=served_by,
        segment=row.segment,
    )


def _reply_without_payload(row: Row[Any], role: Role) -> Reply:
    fields = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
    return Reply(
        model=row.candidate if role == "candidate" else "",
        latency_ms=fields[f"{role}_latency_ms"],
        cost_usd=fields[f"{role}_cost_usd"],
        confidence=fields[f"{role}_confidence"],
        token_probabilities=None if role == "frontier" else _token_probabilities(row),
        failure=fields[f"{role}_failure"],
    )


def _token_probabilities(row: Row[Any]) -> TokenProbabilities | None:
    found = row.candidate_token_probabilities
    return None if found is None else msgspec.convert(found, TokenProbabilities)


# One lookup per key: PostgreSQL cannot know how few keys there are, and a plain join could read the whole table.
_keys = json_rows.parameter_rows(*comparisons.primary_key.columns)
_one: Final = (
    select_pairs().where(*(comparisons.c[name] == _keys.c[name] for name in PairKey._fields)).limit(1).lateral("one")
)
_BY_KEY: Final = select(_one).select_from(_keys).join(_one, true())
