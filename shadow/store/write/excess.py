"""Excess disagreement: exchanges to which both the candidate and, a second time, the frontier replied.

The two trials come in any order, in one batch or in two concurrent transactions, and must be found
together exactly once. `find` therefore runs after the outcomes are written, which locks the
exchanges of a batch: if two transactions bring trials of one exchange, the second one looks after
the first has committed, and the first saw no row of the second.
"""

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import Connection, Row, text

from shadow.aggregates import counting, tally
from shadow.aggregates.tally import Combination, Tally
from shadow.store.rows import json_rows
from shadow.store.rows.names import PairKey


def find(connection: Connection, new: Collection[PairKey]) -> dict[Combination, Tally]:
    """The excess disagreement that the new rows complete. Marks the candidate's row, so that it counts once.

    Locks rows of `comparisons` in the order of their key, like every writer of the table.
    """
    tasks = set(connection.execute(_TASKS_WITH_CEILING).scalars())
    tasks |= {key.task for key in new if key.kind == "ceiling"}
    if not tasks:
        return {}
    keys = {(key.task, key.at, key.exchange_id) for key in new if key.task in tasks and key.kind != "reverse"}
    wanted = [{"task": task, "at": at, "exchange_id": exchange_id} for task, at, exchange_id in sorted(keys)]
    found: dict[Combination, Tally] = {}
    if not wanted:
        return found
    rows = connection.execute(_LOCK, {"rows": json_rows.document(wanted)}).all()
    for row in rows:
        key = tally.combination(row.task, row.candidate, "excess", "", row.segment, row.at)
        tally.tally_at(found, key).merge(counting.excess(row.agreement, row.ceiling, row.probability))
    if rows:
        connection.execute(_MARK, {"rows": json_rows.document([_mark(row) for row in rows])})
    return found


def _mark(row: Row[Any]) -> dict[str, Any]:
    names = ("task", "at", "exchange_id", "candidate", "ceiling")
    return dict(zip(names, (row.task, row.at, row.exchange_id, row.candidate, row.ceiling), strict=True))


_TASKS_WITH_CEILING: Final = text("SELECT DISTINCT task FROM catalogue WHERE kind = 'ceiling'")
# If there are several scored ceilings, under different names, the first one counts.
_LOCK: Final = text("""
    SELECT task, at, exchange_id, shadow.candidate, segment, shadow.agreement,
           ceiling.agreement AS ceiling, ceiling.inclusion_probability AS probability
    FROM json_to_recordset(CAST(:rows AS json)) AS wanted (task text, at timestamptz, exchange_id text)
    CROSS JOIN LATERAL (
        SELECT agreement, inclusion_probability
        FROM comparisons
        WHERE task = wanted.task AND at = wanted.at AND exchange_id = wanted.exchange_id
          AND kind = 'ceiling' AND agreement IS NOT NULL
        ORDER BY candidate
        LIMIT 1
    ) AS ceiling
    JOIN comparisons AS shadow USING (task, at, exchange_id)
    WHERE shadow.kind = 'shadow' AND shadow.agreement IS NOT NULL AND shadow.ceiling_agreement IS NULL
    ORDER BY task, at, exchange_id, shadow.candidate
    FOR UPDATE OF shadow
""")
_MARK: Final = text("""
    UPDATE comparisons
    SET ceiling_agreement = ceiling
    FROM json_to_recordset(CAST(:rows AS json))
      AS twice (task text, at timestamptz, exchange_id text, candidate text, ceiling double precision)
    WHERE comparisons.task = twice.task AND comparisons.at = twice.at AND kind = 'shadow'
      AND comparisons.exchange_id = twice.exchange_id AND comparisons.candidate = twice.candidate
""")
