"""PostgreSQL is killed, hangs or refuses rows: no batch is stored in part, and the message says what happened."""

import pytest
from sqlalchemy import text

from shadow.devstack.services.postgres import EmbeddedPostgres
from shadow.errors import StoreError, UnstorableError
from shadow.store.schema import engine, migrate
from shadow.store.write import ingest
from tests.support.services import service_folder
from tests.support.store_samples import arrival, count, dump, exchange, scored, store, various


@pytest.fixture
def own_server():
    """A server of this test's own, which it may kill."""
    with service_folder("postgres") as folder:
        server = EmbeddedPostgres(folder)
        server.start()
        yield server
        server.start()
        server.stop()


def test_a_server_killed_during_a_batch_has_all_of_it_or_none(own_server):
    migrate.upgrade(own_server.url)
    database = engine.connect(own_server.url)
    pairs = various(60)
    store(database, pairs[:20])
    before = dump(database)

    def killed_before_the_commit():
        with engine.transaction(database) as connection:
            ingest.record_trials(connection, pairs)
            own_server.kill()

    with pytest.raises(StoreError):
        killed_before_the_commit()
    own_server.start()
    database.dispose()
    database = engine.connect(own_server.url)
    assert dump(database) == before
    assert store(database, pairs) == 40
    assert count(database, "comparisons") == 60
    database.dispose()


def test_a_pool_recovers_by_itself_after_a_restart(own_server):
    migrate.upgrade(own_server.url)
    database = engine.connect(own_server.url)
    store(database, [scored(0)])
    own_server.kill()
    with pytest.raises(StoreError):
        store(database, [scored(1)])
    own_server.start()
    assert store(database, [scored(1)]) == 1
    database.dispose()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:s3cret@127.0.0.1:1/shadow",
        "postgresql://ann:s3cret@/shadow?host=/nowhere/at/all",
    ],
)
def test_the_error_about_an_unreachable_server_hides_the_password(url):
    with pytest.raises(StoreError, match="database shadow") as refused:
        engine.connect(url)
    assert "s3cret" not in str(refused.value)


def test_a_writer_that_waits_too_long_for_a_lock_gives_up(postgres_url, monkeypatch):
    monkeypatch.setattr(engine, "LOCK_TIMEOUT", "50ms")
    database = engine.connect(postgres_url)
    store(database, [scored(0)])
    with database.begin() as other:
        other.execute(text("LOCK TABLE ledger IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(StoreError, match="lock timeout"), engine.transaction(database) as connection:
            ingest.record_arrivals(connection, [arrival(exchange(5))])
    assert store(database, [scored(5)]) == 1
    database.dispose()


def test_a_statement_that_runs_too_long_is_stopped(postgres_url, monkeypatch):
    monkeypatch.setattr(engine, "STATEMENT_TIMEOUT", "50ms")
    database = engine.connect(postgres_url)
    with pytest.raises(StoreError, match="statement timeout"), engine.transaction(database) as connection:
        connection.execute(text("SELECT pg_sleep(9)"))
    database.dispose()


def test_content_that_the_server_refuses_differs_from_a_server_that_is_down(postgres_url):
    database = engine.connect(postgres_url)
    with pytest.raises(UnstorableError), engine.transaction(database) as connection:
        connection.execute(text('SELECT CAST(\'{"a": "\\u0000"}\' AS jsonb)'))
    database.dispose()


@pytest.mark.parametrize(
    "refused",
    [
        "INSERT INTO ledger SELECT string_agg(md5(i::text), ''), 'o', 'r', 1 FROM generate_series(1, 300) i",
        "INSERT INTO ledger VALUES ('t', 'o', 'r', NULL)",
        "SELECT repeat('[', 100000)::json",
    ],
    ids=["too long for an index", "a null where none may be", "nested too deeply"],
)
def test_rows_that_the_server_will_never_take_differ_from_a_server_that_is_down(postgres_url, refused):
    database = engine.connect(postgres_url)
    with pytest.raises(UnstorableError), engine.transaction(database) as connection:
        connection.execute(text(refused))
    database.dispose()


@pytest.mark.parametrize("race", ["INSERT INTO ledger VALUES ('t', 'o', 'r', 1)", "CREATE TABLE ledger ()"])
def test_errors_that_another_session_may_have_caused_blame_no_row(postgres_url, race):
    database = engine.connect(postgres_url)
    with engine.transaction(database) as connection:
        connection.execute(text("INSERT INTO ledger VALUES ('t', 'o', 'r', 1)"))
    with pytest.raises(StoreError) as refused, engine.transaction(database) as connection:
        connection.execute(text(race))
    assert not isinstance(refused.value, UnstorableError)
    database.dispose()


def test_an_exhausted_pool_is_an_error_and_not_a_hang(postgres_url, monkeypatch):
    monkeypatch.setattr(engine, "POOL_TIMEOUT_S", 0.05)
    database = engine.connect(postgres_url, pool_size=1)
    with database.connect(), pytest.raises(StoreError):
        store(database, [scored()])
    database.dispose()


def test_a_killed_session_takes_its_locks_with_it(postgres_url):
    database = engine.connect(postgres_url)
    kill_the_others = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    def killed_before_the_commit():
        with engine.transaction(database) as connection:
            ingest.record_trials(connection, [scored(0)])
            with database.connect() as other:
                other.execute(kill_the_others)
            assert store(database, [scored(0)]) == 1  # would wait for the first, were it still there

    with pytest.raises(StoreError):
        killed_before_the_commit()
    assert count(database, "comparisons") == 1
    database.dispose()
