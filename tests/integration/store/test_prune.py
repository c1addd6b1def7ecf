"""Content and rows are deleted after their retention times; statistics stay."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from shadow.cli import application
from shadow.cli import prune as command
from shadow.records import CaptureCounts
from shadow.settings import POSTGRES_VARIABLE, RetentionSettings
from shadow.store.read import ledger
from shadow.store.schema import engine, partitions
from shadow.store.write import ingest
from shadow.store.write.prune import EARLIER, Dropped, prune
from tests.support.store_samples import ROLLUPS, START, count, dump, exchange, letter, scored, store

NOW = START + timedelta(days=20, hours=5)
RETENTION = RetentionSettings(payload_days=5, rows_days=15)
MINUTES = 24 * 60


@pytest.fixture
def filled(database):
    """A pair a day for three weeks, one of long ago, and a letter of every week."""
    ancient = scored(exchange=exchange(1_000_000, at=START - timedelta(days=800)))
    store(database, [scored(day * MINUTES) for day in range(21)] + [ancient])
    with engine.transaction(database) as connection:
        ingest.record_dead_letters(
            connection, [letter(f"l{week}", at=START + timedelta(weeks=week)) for week in range(3)]
        )
    return database


def run(database, **options):
    with database.connect() as connection:
        return prune(connection, RETENTION, NOW, **options)


def test_content_and_rows_are_deleted_after_their_own_retention_times(filled):
    pruned = run(filled)
    assert [(of.days, of.rows) for of in (pruned.payloads, pruned.comparisons, pruned.exchanges)] == [
        (15, 1),
        (5, 1),
        (5, 1),
    ]
    assert [count(filled, table) for table in ("payloads", "comparisons", "exchanges")] == [6, 16, 16]
    assert pruned.payloads_before == (START + timedelta(days=15)).date()
    assert pruned.rows_before == (START + timedelta(days=5)).date()


def test_whole_days_are_dropped_as_partitions(filled):
    pruned = run(filled)
    with filled.connect() as connection:
        for table in ("payloads", "comparisons", "exchanges"):
            first_kept = pruned.payloads_before if table == "payloads" else pruned.rows_before
            assert min(partitions.days_of(connection, table)) == first_kept


def test_statistics_and_the_ledger_stay(filled):
    before = dump(filled, ROLLUPS)
    run(filled)
    assert dump(filled, ROLLUPS) == before


def test_dead_letters_lose_their_payload_first(filled):
    pruned = run(filled)
    assert (pruned.dead_letter_payloads, pruned.dead_letters) == (3, 1)
    with filled.connect() as connection:
        assert connection.execute(text("SELECT id, length(payload) FROM dead_letters ORDER BY id")).all() == [
            ("l1", 0),
            ("l2", 0),
        ]


def test_a_second_run_finds_nothing(filled):
    run(filled)
    again = run(filled)
    assert again.payloads == again.comparisons == again.exchanges == Dropped()
    assert (again.dead_letters, again.refused_until) == (0, None)


def test_a_dry_run_counts_the_same_and_changes_nothing(filled):
    tables = (*ROLLUPS, "payloads", "comparisons", "exchanges", "dead_letters", "forgotten")
    before = dump(filled, tables)
    dry = run(filled, dry_run=True)
    assert dump(filled, tables) == before
    assert dry == run(filled)


def test_pruning_does_not_read_the_days_it_drops(filled):
    read = text(
        "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_user_tables"
        " WHERE relname ~ '^(exchanges|payloads)_[0-9]+$'"
    )
    with filled.connect() as connection:
        before = connection.execute(read).scalar()
        connection.rollback()
        prune(connection, RETENTION, NOW, dry_run=True)
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
        connection.commit()
        assert connection.execute(read).scalar() == before


def test_the_counts_of_processes_that_no_longer_report_are_added_up(database):
    def snapshot(source, day, n):
        counts = {"t": {"accepted": n, "mirrored": n - 1, "dropped:closed": 1}}
        return CaptureCounts(source=source, at=START + timedelta(days=day), counts=counts)

    first = [snapshot("a", 0, 10), snapshot("b", 1, 20), snapshot("c", 19, 5)]
    for counts, silent in ((first, 2), ([snapshot("d", 2, 40)], 1)):
        with engine.transaction(database) as connection:
            ingest.record_counts(connection, counts)
            before = ledger.read(connection)
        assert run(database).sources == silent
        with database.connect() as connection:
            assert ledger.read(connection) == before
            sources = connection.execute(text("SELECT DISTINCT source FROM capture_counts")).scalars().all()
        assert sorted(sources) == [EARLIER, "c"]


def test_the_command_reports_what_it_deleted(filled, postgres_url, monkeypatch):
    monkeypatch.setenv(POSTGRES_VARIABLE, postgres_url)
    shadow = application.build("prune", command.command)

    def run_command(*words):
        result = CliRunner().invoke(shadow, ["prune", "--payload-days", "10", *words])
        assert result.exit_code == 0, result.output
        return result.output

    before = (datetime.now(UTC) - timedelta(days=10)).date()
    assert f"Would delete payloads of events before {before}: 10 days" in run_command("--dry-run")
    assert f"Deleted payloads of events before {before}: 10 days" in run_command()
    assert "Nothing to delete" in run_command()
