"""Write what came off the topics: any order, any number of times, one result.

One call writes one batch inside the caller's transaction; acknowledge to Kafka only after its
commit. Give every call a transaction of its own: writers lock rows in one fixed order, which
two calls in one transaction would break, and deadlocks would follow. Faults of the database
come out as StoreError.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Select, and_, func, select
from sqlalchemy.dialects.postgresql import insert

from shadow.records import CaptureCounts, DeadLetter
from shadow.store import outcomes, partitions, rollups, rows, staging
from shadow.store.engine import explained
from shadow.store.outcomes import Key, Outcome
from shadow.store.rows import Arrival, Scored
from shadow.store.tables import PARTITIONED, capture_counts, comparisons, dead_letters, payloads
from shadow.tally import utc

__all__ = ["Arrival", "record_arrivals", "record_counts", "record_dead_letters", "record_trials"]


def record_arrivals(connection: Connection, arrivals: Sequence[Arrival]) -> None:
    """Enter mirrored exchanges into the ledger; until more is known they are in flight."""
    found = {
        Key(rows.clean(arrival.id), utc(arrival.at)): (rows.clean(arrival.task), outcomes.ARRIVED)
        for arrival in arrivals
    }
    if not found:
        return
    with explained(connection.engine.url):
        outcomes.share_lock(connection)
        partitions.ensure(connection, ("exchanges",), (key.at for key in found))
        outcomes.record(connection, found)


def record_trials(connection: Connection, scored: Sequence[Scored]) -> int:
    """Store scored pairs and count them into every rollup; the number that were new.

    UnstorableError, before the database is touched, names the exchanges of pairs that cannot
    be stored: leave those out and send the rest again.
    """
    if not scored:
        return 0
    encoded = rows.encode_pairs(scored)
    keys = [_pair_key(pair) for pair in scored]
    with explained(connection.engine.url):
        outcomes.share_lock(connection)
        partitions.ensure(connection, PARTITIONED, (key[1] for key in keys))
        new = {
            tuple(row)
            for document in staging.documents(row for _, row in sorted(zip(keys, encoded, strict=True)))
            for row in connection.execute(_INSERT_PAIRS, {"rows": document})
        }
        fresh = {key: pair for key, pair in zip(keys, scored, strict=True) if key in new}
        if fresh:
            outcomes.record(connection, _best_outcomes(list(fresh.values())))
            rollups.add(connection, list(fresh.values()))
    return len(fresh)


def record_dead_letters(connection: Connection, letters: Sequence[DeadLetter]) -> int:
    """Keep dead letters, and end the exchanges they are about; the number that were new."""
    if not letters:
        return 0
    document = staging.document([rows.dead_letter_row(letter) for letter in letters])
    with explained(connection.engine.url):
        outcomes.own_lock(connection)
        new = connection.execute(_INSERT_LETTERS, {"rows": document}).scalars().all()
        if new:
            outcomes.dead_lettered(connection, sorted(set(new)))
    return len(new)


def record_counts(connection: Connection, counts: Sequence[CaptureCounts]) -> None:
    """Keep each capturing process's newest counts. They are cumulative, so the largest is the newest."""
    largest: dict[tuple[str, str, str], tuple[int, datetime]] = {}
    for snapshot in counts:
        for task, outcomes_of_task in snapshot.counts.items():
            for outcome, n in outcomes_of_task.items():
                key = (rows.clean(snapshot.source), rows.clean(task), rows.clean(outcome))
                known, last = largest.get(key, (n, utc(snapshot.at)))
                largest[key] = max(known, n), max(last, utc(snapshot.at))
    if largest:
        counted = [CountRow(*key, n, at) for key, (n, at) in largest.items()]
        with explained(connection.engine.url):
            connection.execute(_COUNTS, {"rows": staging.document(counted)})


class CountRow(msgspec.Struct, frozen=True):
    """A row of `capture_counts`."""

    source: str
    task: str
    outcome: str
    n: int
    at: datetime


def _best_outcomes(scored: Iterable[Scored]) -> dict[Key, tuple[str, Outcome]]:
    best: dict[Key, tuple[str, Outcome]] = {}
    for trial, comparison in scored:
        exchange, outcome = trial.exchange, outcomes.of_pair(trial, comparison)
        key = Key(rows.clean(exchange.id), utc(exchange.at))
        if key not in best or outcome > best[key][1]:
            best[key] = rows.clean(exchange.task), outcome
    return best


def _pair_key(pair: Scored) -> tuple[str, datetime, str, str, str]:
    """The primary key of `comparisons` and `payloads`."""
    trial, _ = pair
    exchange = trial.exchange
    return (
        rows.clean(exchange.task),
        utc(exchange.at),
        rows.clean(exchange.id),
        trial.kind,
        rows.clean(trial.candidate),
    )


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
_INSERT_LETTERS: Final = staging.insert_new(dead_letters).returning(dead_letters.c.id)
_COUNTS: Final = staging.add_up(capture_counts, n=func.greatest, at=func.greatest)
