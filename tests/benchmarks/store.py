"""Ingest beside a bare COPY of the same rows, and the pages' queries over a hundred times as many exchanges."""

import gc
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice

from sqlalchemy import Connection, Engine, text

from scoring.compare import compare
from shadow import wire
from shadow.devstack.services.postgres import EmbeddedPostgres
from shadow.garbage_collection import collect_less_often
from shadow.records import Comparison, Trial
from shadow.settings import ScorerSettings
from shadow.store.read import ledger, rollup_reads
from shadow.store.read import pairs as stored_pairs
from shadow.store.rows import encode, names
from shadow.store.schema import engine, migrate, partitions, tables
from shadow.store.write import ingest
from tests.benchmarks._pairs import BARE, START, TASK, copy_bare, copy_bare_as_text, trials
from tests.support.services import fresh_database, service_folder

PAIRS = 40_000
ROUNDS = 3
#: Batches before the timed ones.
WARM_UP = 2
SIZES = (10_000, 100_000, 1_000_000)


def measure() -> list[tuple[str, str, str]]:
    """(what, figure, goal) for each line of the benchmark table."""
    with service_folder("postgres") as folder:
        server = EmbeddedPostgres(folder)  # with fsync: without it, ingest would look faster than it is
        server.start()
        thresholds = gc.get_threshold()
        try:
            collect_less_often()  # as every service does once it is up
            return [*_ingest(server), *_queries(server)]
        finally:
            gc.unfreeze()
            gc.set_threshold(*thresholds)
            server.stop()


def _ingest(server: EmbeddedPostgres) -> Iterator[tuple[str, str, str]]:
    values = [wire.encode(trial, source="benchmark").value for trial in trials(PAIRS, timedelta(days=1))]
    batches = [
        values[first : first + ScorerSettings().batch] for first in range(0, len(values), ScorerSettings().batch)
    ]
    seconds: dict[str, list[float]] = {"text": [], "bare": [], "stored": [], "compared": []}
    for _ in range(ROUNDS):  # taking turns, so that other load on the machine affects all alike
        seconds["text"].append(_timed(server, copy_bare_as_text, batches))
        seconds["bare"].append(_timed(server, copy_bare, batches))
        seconds["stored"].append(_timed(server, _store, batches))
        seconds["compared"].append(_timed(server, _compare_and_store, batches))
    as_text, bare, stored, compared = (statistics.median(found) for found in seconds.values())
    yield "bare decode + COPY of the same columns as text, pairs a second", f"{1 / as_text:,.0f}", ""
    yield "bare decode + COPY of them in binary, as ingest does it, pairs a second", f"{1 / bare:,.0f}", ""
    yield "decode + ingest (rows, rollups, ledger), pairs a second", f"{1 / stored:,.0f}", ""
    yield "decode + compare + ingest, pairs a second", f"{1 / compared:,.0f}", ""
    yield "ingest beside bare COPY as text", f"{as_text / stored:.2f}", "≥ 0.5"
    yield "ingest beside bare COPY in binary", f"{bare / stored:.2f}", "≥ 0.4"


def _timed(
    server: EmbeddedPostgres,
    write: Callable[[Engine, Sequence[Sequence[bytes]]], None],
    batches: Sequence[Sequence[bytes]],
) -> float:
    """Seconds a pair."""
    with _database(server) as database:
        with database.begin() as connection:  # the days' partitions are not part of either
            partitions.ensure(connection, ("comparisons", "payloads", "exchanges"), [START, START + timedelta(days=1)])
            BARE.create(connection)
        write(database, batches[:WARM_UP])  # statements get compiled and prepared
        started = time.perf_counter()
        write(database, batches[WARM_UP:])
        return (time.perf_counter() - started) / sum(map(len, batches[WARM_UP:]))


def _store(database: Engine, batches: Sequence[Sequence[bytes]]) -> None:
    agrees = Comparison(scorer="label", agreement=1.0)
    for batch in batches:
        scored = [(wire.decode(Trial, value), agrees) for value in batch]
        with engine.transaction(database) as connection:
            ingest.record_trials(connection, scored)


def _compare_and_store(database: Engine, batches: Sequence[Sequence[bytes]]) -> None:
    for batch in batches:
        decoded = [wire.decode(Trial, value) for value in batch]
        scored = [(trial, compare(trial, TASK)) for trial in decoded]
        with engine.transaction(database) as connection:
            ingest.record_trials(connection, scored)


def _queries(server: EmbeddedPostgres) -> Iterator[tuple[str, str, str]]:
    figures: dict[str, list[float]] = {}
    with _database(server) as database:
        for size in SIZES:
            _grow_to(database, size)
            for name, query in _QUERIES.items():
                figures.setdefault(name, []).append(_milliseconds(database, query))
    sizes = " / ".join(f"{size:,}" for size in SIZES)
    for name, times in figures.items():
        figure = " / ".join(f"{each:.0f}" for each in times)
        yield f"{name}, ms at {sizes} exchanges in three weeks", figure, "flat"


_QUERIES: dict[str, Callable[[Connection], object]] = {
    "overview: totals, histograms and ledger of every task": lambda connection: (
        rollup_reads.read(connection, since=START, dimension="all", per="window"),
        ledger.read(connection),
    ),
    "segments of a task": lambda connection: rollup_reads.read(
        connection, task="ticket-intent", since=START, per="window", histograms=False
    ),
    "a task by hour of the week": lambda connection: rollup_reads.read(
        connection, task="ticket-intent", since=START, dimension="all", per="hour_of_week", histograms=False
    ),
    "a task by day, every segment": lambda connection: rollup_reads.read(
        connection, task="ticket-intent", since=START, per="day", histograms=False
    ),
    "two dimensions crossed": lambda connection: rollup_reads.crossing(
        connection, task="ticket-intent", candidate="small-7b", dimensions=("locale", "plan"), since=START
    ),
    "the 50 newest disagreements": lambda connection: stored_pairs.find(
        connection, task="ticket-intent", max_agreement=0.5, limit=50
    ),
    "a page of them from the middle, in one segment": lambda connection: stored_pairs.find(
        connection,
        task="ticket-intent",
        max_agreement=0.5,
        segment={"locale": "de"},
        before=stored_pairs.Cursor(START + timedelta(days=10), "", "", ""),
    ),
}


def _grow_to(database: Engine, size: int) -> None:
    """Fill three weeks with `size` exchanges.

    The largest size is ten times what is there, copied inside the database: rows with ids of
    their own, and rollups with ten times the counts.
    """
    sys.stderr.write(f"  filling {size:,} exchanges …\n")
    if size < SIZES[-1]:
        with engine.transaction(database) as connection:
            connection.execute(text("TRUNCATE exchanges, comparisons, payloads, rollups, rollup_counts, ledger"))
            connection.execute(text("TRUNCATE rollup_histograms, crossings, catalogue"))
        scored = ((trial, compare(trial, TASK)) for trial in trials(size, timedelta(days=21)))
        for _ in range(0, size, 5_000):
            with engine.transaction(database) as connection:
                ingest.record_trials(connection, list(islice(scored, 5_000)))
    else:
        with database.begin() as connection:
            for statement in _TENFOLD:
                connection.execute(text(statement))
    with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))  # as autovacuum would have by then


def _copies(table: str, names: Sequence[str], condition: str = "true") -> str:
    """Nine more of each row, moments later and under other ids."""
    changed = {
        "at": "at + copy * interval '1 ms'",
        "id": "id || '-' || copy",
        "exchange_id": "exchange_id || '-' || copy",
    }
    values = ", ".join(changed.get(name, name) for name in names)
    return (
        f"INSERT INTO {table} ({', '.join(names)})"
        f" SELECT {values} FROM {table}, generate_series(1, 9) AS copy WHERE {condition}"
    )


_NEWEST = f"at > '{(START + timedelta(days=20)).isoformat()}'"
_TENFOLD = (
    "SET LOCAL statement_timeout = 0",
    _copies("exchanges", tables.exchanges.columns.keys()),
    _copies("comparisons", encode.PairRow._fields),
    # Pages show the newest pairs; the queries read no other payloads.
    _copies("payloads", (*names.PairKey._fields, *encode.Payload._fields), _NEWEST),
    "UPDATE rollups SET pairs = 10 * pairs, agreement_n = 10 * agreement_n, agreement_total = 10 * agreement_total",
    "UPDATE rollup_counts SET n = 10 * n",
    "UPDATE rollup_histograms SET n = 10 * n",
    "UPDATE crossings SET pairs = 10 * pairs, agreement_n = 10 * agreement_n, agreement_total = 10 * agreement_total",
    "UPDATE ledger SET n = 10 * n",
)


def _milliseconds(database: Engine, query: Callable[[Connection], object]) -> float:
    """The median of five runs, after one that is not counted."""
    times = []
    for _ in range(6):
        started = time.perf_counter()
        with engine.snapshot(database) as connection:
            query(connection)
        times.append(1_000 * (time.perf_counter() - started))
    return statistics.median(times[1:])


@contextmanager
def _database(server: EmbeddedPostgres) -> Iterator[Engine]:
    with fresh_database(server) as url:
        migrate.upgrade(url)
        database = engine.connect(url)
        try:
            yield database
        finally:
            database.dispose()
