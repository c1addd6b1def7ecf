"""One step of the monitor over three weeks with a million comparisons, and catching up with all of them."""

import random
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Engine, text

from consumers import monitor_step
from shadow.devstack.services.postgres import EmbeddedPostgres
from shadow.store.schema import engine, locks, migrate
from shadow.store.schema.tables import HEAVIEST, MEASURES, SUMS
from shadow.store.write import ingest
from tests.support.monitoring import settings_for
from tests.support.services import fresh_database, service_folder
from tests.support.store_samples import START, Scored, exchange, scored

#: Pairs that are ingested; the rollups are then multiplied by `FACTOR`.
PAIRS = 50_000
FACTOR = 20
DAYS = 21
BATCH = 5_000
TASK = "ticket-intent"


def measure() -> list[tuple[str, str, str]]:
    """(what, figure, goal) for each line of the benchmark table."""
    with service_folder("postgres") as folder:
        server = EmbeddedPostgres(folder)
        server.start()
        try:
            with _database(server) as (url, database):
                _fill(database)
                return list(_steps(url, database))
        finally:
            server.stop()


def _steps(url: str, database: Engine) -> Iterator[tuple[str, str, str]]:
    settings = settings_for(url)
    with locks.dedicated_session(database, idle_timeout=timedelta(minutes=5)) as connection:

        def step(now: timedelta) -> tuple[float, monitor_step.StepResult]:
            started = time.perf_counter()
            done = monitor_step.run_step(connection, settings, TASK, {}, now=START + now)
            return time.perf_counter() - started, done

        step(timedelta(days=DAYS - 1, hours=1))
        times = []
        while True:
            seconds, done = step(timedelta(days=DAYS - 1, hours=1, minutes=1))
            times.append(seconds)
            if not done.more:
                break
        yield "catching up with 20 of 21 days, two sources of regret, s", f"{sum(times):.1f}", ""
        yield "the longest step of it, a day's hours, s", f"{max(times):.2f}", "≤ 1"
        hourly = [step(timedelta(days=DAYS - 1, hours=hour, minutes=2)) for hour in range(2, 24)]
        taken = [seconds for seconds, done in hourly if done.hours]
        assert len(taken) > 10
        yield "a step with one more hour of pairs, median / maximum, s", _median_and_max(taken), "≤ 1"
        idle = [step(timedelta(days=DAYS - 1, hours=23, minutes=3 + look))[0] for look in range(10)]
        yield "a step without anything new, median / maximum, s", _median_and_max(idle), ""
    with database.connect() as reading:
        yield "rows of rollups and of counts", " / ".join(_counted(reading)), ""


def _median_and_max(times: list[float]) -> str:
    return f"{statistics.median(times):.3f} / {max(times):.3f}"


def _counted(connection: Connection) -> list[str]:
    tables = ("rollups", "rollup_counts")
    return [f"{connection.execute(text(f'SELECT count(*) FROM {table}')).scalar_one():,}" for table in tables]


def _fill(database: Engine) -> None:
    sys.stderr.write(f"  filling {PAIRS * FACTOR:,} comparisons …\n")
    pairs = list(_pairs())
    for first in range(0, PAIRS, BATCH):
        with engine.transaction(database) as connection:
            ingest.record_trials(connection, pairs[first : first + BATCH])
    sums = [f"{measure}_{field}" for measure in MEASURES for field in SUMS if field != HEAVIEST]
    columns = ", ".join(f"{name} = {FACTOR} * {name}" for name in ("pairs", *sums))
    with database.begin() as connection:
        for statement in (
            f"UPDATE rollups SET {columns}",
            f"UPDATE rollup_counts SET n = {FACTOR} * n",
            f"UPDATE catalogue SET pairs = {FACTOR} * pairs",
            f"UPDATE ledger SET n = {FACTOR} * n",
        ):
            connection.execute(text(statement))
    with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))  # as autovacuum would have by then


def _pairs() -> Iterator[Scored]:
    """Pairs in order of time with three declared dimensions: half have a reference, all a judge's verdict."""
    generator = random.Random(7)
    for number in range(PAIRS):
        asked = exchange(
            number,
            at=START + timedelta(days=DAYS) * number / PAIRS,
            segment={
                "locale": generator.choice(("de", "en", "fr", "es", "it")),
                "plan": generator.choice(("free", "pro")),
                "channel": generator.choice(("web", "app", "mail")),
            },
            judge="frontier" if generator.random() < 0.02 else "tie",
        )
        measures: dict[str, Any] = {"agreement": float(generator.random() < 0.9)}
        if generator.random() < 0.5:
            measures |= {"frontier_correct": 1.0, "candidate_correct": float(generator.random() > 0.02)}
        if generator.random() < 0.1:
            yield scored(exchange=asked, kind="ceiling", candidate="gpt-x", **measures)
        else:
            yield scored(exchange=asked, **measures)


@contextmanager
def _database(server: EmbeddedPostgres) -> Iterator[tuple[str, Engine]]:
    with fresh_database(server) as url:
        migrate.upgrade(url)
        database = engine.connect(url)
        try:
            yield url, database
        finally:
            database.dispose()
