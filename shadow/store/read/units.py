"""Scores per unit, from the rows: rollups do not know which calls belong together."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import BigInteger, Connection, cast, func, select

from shadow.aggregates.per_unit import Measure, PerUnit
from shadow.aggregates.tally import MICRO
from shadow.store.read.scores import score
from shadow.store.schema.engine import explained
from shadow.store.schema.tables import comparisons


def read(
    connection: Connection,
    *,
    task: str,
    candidate: str,
    measures: Iterable[Measure] = ("agreement",),
    since: datetime | None = None,
    until: datetime | None = None,
) -> dict[Measure, PerUnit]:
    """Calls and scores of every unit, by measure, of exchanges made in [since, until).

    Rows without a unit are left out, and a measure that no row with a unit has is missing. A
    unit is the digest that the rows hold. Takes time in proportion to the rows of the window.
    """
    columns = comparisons.c
    conditions = [
        columns.task == task,
        columns.candidate == candidate,
        columns.kind.in_(("shadow", "reverse")),
        columns.unit.is_not(None),
    ]
    conditions += [columns.at >= since] if since is not None else []
    conditions += [columns.at < until] if until is not None else []
    found: dict[Measure, PerUnit] = {}
    with explained(connection.engine.url):
        for measure in measures:
            x, probability = score(measure)
            # In whole millionths, so that the order in which rows are added does not matter.
            total = func.sum(cast(func.round(x * MICRO), BigInteger))
            query = (
                select(columns.unit, func.count(), total, func.min(probability), func.max(probability))
                .where(*conditions, x.is_not(None))
                .group_by(columns.unit)
            )
            per_unit = PerUnit()
            for unit, calls, scores, rarest, commonest in connection.execute(query):
                per_unit.sums[unit] = calls, int(scores)
                per_unit.rarest = min(per_unit.rarest, rarest)
                per_unit.commonest = max(per_unit.commonest, commonest)
            if per_unit.sums:
                found[measure] = per_unit
    return found
