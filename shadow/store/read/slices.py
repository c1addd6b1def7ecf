"""Rows in which to search for bad crossings of segments: which dimensions they have, and one score."""

from datetime import datetime
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection, Text, cast, select

from shadow.aggregates.unit_scores import Measure
from shadow.store.read.scores import score
from shadow.store.schema.engine import explained
from shadow.store.schema.tables import comparisons

#: Most rows that a search reads: memory and time stay bounded, and more would find the same.
MOST: Final = 200_000

_segment = msgspec.json.Decoder(dict[str, str])


class SliceRows(NamedTuple):
    """Columns of one length: of each pair its exchange, and its unit where one is known.

    `dimensions` holds each row's value, "" where it has none; `scores` are agreements or
    regrets in [0, 1] seen with `probabilities`. `cut` says that there were older rows.
    """

    ids: list[str]
    units: list[str | None]
    dimensions: dict[str, list[str]]
    scores: list[float]
    probabilities: list[float]
    cut: bool = False


def rows_for_slices(
    connection: Connection,
    *,
    task: str,
    candidate: str,
    since: datetime | None = None,
    until: datetime | None = None,
    measure: Measure = "agreement",
    most: int = MOST,
) -> SliceRows:
    """The newest pairs, at most `most`, of exchanges made in [since, until) that have `measure`."""
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
        # As text, for the few different ones are read once each.
        select(columns.exchange_id, columns.unit, cast(columns.segment, Text), x, probability)
        .where(*conditions)
        .order_by(columns.at.desc(), columns.exchange_id.desc(), columns.kind.desc())
        .limit(most + 1)
    )
    with explained(connection.engine.url):
        rows = connection.execute(query).all()
    cut = len(rows) > most
    ids, units, segments, scores, probabilities = ([row[place] for row in rows[:most]] for place in range(5))
    known = {text: _segment.decode(text) for text in {*segments}}
    names = sorted({name for segment in known.values() for name in segment})
    dimensions = {name: [known[text].get(name, "") for text in segments] for name in names}
    return SliceRows(ids, units, dimensions, scores, probabilities, cut)
