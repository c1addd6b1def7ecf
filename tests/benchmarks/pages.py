"""The dashboard's pages over three weeks of one task, a million comparisons: with empty caches, and with warm ones."""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import streamlit as st
from sqlalchemy import text
from streamlit.logger import set_log_level
from streamlit.testing.v1 import AppTest

from shadow.devstack.services.postgres import EmbeddedPostgres
from shadow.garbage_collection import collect_less_often
from shadow.settings import CONFIG_VARIABLE
from shadow.store.schema import engine, migrate
from shadow.store.schema.tables import HEAVIEST, MEASURES, SUMS
from tests.browser import seed, world
from tests.support.services import fresh_database, service_folder

#: Pairs that are ingested, half of them of the task shown; the rollups are then multiplied by `FACTOR`.
PAIRS = 50_000
FACTOR = 40
ROUNDS = 5

#: What a reader opens: page, query parameters, and the goal in seconds.
PAGES = {
    "Regret, by day": ("regret", {}, "≤ 1"),
    "Regret, by hour": ("regret", {"per": "hour"}, "≤ 1"),
    "Segments": ("segments", {}, ""),
    "Shift, mixes and numbers": ("shift", {"window": "7 d"}, ""),
    "Overview, every task": ("overview", {}, ""),
}


def measure() -> list[tuple[str, str, str]]:
    """(what, figure, goal) for each line of the benchmark table."""
    with service_folder("postgres") as folder, tempfile.TemporaryDirectory() as scratch:
        server = EmbeddedPostgres(folder)
        server.start()
        try:
            with fresh_database(server) as url:
                migrate.upgrade(url)
                _fill(url)
                file = Path(scratch) / "shadow.toml"
                file.write_text(world.toml(url), encoding="utf-8")
                os.environ[CONFIG_VARIABLE] = str(file)
                _silence_streamlit()
                collect_less_often()  # as the dashboard does
                rows = list(_pages())
                st.cache_resource.clear()
                return rows
        finally:
            os.environ.pop(CONFIG_VARIABLE, None)
            server.stop()


def _silence_streamlit() -> None:
    """Keep Streamlit from warning, at each run of a page, that no server and no browser are there.

    It gives every logger of its own a level, and sets all of them back when it reads its configuration:
    so read that first.
    """
    st.get_option("logger.level")
    set_log_level("ERROR")


def _pages() -> Iterator[tuple[str, str, str]]:
    for name, (page, selections, goal) in PAGES.items():
        _seconds(page, selections, warm=False)  # imports modules, prepares statements
        cold = [_seconds(page, selections, warm=False) for _ in range(ROUNDS)]
        warm = [_seconds(page, selections, warm=True) for _ in range(ROUNDS)]
        figure = f"{statistics.median(cold):.2f} / {statistics.median(warm):.2f}"
        yield f"{name}: the whole page, caches empty / warm, s", figure, goal


def _seconds(page: str, selections: dict[str, str], *, warm: bool) -> float:
    """Seconds of one run of a page's script: queries, arithmetic and charts, without the browser's part."""
    if not warm:
        st.cache_data.clear()
        st.cache_resource.clear()
    app = AppTest.from_string(f"from dashboard.views.{page} import page\npage.show()", default_timeout=120)
    for key, value in {"task": "ticket-intent", "window": "28 d", **selections}.items():
        if page != "overview" or key != "task":
            app.query_params[key] = value
    started = time.perf_counter()
    app.run()
    seconds = time.perf_counter() - started
    if app.exception:
        raise AssertionError(app.exception)
    return seconds


def _fill(url: str) -> None:
    sys.stderr.write(f"  filling {PAIRS * FACTOR // 2:,} comparisons of one task …\n")
    seed.fill(url, count=PAIRS)
    sums = [f"{measure}_{field}" for measure in MEASURES for field in SUMS if field != HEAVIEST]
    columns = ", ".join(f"{name} = {FACTOR} * {name}" for name in ("pairs", *sums))
    database = engine.connect(url)
    with database.begin() as connection:
        for statement in (
            f"UPDATE rollups SET {columns}",
            f"UPDATE crossings SET {columns}",
            f"UPDATE rollup_counts SET n = {FACTOR} * n",
            f"UPDATE rollup_histograms SET n = {FACTOR} * n",
            f"UPDATE catalogue SET pairs = {FACTOR} * pairs",
            f"UPDATE ledger SET n = {FACTOR} * n",
        ):
            connection.execute(text(statement))
    with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))  # as autovacuum would have by then
    database.dispose()
