"""Add tallies to the rollups. All numbers are whole, so the result does not depend on the order."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from operator import itemgetter
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, func, text

from shadow.aggregates import tally
from shadow.aggregates.tally import Cell, Combination, Tally
from shadow.store.rows import json_rows
from shadow.store.rows.names import storable_name
from shadow.store.schema.tables import (
    HEAVIEST,
    MEASURES,
    SUMS,
    catalogue,
    crossings,
    rollup_confidence,
    rollup_counts,
    rollup_histograms,
    rollups,
)
from shadow.store.write import bulk_write, cardinality

#: Maximum number of combinations of segments of a task and day. Up to it, crossings do not depend on
#: the order of delivery; later combinations are counted together, as OVERFLOW.
MAX_COMBINATIONS: Final = 2_000
OVERFLOW: Final = tally.OVERFLOW


class Crossing(NamedTuple):
    """The key of `crossings`."""

    task: str
    day: datetime
    candidate: str
    kind: str
    source: str
    combination: str


def add_combinations(connection: Connection, combinations: Mapping[Combination, Tally]) -> None:
    """Add tallies to every rollup: to the cells of their segments, to the totals, and to the crossings.

    Tallies may be negative, if a label or verdict has changed. A cell whose counts are 0 afterwards
    stays. Rollups are the last rows that a transaction locks (see `ingest`). Call this once per
    transaction, with all tallies: a second call would start the order of locks again.
    """
    cells: dict[Cell, Tally] = {}
    tally.spread(cells, cardinality.cap_segments(connection, combinations))
    _write(connection, cells)
    # Excess disagreement is never crossed, and must not use up the limit of combinations.
    _write_crossings(connection, {key: counted for key, counted in combinations.items() if key.kind != "excess"})


def _write(connection: Connection, cells: Mapping[Cell, Tally]) -> None:
    keyed = [(_cell_row(cell), found) for cell, found in sorted(cells.items(), key=itemgetter(0))]
    _add(connection, _ROLLUPS, [key | _sums_row(found) for key, found in keyed])
    _add(
        connection,
        _COUNTS,
        [{**key, "name": name, "n": n} for key, found in keyed for name, n in found.counts.items()],
    )
    _add(
        connection,
        _HISTOGRAMS,
        [
            {**key, "measure": measure, "bucket": bucket, "n": n}
            for key, found in keyed
            for measure, buckets in found.histograms.items()
            for bucket, n in buckets.items()
        ],
    )
    _add(connection, _CONFIDENCE, _confidence_rows(cells))
    _add(connection, _CATALOGUE, _catalogue_rows(cells))


def _confidence_rows(cells: Mapping[Cell, Tally]) -> list[dict[str, Any]]:
    bins: dict[tuple[str, datetime, str, str, str, int], Tally] = {}
    for cell, found in cells.items():
        for number, scores in found.by_confidence.items():
            task, candidate, day = storable_name(cell.task), storable_name(cell.candidate), cell.hour.replace(hour=0)
            tally.tally_at(bins, (task, day, candidate, cell.kind, cell.source, number)).merge(scores)
    names = ("task", "day", "candidate", "kind", "source", "bin")
    return [
        dict(zip(names, key, strict=True)) | _sums_row(scores)
        for key, scores in sorted(bins.items(), key=itemgetter(0))
    ]


def _catalogue_rows(cells: Mapping[Cell, Tally]) -> list[dict[str, Any]]:
    hours: dict[tuple[str, str, str], list[datetime]] = {}
    pairs: Counter[tuple[str, str, str]] = Counter()
    for cell, found in cells.items():
        if (cell.dimension, cell.value) == tally.ALL and cell.kind != "excess":  # excess is not a kind of trial
            key = (storable_name(cell.task), storable_name(cell.candidate), cell.kind)
            hours.setdefault(key, []).append(cell.hour)
            pairs[key] += found.pairs
    return [
        {
            "task": task,
            "candidate": candidate,
            "kind": kind,
            "first_hour": min(seen),
            "last_hour": max(seen),
            "pairs": pairs[task, candidate, kind],
        }
        for (task, candidate, kind), seen in hours.items()
    ]


def _write_crossings(connection: Connection, combinations: Mapping[Combination, Tally]) -> None:
    crossed: dict[Crossing, Tally] = {}
    segments: dict[str, dict[str, str]] = {}
    for combination, counted in combinations.items():
        crossing = _crossing(combination)
        segments[crossing.combination] = dict(combination.segments)
        crossed.setdefault(crossing, Tally()).merge(counted)
    rows = [
        crossing._asdict() | {"segments": segments.get(crossing.combination, {})} | _sums_row(counted)
        for crossing, counted in sorted(_within_limits(connection, crossed).items(), key=itemgetter(0))
    ]
    _add(connection, _CROSSINGS, rows)


def _crossing(combination: Combination) -> Crossing:
    return Crossing(
        storable_name(combination.task),
        combination.hour.replace(hour=0),
        storable_name(combination.candidate),
        combination.kind,
        combination.source,
        blake2b(msgspec.json.encode(combination.segments), digest_size=12).hexdigest(),
    )


def _within_limits(connection: Connection, crossed: Mapping[Crossing, Tally]) -> Mapping[Crossing, Tally]:
    """`crossed`, with the combinations beyond MAX_COMBINATIONS of a task and day counted together."""
    groups: dict[tuple[str, datetime], list[Crossing]] = {}
    for crossing in sorted(crossed):
        groups.setdefault((crossing.task, crossing.day), []).append(crossing)
    kept = dict(crossed)
    known = {(row.task, row.day): row.n for row in connection.execute(_KNOWN_CROSSINGS, _groups_parameters(groups))}
    for group, members in groups.items():
        room = MAX_COMBINATIONS - known.get(group, 0)
        if len(members) <= room:
            continue
        stored = {Crossing(*row) for row in connection.execute(_CROSSINGS_OF, {"task": group[0], "day": group[1]})}
        for crossing in [member for member in members if member not in stored][max(room, 0) :]:
            overflow = crossing._replace(combination=OVERFLOW)
            kept.setdefault(overflow, Tally()).merge(kept.pop(crossing))
    return kept


def _groups_parameters(groups: Iterable[tuple[str, datetime]]) -> dict[str, Any]:
    return {"rows": json_rows.document([{"task": task, "day": day} for task, day in groups])}


def _add(connection: Connection, statement: Any, rows: Sequence[dict[str, Any]]) -> None:
    for part in json_rows.parts([msgspec.json.encode(row) for row in rows], size=len):
        connection.execute(statement, {"rows": json_rows.join(part)})


def _cell_row(cell: Cell) -> dict[str, Any]:
    row = cell._asdict()
    row["task"] = storable_name(cell.task)
    row["candidate"] = storable_name(cell.candidate)
    return row


def _sums_row(found: Tally) -> dict[str, Any]:
    row: dict[str, Any] = {"pairs": found.pairs}
    for measure in MEASURES:
        sums = getattr(found, measure)
        row |= {f"{measure}_{field}": getattr(sums, field) for field in (*SUMS, HEAVIEST)}
    return row


_SUMS: Final = ("pairs", *(f"{measure}_{field}" for measure in MEASURES for field in SUMS))
_LARGEST: Final = {f"{measure}_{HEAVIEST}": func.greatest for measure in MEASURES}
_ROLLUPS: Final = bulk_write.insert_or_add(rollups, *_SUMS, **_LARGEST)
_COUNTS: Final = bulk_write.insert_or_add(rollup_counts, "n")
_HISTOGRAMS: Final = bulk_write.insert_or_add(rollup_histograms, "n")
_CROSSINGS: Final = bulk_write.insert_or_add(crossings, *_SUMS, **_LARGEST)
_CONFIDENCE: Final = bulk_write.insert_or_add(rollup_confidence, *_SUMS, **_LARGEST)
_CATALOGUE: Final = bulk_write.insert_or_add(catalogue, "pairs", first_hour=func.least, last_hour=func.greatest)
_KNOWN_CROSSINGS: Final = text("""
    SELECT task, day, count(*) AS n
    FROM crossings
    JOIN json_to_recordset(CAST(:rows AS json)) AS wanted (task text, day timestamptz) USING (task, day)
    GROUP BY task, day
""")
_CROSSINGS_OF: Final = text(
    "SELECT task, day, candidate, kind, source, combination FROM crossings WHERE task = :task AND day = :day"
)
