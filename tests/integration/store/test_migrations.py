"""The schema can be upgraded, downgraded and upgraded again, and is then the declared one."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError
from typer.testing import CliRunner

from shadow.cli import application
from shadow.cli import migrate as command
from shadow.errors import SchemaError, StoreError
from shadow.settings import POSTGRES_VARIABLE
from shadow.store.schema import engine, locks, migrate
from shadow.store.schema.revision import REVISION, require_schema
from shadow.store.schema.tables import metadata
from tests.support.services import CHECKOUT, fresh_database
from tests.support.store_samples import scored, store

WAITING = text(
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


@pytest.fixture
def empty_url(postgres_server):
    with fresh_database(postgres_server) as url:
        yield url


@pytest.fixture
def shadow(postgres_url, monkeypatch):
    """Run `shadow migrate` against a migrated database."""
    monkeypatch.setenv(POSTGRES_VARIABLE, postgres_url)
    return lambda *words, **options: CliRunner().invoke(
        application.build("migrate", command.command), ["migrate", *words], **options
    )


@contextmanager
def connected(url):
    database = engine.connect(url, pool_size=1)
    try:
        with database.connect() as connection:
            yield connection
    finally:
        database.dispose()


def execute(url, statement):
    with connected(url) as connection, connection.begin():
        connection.execute(text(statement))


def tables(url):
    database = engine.connect(url, pool_size=1)
    with database.connect() as connection:
        found = inspect(connection).get_table_names()
    database.dispose()
    return set(found) - {"alembic_version"}


def test_a_fresh_schema_is_exactly_the_declared_one(postgres_url):
    assert migrate.current(postgres_url) == migrate.newest() == REVISION
    assert migrate.drift(postgres_url) == []


def test_every_migration_can_be_reverted_and_repeated(empty_url):
    assert migrate.current(empty_url) is None
    steps = ["0001", "0002", "0003", "0004", "0005", "0006", "0007"]
    for revision in steps:
        migrate.upgrade(empty_url, revision)
        assert migrate.current(empty_url) == revision
    for revision in [*reversed(steps[:-1]), migrate.BASE]:
        migrate.downgrade(empty_url, revision)
    assert migrate.current(empty_url) is None
    assert tables(empty_url) == set()
    migrate.upgrade(empty_url)
    assert migrate.drift(empty_url) == []


def test_a_downgrade_drops_the_daily_partitions(postgres_url):
    database = engine.connect(postgres_url)
    store(database, [scored()])
    database.dispose()
    migrate.downgrade(postgres_url, migrate.BASE)
    assert tables(postgres_url) == set()


def test_daily_partitions_are_not_drift(postgres_url):
    database = engine.connect(postgres_url)
    store(database, [scored()])
    database.dispose()
    assert len(tables(postgres_url)) > len(metadata.tables) + 3
    assert migrate.drift(postgres_url) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("ALTER TABLE ledger DROP COLUMN n", "ledger"),
        ("ALTER TABLE comparisons ADD COLUMN mood text", "mood"),
        ("ALTER TABLE rollups ALTER COLUMN pairs TYPE integer", "BIGINT"),
        ("ALTER TABLE exchanges ALTER COLUMN outcome DROP NOT NULL", "outcome"),
        ("DROP INDEX comparisons_failures", "comparisons_failures"),
        ("DROP TABLE dead_letters", "dead_letters"),
        ("CREATE TABLE souvenir (x int)", "souvenir"),
        (
            "ALTER TABLE catalogue DROP CONSTRAINT catalogue_pkey, ADD PRIMARY KEY (candidate, task, kind)",
            "primary key of catalogue",
        ),
    ],
)
def test_drift_names_every_change(postgres_url, change, named):
    execute(postgres_url, change)
    found = migrate.drift(postgres_url)
    assert len(found) == 1
    assert named in found[0]


def test_several_machines_may_migrate_at_once(empty_url):
    program = "import sys; from shadow.store.schema import migrate; migrate.upgrade(sys.argv[1])"
    machines = [subprocess.Popen([sys.executable, "-c", program, empty_url]) for _ in range(2)]
    assert [machine.wait(60) for machine in machines] == [0, 0]
    assert migrate.drift(empty_url) == []


def test_a_failing_migration_leaves_nothing_behind(empty_url):
    execute(empty_url, "CREATE TABLE rollups (mine int)")
    with pytest.raises(StoreError, match="rollups"):
        migrate.upgrade(empty_url)
    assert migrate.current(empty_url) is None
    assert tables(empty_url) == {"rollups"}


def test_an_unknown_revision_and_one_from_the_future_are_clear_errors(postgres_url):
    with pytest.raises(StoreError, match="nonsense"):
        migrate.upgrade(postgres_url, "nonsense")
    execute(postgres_url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaError, match="9999"):
        migrate.upgrade(postgres_url)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("DROP TABLE alembic_version", "shadow migrate"),
        ("DELETE FROM alembic_version", "shadow migrate"),
        ("UPDATE alembic_version SET version_num = '0000'", "behind .* shadow migrate"),
        ("UPDATE alembic_version SET version_num = '9999'", "ahead .* update"),
    ],
)
def test_the_error_about_a_wrong_schema_says_what_to_do(postgres_url, change, message):
    execute(postgres_url, change)
    database = engine.connect(postgres_url)
    with pytest.raises(SchemaError, match=message), database.connect() as connection:
        require_schema(connection)
    database.dispose()


def test_the_statements_can_be_printed_to_be_run_by_hand(empty_url):
    execute(empty_url, migrate.sql(revision="0001"))
    execute(empty_url, migrate.sql("0001"))
    assert migrate.drift(empty_url) == []


def test_printed_statements_wait_for_a_migration_that_is_running(empty_url):
    with connected(empty_url) as running, ThreadPoolExecutor() as pool:
        locks.lock_until_commit(running, locks.MIGRATIONS)
        by_hand = pool.submit(execute, empty_url, migrate.sql())
        while not (waits := running.execute(WAITING).scalar()) and not by_hand.done():
            time.sleep(0.02)
        running.commit()
        by_hand.result()
    assert waits
    assert migrate.drift(empty_url) == []


def test_printed_statements_have_the_same_lock_timeout(empty_url):
    unfinished, commit, _ = migrate.sql().rpartition("COMMIT;")
    assert commit
    with connected(empty_url) as connection:
        connection.execute(text(unfinished))
        limits = [connection.execute(text(f"SHOW {name}")).scalar() for name in ("lock_timeout", "statement_timeout")]
    assert limits == ["5s", "10min"]


def test_statements_that_are_run_twice_by_hand_change_nothing_the_second_time(postgres_url):
    for start in (None, "0003", "0004"):
        with pytest.raises(DBAPIError, match="already exists"):
            execute(postgres_url, migrate.sql(start))
    assert migrate.drift(postgres_url) == []


def test_migrations_are_found_in_a_wheel_and_in_a_checkout(tmp_path, monkeypatch):
    package = tmp_path / "a 100% new place" / "shadow"
    package.mkdir(parents=True)
    monkeypatch.setattr("shadow.__file__", str(package / "__init__.py"))
    with pytest.raises(StoreError, match="install shadow-regret again"):
        migrate.newest()
    for place in (package.parent / "migrations", package / "_migrations"):
        place.symlink_to(CHECKOUT / "migrations")
        assert migrate.newest() == REVISION


def test_the_command_reports_what_it_did(shadow):
    assert "at revision 0007 already" in shadow().output
    assert "as declared" in shadow("--check").output
    refused = shadow("--to", "0001", input="n\n")
    assert refused.exit_code != 0
    assert "from revision 0007 to 0001" in shadow("--to", "0001", "--yes").output
    assert "CREATE TABLE rollups" in shadow("--sql").output
    failed = shadow("--check")
    assert isinstance(failed.exception, SchemaError)
    assert "from revision 0001 to 0007" in shadow().output


def test_the_check_lists_differences_and_fails(shadow, postgres_url):
    execute(postgres_url, "DROP INDEX comparisons_failures")
    failed = shadow("--check")
    assert failed.exit_code != 0
    assert "comparisons_failures" in str(failed.exception)
