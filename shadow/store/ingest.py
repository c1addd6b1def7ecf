"""Write what came off the topics: any order, any number of times, one result.

Give every call a transaction of its own, and acknowledge to Kafka only after its commit. All
writers lock rows in one fixed order, table after table; a second call in one transaction would
start that order anew, and deadlocks would follow. That is why `record` takes everything a
batch may hold at once. Faults of the database come out as StoreError.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, Select, and_, func, select
from sqlalchemy.dialects.postgresql import insert

from shadow.records import CaptureCounts, DeadLetter
from shadow.store import outcomes, partitions, rollups, rows, staging
from shadow.store.engine import explained
from shadow.store.outcomes import Key, Outcomes
from shadow.store.rows import Arrival, Scored
from shadow.store.tables import PARTITIONED, capture_counts, comparisons, dead_letters, payloads
from shadow.tally import utc

__all__ = ["Arrival", "Recorded", "record", "record_arrivals", "record_counts", "record_dead_letters", "record_trials"]


class Recorded(NamedTuple):
    """How many were new."""

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
    trial or a dead letter says how they ended. UnstorableError, before the database is touched,
    names the exchanges of pairs that cannot be stored: leave those out and send the rest again.
    """
    # A model that was asked again after a crash answers anew: the first answer is the one that counts.
    pairs = {_pair_key(pair): pair for pair in reversed(trials)}
    in_key_order = sorted(pairs)
    encoded = rows.encode_pairs([pairs[key] for key in in_key_order])
    with explained(connection.engine.url):
        outcomes.lock(connection, letters=bool(letters))
        if pairs:
            partitions.ensure(connection, PARTITIONED, (key.at for key in in_key_order))
        if arrivals:
            partitions.ensure(connection, ("exchanges",), (utc(arrival.at) for arrival in arrivals))
        fresh = [
            pairs[PairKey(*row)]
            for document in staging.documents(encoded)
            for row in connection.execute(_INSERT_PAIRS, {"rows": document})
        ]
        new_letters = _insert_letters(connection, letters)
        _outcomes(connection, arrivals, fresh, new_letters).write(connection)
        if fresh:
            rollups.add(connection, fresh)
        _write_counts(connection, counts)
    return Recorded(len(fresh), len(new_letters))


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


class PairKey(NamedTuple):
    """The primary key of `comparisons` and `payloads`."""

    task: str
    at: datetime
    exchange_id: str
    kind: str
    candidate: str


class CountRow(msgspec.Struct, frozen=True):
    """A row of `capture_counts`."""

    source: str
    task: str
    outcome: str
    n: int
    at: datetime


def _pair_key(pair: Scored) -> PairKey:
    trial, _ = pair
    exchange = trial.exchange
    return PairKey(
        rows.clean(exchange.task), utc(exchange.at), rows.clean(exchange.id), trial.kind, rows.clean(trial.candidate)
    )


def _insert_letters(connection: Connection, letters: Sequence[DeadLetter]) -> list[str]:
    """The ids of the letters that are new."""
    if not letters:
        return []
    document = staging.document([rows.dead_letter_row(letter) for letter in letters])
    return list(connection.execute(_INSERT_LETTERS, {"rows": document}).scalars())


def _outcomes(
    connection: Connection, arrivals: Sequence[Arrival], fresh: Sequence[Scored], new_letters: Sequence[str]
) -> Outcomes:
    found = Outcomes()
    for arrival in arrivals:
        found.add(Key(rows.clean(arrival.id), utc(arrival.at)), rows.clean(arrival.task), outcomes.ARRIVED)
    for pair in fresh:
        key, outcome = _pair_key(pair), outcomes.of_pair(*pair)
        found.add(Key(key.exchange_id, key.at), key.task, outcome)
    found.add_letters(connection, new_letters)
    return found


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
        connection.execute(_COUNTS, {"rows": staging.document(found)})


def _insert_pairs() -> Select[Any]:
    """Insert the staged pairs that are new, each with its payload; gives their keys."""
    texts = [column for column in payloads.columns if not column.primary_key]
    pairs = select(staging.staged(*comparisons.columns, *texts)).cte("pairs")
    key = [column.name for column in comparisons.primary_key.columns]
    names = list(comparisons.columns.keys())
    fresh = (
        insert(comparisons)
        .from_select(names, select(*(pairs.c[name] for name in names)).order_by(*(pairs.c[name] for name in key)))
        .on_conflict_do_nothing()
        .returning(*comparisons.primary_key.columns)
        .cte("fresh")
    )
    names = list(payloads.columns.keys())
    same = and_(*(pairs.c[name] == fresh.c[name] for name in key))
    kept = (
        insert(payloads)
        .from_select(names, select(*(pairs.c[name] for name in names)).join(fresh, same))
        .on_conflict_do_nothing()
        .cte("kept")
    )
    return select(fresh).add_cte(kept)


_INSERT_PAIRS: Final = _insert_pairs()
_INSERT_LETTERS: Final = staging.insert_rows(dead_letters).on_conflict_do_nothing().returning(dead_letters.c.id)
_COUNTS: Final = staging.add_up(capture_counts, n=func.greatest, at=func.greatest)
