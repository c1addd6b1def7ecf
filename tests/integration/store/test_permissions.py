"""The roles of docs/operator.md can do what their services do, with what the page grants and no more."""

import asyncio
import importlib
import json
import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import NamedTuple

import psycopg
import pytest
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from consumers import judge, monitor
from shadow.cli import application
from shadow.devstack.model_servers.judge import FAULTLESS, judge_app
from shadow.errors import StoreError
from shadow.records import CaptureCounts
from shadow.settings import POSTGRES_VARIABLE, Settings
from shadow.store.feedback import verdicts
from shadow.store.schema import engine as database
from shadow.store.schema import migrate, partitions
from shadow.store.schema.tables import PARTITIONED
from shadow.store.write import ingest
from tests.support.consuming import until
from tests.support.injections import WORLD
from tests.support.label_samples import key_of, label, record, remove
from tests.support.services import CHECKOUT, fresh_database
from tests.support.store_samples import START, count, letter, scored, store

OPERATOR = (CHECKOUT / "docs" / "operator.md").read_text().partition("\n## Permissions\n")[2].partition("\n## ")[0]
PAGES = ("overview", "segments", "regret", "over_time", "shift", "confidence", "exchanges", "review")


class Granted(NamedTuple):
    """A row of the page's table: a role, the commands it runs, and what it may do to which tables."""

    role: str
    commands: tuple[str, ...]
    grants: tuple[str, ...]


def documented():
    found = []
    for row in re.findall(r"^\| `(shadow_\w+)` \| (.+) \| (.+) \|$", OPERATOR, flags=re.MULTILINE):
        role, commands, may = row
        grants = []
        for part in may.split(";"):
            what, on, where = part.partition(" on ")
            privileges, tables = re.findall(r"`([A-Z]+)`", what), re.findall(r"`(\w+)`", where)
            if on and "schema" not in where:
                assert privileges
                assert tables
                grants.append(f"GRANT {', '.join(privileges)} ON {', '.join(tables)} TO {role}")
        found.append(Granted(role, tuple(re.findall(r"`shadow (\w+)", commands)), tuple(grants)))
    return found


def run_sql(url, *statements):
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.fixture
def roles(postgres_server, monkeypatch, tmp_path):
    """URLs by role name, of a database that was set up as the page says."""
    monkeypatch.chdir(tmp_path)
    table = documented()
    names = [row.role for row in table]
    sql = re.findall(r"```sql\n(.*?)```", OPERATOR, flags=re.DOTALL)

    with fresh_database(postgres_server) as url:
        urls = {name: url.replace("//postgres@", f"//{name}@") for name in names}
        run_sql(url, *(f"CREATE ROLE {name} LOGIN" for name in names))
        try:
            run_sql(url, *sql)
            migrate.upgrade(urls["shadow_owner"])
            run_sql(urls["shadow_owner"], *(grant for row in table for grant in row.grants))
            yield urls
        finally:
            run_sql(url, *(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}" for name in names))


@pytest.fixture
def opened(roles):
    """Engines by role name without its `shadow_`."""
    engines = {name.removeprefix("shadow_"): database.connect(url, pool_size=2) for name, url in roles.items()}
    yield SimpleNamespace(**engines)
    for each in engines.values():
        each.dispose()


def shadow(url, monkeypatch, *words):
    monkeypatch.setenv(POSTGRES_VARIABLE, url)
    command = importlib.import_module(f"shadow.cli.{words[0]}").command
    result = CliRunner().invoke(application.build(words[0], command), [str(word) for word in words])
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def settings_for(url, **changes):
    at = {"base_url": "http://127.0.0.1:9/v1", "input_usd_per_million": 1.0, "output_usd_per_million": 4.0}
    task = {"frontier": "gpt-x", "candidates": ["small-7b"]}
    return Settings.model_validate(
        {
            "models": {"gpt-x": at, "small-7b": at},
            "tasks": {"ticket-intent": task},
            "postgres": {"url": url},
            "monitor": {"every_s": 0.05, "settle_s": 0.2, "health_port": 0},
            **changes,
        }
    )


def test_every_role_of_the_page_runs_commands_and_the_owner_makes_and_drops_partitions(opened):
    table = {row.role: row for row in documented()}
    assert set(table) == {f"shadow_{name}" for name in ("owner", "judge", "monitor", "labeller", "reader")}
    assert {"migrate", "scorer", "prune"} <= set(table["shadow_owner"].commands)
    assert all(row.commands for row in table.values())


def test_the_scorers_role_takes_in_a_day_that_is_new_and_pruning_drops_it(opened, roles, monkeypatch):
    today = datetime.now(UTC)
    store(opened.owner, [scored(1), scored(1)])
    with database.transaction(opened.owner) as connection:
        counts = CaptureCounts(source="a", at=today, counts={"ticket-intent": {"accepted": 1}})
        ingest.record(connection, trials=[scored(1), scored(2)], letters=[letter("x9")], counts=[counts])
        assert START.date() in partitions.days_of(connection, "comparisons")
    shadow(roles["shadow_owner"], monkeypatch, "migrate", "--check")
    shadow(roles["shadow_owner"], monkeypatch, "prune", "--payload-days", "1", "--rows-days", "2")
    with opened.owner.connect() as connection:
        assert not any(START.date() in partitions.days_of(connection, table) for table in PARTITIONED)


async def test_the_judges_role_judges(opened, roles, serve):
    store(opened.owner, [scored(n, agreement=0.5, judge_rate=1.0) for n in range(4)])
    asked = f"{serve(judge_app(WORLD, traits=FAULTLESS))}/v1"
    priced = {"input_usd_per_million": 1.0, "output_usd_per_million": 4.0}
    settings = settings_for(
        roles["shadow_judge"],
        models={name: {"base_url": asked, **priced} for name in ("gpt-x", "small-7b", "judge")},
        tasks={"ticket-intent": {"frontier": "gpt-x", "candidates": ["small-7b"], "judge": "judge"}},
        judge={"every_s": 0.05, "health_port": 0},
    )
    stopping = asyncio.Event()
    serving = asyncio.create_task(judge.serve(settings, stopping))
    try:
        await until(lambda: count(opened.owner, "heartbeats") == 1)
        await until(lambda: count(opened.owner, "comparisons WHERE judge_due") == 0)
    finally:
        stopping.set()
        await asyncio.wait_for(serving, 20)
    with database.transaction(opened.judge) as connection:
        verdicts.give_up(connection, [key_of(scored(1))])


def test_the_monitors_role_monitors_and_relearns(opened, roles):
    pairs = [scored(n, frontier_correct=1.0, candidate_correct=0.0, exchange=None) for n in range(0, 60 * 24 * 2, 20)]
    store(opened.owner, pairs)
    settings = settings_for(roles["shadow_monitor"])
    monitor.run(settings, once=True)
    assert count(opened.owner, "incidents") > 0
    assert count(opened.owner, "heartbeats") == 1
    assert monitor.reset_detectors(settings, "ticket-intent") > 0


def test_the_labellers_role_labels_removes_and_imports(opened, roles, monkeypatch, tmp_path):
    pairs = [scored(n, agreement=0.0) for n in range(3)]
    store(opened.owner, pairs)
    assert record(opened.labeller, label(pairs[0])).recorded == 1
    assert record(opened.labeller, label(pairs[0], "tie", labelled_at=START + timedelta(days=1))).recorded == 1
    assert remove(opened.labeller, pairs[0]) is not None
    lines = tmp_path / "labels.jsonl"
    lines.write_text(json.dumps({"id": "x000001", "label": "frontier", "reviewer": "ana"}))
    shadow(roles["shadow_labeller"], monkeypatch, "label", "import", lines)
    assert count(opened.owner, "labels") == 1


@pytest.mark.usefixtures("empty_page_caches")
def test_the_readers_role_sees_every_page_and_writes_reports(opened, roles, monkeypatch, tmp_path):
    store(opened.owner, [scored(n, agreement=n % 2) for n in range(40)])
    for words in (("report", "--json", tmp_path / "evidence.json"), ("export", "--out", tmp_path / "pairs.jsonl")):
        shadow(roles["shadow_reader"], monkeypatch, *words)
    for page in PAGES:
        app = AppTest.from_string(f"from dashboard.views.{page} import page\npage.show()", default_timeout=60)
        app.query_params["task"] = "ticket-intent"
        app.run()
        assert not app.exception, page
        assert not app.error, page


def test_the_readers_role_cannot_write(opened):
    pair = scored(1, agreement=0.0)
    store(opened.owner, [pair])
    for reader in (opened.reader, opened.monitor):
        with pytest.raises(StoreError, match="permission denied"):
            record(reader, label(pair))
    for stranger in (opened.reader, opened.judge, opened.monitor, opened.labeller):
        with pytest.raises(StoreError, match="permission denied"):
            store(stranger, [scored(60 * 24)])
