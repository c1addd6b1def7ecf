"""Rows for the search for the worst crossings of segments: their segments and one score."""

from datetime import datetime
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection, Text, cast, select

from shadow.aggregates.unit_scores import Measure
from shadow.store.read.scores import score
from shadow.store.schema.engine import explained
from shadow.store.schema.tables import comparisons

#: Maximum number of rows that a search reads. It bounds memory and time; more rows would find the same.
MAX_ROWS: Final = 200_000

_segment = msgspec.json.Decoder(dict[str, str])


class SliceRows(NamedTuple):
    """Columns of equal length, a row per pair.

    ids             the exchange's id
    units           the unit; None if it is not known
    dimensions      each dimension's value, "" if the row has none
    scores          agreement or regret, in [0, 1]
    probabilities   the probability with which the score was sampled
    older_left_out  whether there are older rows that were not read
    """

    ids: list[str]
    units: list[str | None]
    dimensions: dict[str, list[str]]
    scores: list[float]
    probabilities: list[float]
    older_left_out: bool = False


def rows_for_slices(
    connection: Connection,
    *,
    task: str,
    candidate: str,
    since: datetime | None = None,
    until: datetime | None = None,
    measure: Measure = "agreement",
    limit: int = MAX_ROWS,
) -> SliceRows:
    """The newest pairs with a `measure` and an event time in [since, until), at most `limit`."""
    columns = comparisons.c
    x, probability = score(measure)
    conditions = [
        columns.task == task,
        columns.candidate == candidate,
        columns.kind.in_(("shadow", "reverse")),
        x.is_not(None),
    ]
    conditions += [columns.at >= since] if since is not None else []
    conditions += [columns.at < until] if until is not None else []
    query = (
        # As text: there are few different ones, and each is decoded only once.
        select(columns.exchange_id, columns.unit, cast(columns.segment, Text), x, probability)
        .where(*conditions)
        .order_by(columns.at.desc(), columns.exchange_id.desc(), columns.kind.desc())
        .limit(limit + 1)
    )
    with explained(connection.engine.url):
        rows = connection.execute(query).all()
    older_left_out = len(rows) > limit
    ids, units, segments, scores, probabilities = ([row[place] for row in rows[:limit]] for place in range(5))
    known = {text: _segment.decode(text) for text in {*segments}}
    names = sorted({name for segment in known.values() for name in segment})
    dimensions = {name: [known[text].get(name, "") for text in segments] for name in names}
    return SliceRows(ids, units, dimensions, scores, probabilities, older_left_out)
