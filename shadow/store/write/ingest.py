"""Write what came off the topics: any order, any number of times, one result.

Give every call a transaction of its own, and acknowledge to Kafka only after its commit. All
writers lock rows in one fixed order, and within a table in the order of its key:

    new comparisons, those that give way to an answer, payloads, dead letters · exchanges · ledger ·
    comparisons that were there · rollups, their counts, histograms, catalogue, crossings ·
    capture counts

A second call in one transaction would start that order anew, and deadlocks would follow. That
is why `record` takes everything a batch may hold at once. Who adds an opinion enters this order
late: first rows of `comparisons`, then the rollups. Faults of the database come out as StoreError.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection, func

from shadow.aggregates import counting
from shadow.aggregates.tally import Combination, Tally, tally_at, utc
from shadow.records import CaptureCounts, DeadLetter
from shadow.store.schema import partitions
from shadow.store.schema.engine import explained
from shadow.store.schema.tables import PARTITIONED, capture_counts, comparisons, dead_letters, payloads
from shadow.store.write import bulk_write, excess, outcomes, replace_placeholders, retention_watermark, rollups, rows
from shadow.store.write.outcomes import Key, Outcomes
from shadow.store.write.rows import Arrival, EncodedPair, PairKey, PairRow, Payload, Scored

__all__ = ["Arrival", "Recorded", "record", "record_arrivals", "record_counts", "record_dead_letters", "record_trials"]


class Recorded(NamedTuple):
    """How many were new. An answer to what nobody had been asked for is (see `unanswered`)."""

    trials: int
    dead_letters: int


def record(
    connection: Connection,
    *,
    arrivals: Sequence[Arrival] = (),
    trials: Sequence[Scored] = (),
    letters: Sequence[DeadLetter] = (),
    counts: Sequence[CaptureCounts] = (),
) -> Recorded:
    """Store a batch and count what was new of it into the ledger and every rollup.

    Arrivals enter mirrored exchanges into the ledger, where they are in flight until a scored
    trial or a dead letter says how they ended. UnstorableError, before anything is written,
    names the exchanges of pairs that cannot be stored, or those from before what is kept (see
    `forgotten`): leave those out and send the rest again.
    """
    pairs = rows.encode_pairs(trials)
    with explained(connection.engine.url):
        outcomes.lock(connection, letters=bool(letters))
        retention_watermark.refuse(connection, _events(pairs.values(), arrivals))
        if pairs:
            partitions.ensure(connection, PARTITIONED, (key.at for key in pairs))
        if arrivals:
            partitions.ensure(connection, ("exchanges",), (utc(arrival.at) for arrival in arrivals))
        fresh, taken_back = _insert_pairs(connection, pairs) if pairs else ({}, {})
        new_letters = _insert_letters(connection, letters)
        _outcomes(connection, arrivals, fresh, new_letters).write(connection)
        if fresh:
            counted = _counted(fresh, taken_back)
            rollups.add_combinations(connection, counted | excess.find(connection, fresh))
        _write_counts(connection, counts)
    return Recorded(len(fresh), len(new_letters))


def _events(pairs: Iterable[EncodedPair], arrivals: Sequence[Arrival]) -> Iterator[tuple[str, datetime]]:
    yield from ((pair.trial.exchange.id, pair.row.at) for pair in pairs)
    yield from ((arrival.id, utc(arrival.at)) for arrival in arrivals)


def record_arrivals(connection: Connection, arrivals: Sequence[Arrival]) -> None:
    """`record` arrivals alone."""
    record(connection, arrivals=arrivals)


def record_trials(connection: Connection, scored: Sequence[Scored]) -> int:
    """`record` scored trials alone; the number that were new."""
    return record(connection, trials=scored).trials


def record_dead_letters(connection: Connection, letters: Sequence[DeadLetter]) -> int:
    """`record` dead letters alone; the number that were new."""
    return record(connection, letters=letters).dead_letters


def record_counts(connection: Connection, counts: Sequence[CaptureCounts]) -> None:
    """`record` what capturing processes counted, alone."""
    record(connection, counts=counts)


class CountRow(msgspec.Struct, frozen=True):
    """A row of `capture_counts`."""

    source: str
    task: str
    outcome: str
    n: int
    at: datetime


def _insert_pairs(
    connection: Connection, pairs: Mapping[PairKey, EncodedPair]
) -> tuple[Mapping[PairKey, EncodedPair], Mapping[PairKey, tuple[Combination, Tally]]]:
    """Those of `pairs` that are new, and what was counted of the rows whose place some of them take."""
    new = bulk_write.copy_new(connection, comparisons, PairRow._fields, [pair.row for pair in pairs.values()])
    fresh, gone = pairs, dict[PairKey, tuple[Combination, Tally]]()
    if new is not None:
        gone = replace_placeholders.give_way(connection, {key: pair for key, pair in pairs.items() if key not in new})
        if gone:
            bulk_write.copy(connection, comparisons, PairRow._fields, (pairs[key].row for key in gone))
        fresh = {key: pair for key, pair in pairs.items() if key in new or key in gone}
    # No conflicts to mind: a payload never outlives the comparison it came with.
    names = (*PairKey._fields, *Payload._fields)
    bulk_write.copy(connection, payloads, names, ((*key, *pair.payload) for key, pair in fresh.items()))
    return fresh, gone


def _insert_letters(connection: Connection, letters: Sequence[DeadLetter]) -> list[str]:
    """The ids of the letters that are new."""
    if not letters:
        return []
    document = bulk_write.document([rows.dead_letter_row(letter) for letter in letters])
    return list(connection.execute(_INSERT_LETTERS, {"rows": document}).scalars())


def _outcomes(
    connection: Connection,
    arrivals: Sequence[Arrival],
    fresh: Mapping[PairKey, EncodedPair],
    new_letters: Sequence[str],
) -> Outcomes:
    found = Outcomes()
    for arrival in arrivals:
        found.add(Key(rows.clean(arrival.id), utc(arrival.at)), rows.clean(arrival.task), outcomes.ARRIVED)
    for key, pair in fresh.items():
        found.add(Key(key.exchange_id, key.at), key.task, outcomes.of_pair(pair.trial, pair.comparison))
    found.add_letters(connection, new_letters)
    return found


def _counted(
    fresh: Mapping[PairKey, EncodedPair], taken_back: Mapping[PairKey, tuple[Combination, Tally]]
) -> dict[Combination, Tally]:
    combinations: dict[Combination, Tally] = {}
    for pair in fresh.values():
        counting.count_combination(combinations, pair.trial, pair.comparison, pair.facts)
    for where, counted in taken_back.values():
        tally_at(combinations, where).take(counted)
    return combinations


def _write_counts(connection: Connection, counts: Sequence[CaptureCounts]) -> None:
    # Cumulative, so the largest is the newest, however the snapshots come.
    largest: dict[tuple[str, str, str], tuple[int, datetime]] = {}
    for snapshot in counts:
        for task, counted in snapshot.counts.items():
            for outcome, n in counted.items():
                key = (rows.clean(snapshot.source), rows.clean(task), rows.clean(outcome))
                known, last = largest.get(key, (n, utc(snapshot.at)))
                largest[key] = max(known, n), max(last, utc(snapshot.at))
    if largest:
        found = [CountRow(*key, n, at) for key, (n, at) in largest.items()]
        connection.execute(_COUNTS, {"rows": bulk_write.document(found)})


_INSERT_LETTERS: Final = bulk_write.insert_rows(dead_letters).on_conflict_do_nothing().returning(dead_letters.c.id)
_COUNTS: Final = bulk_write.add_up(capture_counts, n=func.greatest, at=func.greatest)
