"""Reads the statistics by confidence: how far the candidate agrees, and its regret, where it is so sure."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Connection, select

from shadow.aggregates.tally import CellKind, Tally
from shadow.records import TrialKind
from shadow.store.read.rollup_reads import SUM_COLUMNS, tally_of
from shadow.store.schema.engine import explained
from shadow.store.schema.tables import rollup_confidence


class ConfidenceCell(NamedTuple):
    """The key of a tally: `bin` is one of `shadow.aggregates.confidence_bins`, `day` the start of a day (UTC)."""

    task: str
    candidate: str
    kind: CellKind
    source: str
    day: datetime
    bin: int


def read(
    connection: Connection,
    *,
    task: str,
    candidate: str | None = None,
    kinds: Sequence[TrialKind] = ("shadow", "reverse"),
    sources: Sequence[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> dict[ConfidenceCell, Tally]:
    """Tallies of the pairs whose candidate reported a confidence, by day and bin.

    `since` is rounded down to its day; `until` is exclusive. `candidate` and `sources` are all of them if None. As in
    other rollups, a pair and its agreement are in the cells of one source, its regret in those of each of its sources.
    These tallies have sums, but no counts and no histograms.
    """
    columns = rollup_confidence.c
    conditions = [columns.task == task, columns.kind.in_(kinds)]
    conditions += [columns.candidate == candidate] if candidate is not None else []
    conditions += [columns.source.in_(sources)] if sources is not None else []
    if since is not None:
        conditions.append(columns.day >= since.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0))
    conditions += [columns.day < until] if until is not None else []
    key = [columns[name] for name in ConfidenceCell._fields]
    query = select(*key, *(columns[name] for name in SUM_COLUMNS)).where(*conditions)
    with explained(connection.engine.url):
        return {ConfidenceCell(*row[: len(key)]): tally_of(row[len(key) :]) for row in connection.execute(query).all()}
