"""Ingest beside a bare COPY of the same rows, and the pages' queries as the exchanges grow a hundredfold."""

import gc
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice

import msgspec
from sqlalchemy import Column, Connection, Engine, MetaData, Table, text

from scoring.compare import compare
from shadow import wire
from shadow.devstack.postgres import EmbeddedPostgres
from shadow.records import Comparison, Exchange, Reply, Trial, Usage
from shadow.settings import Scorer, Task
from shadow.store import (
    engine,
    exchanges,
    ingest,
    ledger,
    migrate,
    outcomes,
    partitions,
    rows,
    staging,
    tables,
    tallies,
)
from tests.services import fresh_database, service_folder

PAIRS = 20_000
ROUNDS = 3
WARM_UP = 6
SIZES = (10_000, 100_000, 1_000_000)
TASK = Task(frontier="gpt-x", candidates=("small-7b",), kind="classification", segments=("locale", "plan", "channel"))
START = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=21)


def measure() -> list[tuple[str, str, str]]:
    """(what, figure, goal) for each line of the benchmark table."""
    with service_folder("postgres") as folder:
        server = EmbeddedPostgres(folder)  # with fsync: a throwaway server would flatter us
        server.start()
        try:
            gc.freeze()  # as a service does once it is up: what was imported is not searched for garbage again
            return [*_ingest(server), *_queries(server)]
        finally:
            gc.unfreeze()
            server.stop()


def _ingest(server: EmbeddedPostgres) -> Iterator[tuple[str, str, str]]:
    values = [wire.encode(trial, source="benchmark").value for trial in _trials(PAIRS, timedelta(days=1))]
    batches = [values[first : first + Scorer().batch] for first in range(0, len(values), Scorer().batch)]
    seconds: dict[str, list[float]] = {"bare": [], "stored": [], "compared": []}
    for _ in range(ROUNDS):  # in turn, so that whatever else the machine does falls on all alike
        seconds["bare"].append(_timed(server, _copy, batches))
        seconds["stored"].append(_timed(server, _store, batches))
        seconds["compared"].append(_timed(server, _compare_and_store, batches))
    bare, stored, compared = (statistics.median(found) for found in seconds.values())
    yield "bare decode + COPY of the same columns, pairs a second", f"{1 / bare:,.0f}", ""
    yield "decode + ingest (rows, rollups, ledger), pairs a second", f"{1 / stored:,.0f}", ""
    yield "decode + compare + ingest, pairs a second", f"{1 / compared:,.0f}", ""
    yield "ingest beside bare COPY", f"{bare / stored:.2f}", "≥ 0.4"


def _timed(
    server: EmbeddedPostgres,
    write: Callable[[Engine, Sequence[Sequence[bytes]]], None],
    batches: Sequence[Sequence[bytes]],
) -> float:
    """Seconds a pair."""
    with _database(server) as database:
        with database.begin() as connection:  # the days' partitions are not part of either
            partitions.ensure(connection, ("comparisons", "payloads", "exchanges"), [START, START + timedelta(days=1)])
            _BARE.create(connection)
        write(database, batches[:WARM_UP])  # statements get compiled and prepared
        begun = time.perf_counter()
        write(database, batches[WARM_UP:])
        return (time.perf_counter() - begun) / sum(map(len, batches[WARM_UP:]))


def _store(database: Engine, batches: Sequence[Sequence[bytes]]) -> None:
    agrees = Comparison(scorer="label", agreement=1.0)
    for batch in batches:
        scored = [(wire.decode(Trial, value), agrees) for value in batch]
        with engine.transaction(database) as connection:
            ingest.record_trials(connection, scored)


def _compare_and_store(database: Engine, batches: Sequence[Sequence[bytes]]) -> None:
    for batch in batches:
        trials = [wire.decode(Trial, value) for value in batch]
        scored = [(trial, compare(trial, TASK)) for trial in trials]
        with engine.transaction(database) as connection:
            ingest.record_trials(connection, scored)


def _copy(database: Engine, batches: Sequence[Sequence[bytes]]) -> None:
    """The least anybody could do: decode, and COPY the same columns into a table without an index."""
    for batch in batches:
        with database.begin() as connection:
            staging.copy(
                connection, _BARE, _BARE.columns.keys(), (_columns(wire.decode(Trial, value)) for value in batch)
            )


#: The columns of both tables, each once.
_BARE = Table(
    "bare",
    MetaData(),
    *(Column(name, tables.comparisons.c[name].type) for name in rows.PairRow._fields),
    *(Column(name, tables.payloads.c[name].type) for name in rows.Payload._fields),
)


def _columns(trial: Trial) -> tuple[object, ...]:
    exchange, reply = trial.exchange, trial.reply
    encode = msgspec.json.encode
    return (
        exchange.task,
        exchange.at,
        exchange.id,
        trial.kind,
        trial.candidate,
        trial.at,
        exchange.segment,
        trial.inclusion_probability,
        "label",
        1.0,
        None,
        None,
        None,
        None,
        None,
        None,
        exchange.reply.failure,
        reply.failure,
        exchange.reply.latency_ms,
        reply.latency_ms,
        exchange.reply.cost_usd,
        reply.cost_usd,
        None,
        None,
        None,
        None,
        None,
        None,
        encode(exchange),
        encode(reply),
        b"{}",
    )


def _trials(n: int, span: timedelta) -> Iterator[Trial]:
    """Pairs as a scorer meets them: in order of time, three declared dimensions, questions of some length."""
    chance = random.Random(7)
    labels = ("delivery", "refund", "invoice", "complaint", "other")
    words = ("my", "parcel", "did", "not", "arrive", "and", "the", "invoice", "is", "wrong", "please", "help")
    for number in range(n):
        label = chance.choice(labels)
        at = START + span * number / n
        exchange = Exchange(
            id=f"{number:016x}-{chance.getrandbits(64):016x}",
            task="ticket-intent",
            at=at,
            request={
                "model": "gpt-x",
                "temperature": 0,
                "messages": [
                    {"role": "system", "content": "Classify the customer's message. " * 10},
                    {"role": "user", "content": " ".join(chance.choices(words, k=chance.randrange(8, 120)))},
                ],
            },
            reply=Reply(
                model="gpt-x",
                content=label,
                finish_reason="stop",
                usage=Usage(prompt_tokens=120, completion_tokens=2),
                latency_ms=chance.lognormvariate(6, 0.4),
                cost_usd=0.0011,
            ),
            segment={
                "locale": chance.choice(("de", "en", "fr", "es", "it")),
                "plan": chance.choice(("free", "pro")),
                "channel": chance.choice(("web", "app", "mail")),
            },
        )
        yield Trial(
            exchange=exchange,
            kind="shadow",
            candidate="small-7b",
            reply=Reply(
                model="small-7b",
                content=label if chance.random() < 0.9 else chance.choice(labels),
                finish_reason="stop",
                usage=Usage(prompt_tokens=118, completion_tokens=2),
                latency_ms=chance.lognormvariate(4.5, 0.3),
                cost_usd=0.00004,
            ),
            at=at + timedelta(seconds=2),
        )


def _queries(server: EmbeddedPostgres) -> Iterator[tuple[str, str, str]]:
    figures: dict[str, list[float]] = {}
    with _database(server) as database:
        for size in SIZES:
            _grow_to(database, size)
            for name, ask in _QUESTIONS.items():
                figures.setdefault(name, []).append(_milliseconds(database, ask))
    sizes = " / ".join(f"{size:,}" for size in SIZES)
    for name, times in figures.items():
        figure = " / ".join(f"{each:.0f}" for each in times)
        yield f"{name}, ms at {sizes} exchanges in three weeks", figure, "flat"


_QUESTIONS: dict[str, Callable[[Connection], object]] = {
    "overview: totals, histograms and ledger of every task": lambda connection: (
        tallies.read(connection, since=START, dimension="all", per="window"),
        ledger.read(connection),
    ),
    "segments of a task": lambda connection: tallies.read(
        connection, task="ticket-intent", since=START, per="window", histograms=False
    ),
    "a task by hour of the week": lambda connection: tallies.read(
        connection, task="ticket-intent", since=START, dimension="all", per="hour_of_week", histograms=False
    ),
    "a task by day, every segment": lambda connection: tallies.read(
        connection, task="ticket-intent", since=START, per="day", histograms=False
    ),
    "two dimensions crossed": lambda connection: tallies.crossing(
        connection, task="ticket-intent", candidate="small-7b", dimensions=("locale", "plan"), since=START
    ),
    "the 50 newest disagreements": lambda connection: exchanges.find(
        connection, task="ticket-intent", max_agreement=0.5, limit=50
    ),
    "a page of them from the middle, in one segment": lambda connection: exchanges.find(
        connection,
        task="ticket-intent",
        max_agreement=0.5,
        segment={"locale": "de"},
        before=exchanges.Cursor(START + timedelta(days=10), "", "", ""),
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
        scored = ((trial, compare(trial, TASK)) for trial in _trials(size, timedelta(days=21)))
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
    _copies("exchanges", outcomes.Row.__struct_fields__),
    _copies("comparisons", rows.PairRow._fields),
    # Pages show the newest; nobody reads the other payloads here.
    _copies("payloads", (*rows.PairKey._fields, *rows.Payload._fields), _NEWEST),
    "UPDATE rollups SET pairs = 10 * pairs, agreement_n = 10 * agreement_n, agreement_total = 10 * agreement_total",
    "UPDATE rollup_counts SET n = 10 * n",
    "UPDATE rollup_histograms SET n = 10 * n",
    "UPDATE crossings SET pairs = 10 * pairs, agreement_n = 10 * agreement_n, agreement_total = 10 * agreement_total",
    "UPDATE ledger SET n = 10 * n",
)


def _milliseconds(database: Engine, ask: Callable[[Connection], object]) -> float:
    """Median of a few runs, the first of which does not count."""
    times = []
    for _ in range(6):
        begun = time.perf_counter()
        with engine.snapshot(database) as connection:
            ask(connection)
        times.append(1_000 * (time.perf_counter() - begun))
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
