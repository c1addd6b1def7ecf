"""Nothing is counted a second time after its rows were deleted."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from consumers import scorer
from shadow import wire
from shadow.cli import EXIT_INCOMPLETE, application
from shadow.cli import replay as command
from shadow.errors import StoreError, UnstorableError
from shadow.records import DeadLetter
from shadow.settings import POSTGRES_VARIABLE, RetentionSettings
from shadow.store.read import ledger
from shadow.store.schema import engine
from shadow.store.write import ingest, retention_watermark
from shadow.store.write.prune import prune
from tests.support.consuming import produce, read, running, settings_for, until
from tests.support.store_samples import arrival, count, dump, exchange, scored, store

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
LONG_AGO = TODAY - timedelta(days=200)
#: No clock of ours reaches so far back, and no partition.
BEYOND = TODAY - timedelta(days=800)


def at(moment, number=0):
    return scored(exchange=exchange(number, at=moment + timedelta(minutes=number)))


@pytest.fixture
def pruned(database):
    """A database that once counted three exchanges of long ago, and one of today."""
    store(database, [*(at(LONG_AGO, number) for number in range(3)), at(TODAY, 9)])
    assert run(database).refused_until == LONG_AGO.date()
    assert count(database, "comparisons") == count(database, "exchanges") == 1
    return database


def run(database, **options):
    with database.connect() as connection:
        return prune(connection, RetentionSettings(), datetime.now(UTC), **options)


def record(database, **batch):
    with engine.transaction(database) as connection:
        return ingest.record(connection, **batch)


def test_events_from_before_the_watermark_are_refused(pruned):
    before = dump(pruned)
    pairs = [at(LONG_AGO, number) for number in range(3)] + [at(TODAY, 10)]
    for batch in ({"trials": pairs}, {"arrivals": [arrival(trial.exchange) for trial, _ in pairs]}):
        with pytest.raises(UnstorableError, match=r"3 exchanges .*x000000: older than the rows") as refused:
            record(pruned, **batch)
        assert refused.value.exchange_ids == ("x000000", "x000001", "x000002")
        assert set(refused.value.reasons.values()) == {retention_watermark.REASON}
    assert dump(pruned) == before


def test_rows_deleted_from_the_default_partition_raise_the_watermark(database):
    store(database, [at(BEYOND)])
    assert run(database).refused_until == BEYOND.date()
    with pytest.raises(UnstorableError):
        store(database, [at(BEYOND)])
    assert store(database, [at(LONG_AGO)]) == 1


def test_old_events_are_stored_as_long_as_no_row_was_deleted(database):
    assert run(database).refused_until is None
    assert store(database, [at(LONG_AGO)]) == 1
    assert store(database, [at(LONG_AGO)]) == 0


def test_the_day_after_the_last_dropped_day_is_stored_and_its_last_moment_is_refused(pruned):
    next_day = LONG_AGO + timedelta(days=1)
    assert store(pruned, [at(next_day)]) == 1
    with pytest.raises(UnstorableError):
        store(pruned, [at(next_day - timedelta(microseconds=1))])


def test_pruning_less_does_not_lower_the_watermark(pruned):
    with pruned.connect() as connection:
        retention_watermark.raise_to(connection, (LONG_AGO - timedelta(days=9)).date())
        connection.commit()
    with pytest.raises(UnstorableError):
        store(pruned, [at(LONG_AGO)])


def test_a_day_that_could_not_be_dropped_does_not_raise_the_watermark(database):
    store(database, [at(LONG_AGO)])
    with database.connect() as reader, database.connect() as connection:
        reader.execute(text("SELECT 1 FROM comparisons"))  # and goes on with it
        connection.execute(text("SET lock_timeout = '100ms'"))
        connection.commit()
        with pytest.raises(StoreError, match="lock timeout"):
            prune(connection, RetentionSettings(), datetime.now(UTC))
    assert store(database, [at(LONG_AGO)]) == 0
    assert count(database, "forgotten") == 0


async def test_the_scorer_dead_letters_refused_events_and_the_ledger_stays_exact(broker, topics, pruned, postgres_url):
    before = dump(pruned)
    old, new = at(LONG_AGO, 1)[0], at(TODAY, 9)[0]
    settings = settings_for(broker, topics, postgres={"url": postgres_url})
    await produce(broker, topics.exchanges, [wire.encode(trial.exchange, source="test") for trial in (old, new)])
    await produce(broker, topics.trials, [wire.encode(trial, source="test") for trial in (old, new)])
    async with running(settings, scorer.build(settings)) as health:
        # The two letters come back to the scorer by their own topic.
        await until(lambda: health.messages.labels(topics.deadletters)._value.get() == 2)
        await until(lambda: health.messages.labels(topics.trials)._value.get() == 2)
    letters = await read(broker, topics.deadletters, DeadLetter)
    assert {(letter.id, letter.reason) for letter in letters} == {("x000001", "unstorable")}
    assert {letter.topic for letter in letters} == {topics.exchanges, topics.trials}
    assert retention_watermark.REASON in letters[0].detail
    assert count(pruned, "dead_letters") == 2
    assert dump(pruned) == before
    with pruned.connect() as connection:
        assert ledger.read(connection).mirrored == 4


def test_replay_names_the_lines_that_are_too_old_and_stores_the_others(pruned, postgres_url, tmp_path, monkeypatch):
    monkeypatch.setenv(POSTGRES_VARIABLE, postgres_url)
    reply = {"model": "m", "content": "x"}
    lines = [
        {"id": str(number), "task": "t", "at": moment.isoformat(), "request": {"messages": []}, "frontier": reply,
         "candidate": reply, "ceiling": reply}
        for number, moment in enumerate((TODAY, LONG_AGO, TODAY))
    ]  # fmt: skip
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = CliRunner().invoke(application.build("replay", command.command), ["replay", str(file), "--scorer", "exact"])
    assert done.exit_code == EXIT_INCOMPLETE
    output = " ".join(done.stderr.split())
    assert f"pairs.jsonl:2: t/1 cannot be stored: {retention_watermark.REASON}" in output
    assert "3 lines read, 0 broken, 4 pairs newly stored, 1 cannot be stored" in output
