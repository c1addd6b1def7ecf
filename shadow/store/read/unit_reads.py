"""Scores per unit, read from rows: rollups do not know which calls are of one unit."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import BigInteger, Connection, cast, func, select

from shadow.aggregates.tally import MICRO
from shadow.aggregates.unit_scores import Measure, UnitScores
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
) -> dict[Measure, UnitScores]:
    """The scores of every unit, by measure, for exchanges with an event time in [since, until).

    Rows without a unit are left out. A measure is missing if no row with a unit has it. A unit is the
    digest that the rows have. The time it takes is proportional to the rows of the window.
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
    found: dict[Measure, UnitScores] = {}
    with explained(connection.engine.url):
        for measure in measures:
            x, probability = score(measure)
            # In whole millionths, so that the sum does not depend on the order of the rows.
            total = func.sum(cast(func.round(x * MICRO), BigInteger))
            query = (
                select(columns.unit, func.count(), total, func.min(probability), func.max(probability))
                .where(*conditions, x.is_not(None))
                .group_by(columns.unit)
            )
            unit_scores = UnitScores()
            for unit, calls, scores, lowest, highest in connection.execute(query):
                unit_scores.sums[unit] = calls, int(scores)
                unit_scores.rarest = min(unit_scores.rarest, lowest)
                unit_scores.commonest = max(unit_scores.commonest, highest)
            if unit_scores.sums:
                found[measure] = unit_scores
    return found
