"""Write batches of messages. Messages may come in any order and any number of times; the result is the same.

Use one transaction per call, and commit Kafka's offsets only after its commit. All writers lock
rows in one fixed order, and within a table in the order of its key:

    new comparisons, placeholders that they replace, payloads, dead letters · exchanges · ledger ·
    comparisons that were there · rollups, their counts, histograms, confidence, catalogue, crossings ·
    capture counts

A second call in the same transaction would start that order again and could deadlock. That is why
`record` takes all kinds of messages at once. `feedback` joins this order late: it locks rows of
`comparisons` first, and then the rollups. Errors of the database are raised as StoreError.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection, func

from shadow.aggregates import counting
from shadow.aggregates.tally import Combination, Tally, tally_at, utc
from shadow.records import CaptureCounts, DeadLetter
from shadow.store.rows import json_rows
from shadow.store.rows.encode import (
    Arrival,
    EncodedPair,
    PairRow,
    Payload,
    Scored,
    dead_letter_row,
    pair_rows,
    payload_rows,
    unique_pairs,
)
from shadow.store.rows.names import PairKey, storable_name
from shadow.store.rows.outcome import ARRIVED, outcome_of_pair
from shadow.store.schema import locks, partitions
from shadow.store.schema.engine import explained
from shadow.store.schema.tables import PARTITIONED, capture_counts, comparisons, dead_letters, payloads
from shadow.store.write import bulk_write, excess, replace_placeholders, retention_watermark, rollups
from shadow.store.write.outcomes import Key, Outcomes

__all__ = ["Arrival", "Recorded", "record", "record_arrivals", "record_counts", "record_dead_letters", "record_trials"]


class Recorded(NamedTuple):
    """Numbers of new rows. A pair that replaces a placeholder is new (see `replace_placeholders`)."""

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
    """Store a batch, and count what is new in it into the ledger and every rollup.

    An arrival enters its exchange into the ledger, as in flight until a scored trial or a dead letter
    shows how it ended. Raises UnstorableError, with the ids of exchanges whose pairs cannot be stored, or
    that are from before the retention watermark: roll the transaction back, leave those out and send the
    rest again.
    """
    pairs = unique_pairs(trials)
    with explained(connection.engine.url):
        locks.lock_until_commit(connection, locks.DEAD_LETTERS, shared=not letters)
        retention_watermark.refuse_older(connection, _events(pairs, arrivals))
        if pairs:
            partitions.ensure(connection, PARTITIONED, (key.at for key in pairs))
        if arrivals:
            partitions.ensure(connection, ("exchanges",), (utc(arrival.at) for arrival in arrivals))
        outcomes, counted = Outcomes(), dict[Combination, Tally]()
        _add_arrivals(outcomes, arrivals)
        new = _insert_pairs(connection, pairs, outcomes, counted) if pairs else {}
        new_letters = _insert_letters(connection, letters)
        outcomes.add_letters(connection, new_letters)
        outcomes.write(connection)
        if new:
            rollups.add_combinations(connection, counted | excess.find(connection, new))
        _write_counts(connection, counts)
    return Recorded(len(new), len(new_letters))


def _events(pairs: Mapping[PairKey, Scored], arrivals: Sequence[Arrival]) -> Iterator[tuple[str, datetime]]:
    yield from ((trial.exchange.id, key.at) for key, (trial, _) in pairs.items())
    yield from ((arrival.id, utc(arrival.at)) for arrival in arrivals)


def record_arrivals(connection: Connection, arrivals: Sequence[Arrival]) -> None:
    """`record` arrivals alone."""
    record(connection, arrivals=arrivals)


def record_trials(connection: Connection, scored: Sequence[Scored]) -> int:
    """`record` scored trials alone; returns the number of new ones."""
    return record(connection, trials=scored).trials


def record_dead_letters(connection: Connection, letters: Sequence[DeadLetter]) -> int:
    """`record` dead letters alone; returns the number of new ones."""
    return record(connection, letters=letters).dead_letters


def record_counts(connection: Connection, counts: Sequence[CaptureCounts]) -> None:
    """`record` the counts of capturing processes alone."""
    record(connection, counts=counts)


class CountRow(msgspec.Struct, frozen=True):
    """A row of `capture_counts`."""

    source: str
    task: str
    outcome: str
    n: int
    at: datetime


def _insert_pairs(
    connection: Connection,
    pairs: Mapping[PairKey, Scored],
    outcomes: Outcomes,
    counted: dict[Combination, Tally],
) -> Mapping[PairKey, EncodedPair]:
    """Insert the new ones of `pairs`, add their outcomes to `outcomes`, and count them into `counted`; returns them."""
    encoded: dict[PairKey, EncodedPair] = {}
    new, replaced = encoded, dict[PairKey, tuple[Combination, Tally]]()
    if not bulk_write.copy_if_all_new(connection, comparisons, PairRow._fields, pair_rows(pairs, encoded)):
        inserted = bulk_write.copy_missing(connection, comparisons, PairRow._fields, pair_rows(pairs, encoded))
        known = {key: pair for key, pair in encoded.items() if key not in inserted}
        replaced = replace_placeholders.delete_placeholders(connection, known)
        if replaced:
            bulk_write.copy(connection, comparisons, PairRow._fields, (encoded[key].row for key in replaced))
        new = {key: pair for key, pair in encoded.items() if key in inserted or key in replaced}
    # There can be no conflicts: a payload never stays longer than its comparison.
    rows = payload_rows(_while_counting(new, outcomes, counted))
    bulk_write.copy(connection, payloads, (*PairKey._fields, *Payload._fields), rows)
    for where, before in replaced.values():
        tally_at(counted, where).subtract(before)
    return new


def _while_counting(
    pairs: Mapping[PairKey, EncodedPair], outcomes: Outcomes, counted: dict[Combination, Tally]
) -> Iterator[tuple[PairKey, EncodedPair]]:
    """`pairs`, each counted when it is taken: PostgreSQL writes payloads meanwhile, which takes it as long."""
    counter = counting.PairCounter(counted)
    for key, pair in pairs.items():
        trial, comparison, facts, _ = pair
        counter.add((trial, comparison, facts))
        outcomes.add(Key(key.exchange_id, key.at), key.task, outcome_of_pair(trial, comparison))
        yield key, pair
    counter.finish()


def _insert_letters(connection: Connection, letters: Sequence[DeadLetter]) -> list[str]:
    """Insert the letters; returns the ids of the new ones."""
    if not letters:
        return []
    document = json_rows.document([dead_letter_row(letter) for letter in letters])
    return list(connection.execute(_INSERT_LETTERS, {"rows": document}).scalars())


def _add_arrivals(outcomes: Outcomes, arrivals: Sequence[Arrival]) -> None:
    for arrival in arrivals:
        outcomes.add(Key(storable_name(arrival.id), utc(arrival.at)), storable_name(arrival.task), ARRIVED)


def _write_counts(connection: Connection, counts: Sequence[CaptureCounts]) -> None:
    # Counts are cumulative: the largest is the newest, in whatever order the snapshots come.
    largest: dict[tuple[str, str, str], tuple[int, datetime]] = {}
    for snapshot in counts:
        for task, counted in snapshot.counts.items():
            for outcome, n in counted.items():
                key = (storable_name(snapshot.source), storable_name(task), storable_name(outcome))
                known, last = largest.get(key, (n, utc(snapshot.at)))
                largest[key] = max(known, n), max(last, utc(snapshot.at))
    if largest:
        found = [CountRow(*key, n, at) for key, (n, at) in largest.items()]
        connection.execute(_COUNTS, {"rows": json_rows.document(found)})


_INSERT_LETTERS: Final = bulk_write.insert_rows(dead_letters).on_conflict_do_nothing().returning(dead_letters.c.id)
_COUNTS: Final = bulk_write.insert_or_add(capture_counts, n=func.greatest, at=func.greatest)
