"""Repeated and shuffled deliveries by several concurrent writers give the same rows and the same sums."""

import random
import threading
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from shadow.aggregates import counting, tally
from shadow.aggregates.tally import Cell, Tally
from shadow.errors import StoreError, UnstorableError
from shadow.records import CaptureCounts, Reply, TrialKind
from shadow.store.read import pairs as stored_pairs
from shadow.store.read import rollup_reads
from shadow.store.schema import engine, partitions
from shadow.store.write import cardinality, ingest, rollups
from tests.support.store_samples import ROLLUPS, START, arrival, count, dump, exchange, letter, scored, store, various

KINDS: tuple[TrialKind, ...] = ("shadow", "reverse", "ceiling")
QUESTION: dict[str, Any] = {"task": "ticket-intent", "candidate": "small-7b"}
PAIRS = various(150)


def test_rollups_equal_the_tallies_counted_in_memory(database):
    assert store(database, PAIRS) == len(PAIRS)
    expected: dict[Cell, Tally] = {}
    for pair in PAIRS:
        counting.count(expected, *pair)
    with engine.snapshot(database) as connection:
        found = rollup_reads.read(connection, kinds=KINDS)
    assert found == {cell: replace(counted, by_confidence={}) for cell, counted in expected.items()}


def test_three_deliveries_in_any_order_and_batch_give_the_same_bytes(postgres_server, migrated_template):
    from tests.support.services import fresh_database

    deliveries = [arrival(trial.exchange) for trial, _ in PAIRS] + PAIRS
    dumps = []
    for seed, times, batch in ((1, 1, 1_000), (2, 3, 97), (3, 3, 31)):
        with fresh_database(postgres_server, template=migrated_template) as url:
            database = engine.connect(url)
            shuffled = deliveries * times
            random.Random(seed).shuffle(shuffled)
            for first in range(0, len(shuffled), batch):
                part = shuffled[first : first + batch]
                with engine.transaction(database) as connection:
                    ingest.record(
                        connection,
                        arrivals=[one for one in part if isinstance(one, ingest.Arrival)],
                        trials=[one for one in part if not isinstance(one, ingest.Arrival)],
                    )
            dumps.append(dump(database) | dump(database, ["comparisons"]))
            database.dispose()
    assert dumps[0] == dumps[1] == dumps[2]
    assert all(dumps[0][table] for table in ROLLUPS if table != "capture_counts")


def test_only_what_is_new_is_counted(database):
    assert store(database, PAIRS[:30]) == 30
    assert store(database, PAIRS[20:50]) == 20
    assert store(database, [*PAIRS[:50], *PAIRS[:50]]) == 0
    assert count(database, "comparisons") == count(database, "payloads") == 50


def test_concurrent_writers_of_the_same_pairs_neither_deadlock_nor_count_twice(database, postgres_url):
    errors = []

    def deliver(seed):
        chance = random.Random(seed)
        mine = engine.connect(postgres_url, pool_size=1)
        try:
            for _ in range(5):
                part = chance.sample(PAIRS, 60)
                with engine.transaction(mine) as connection:
                    ingest.record(
                        connection,
                        arrivals=[arrival(trial.exchange) for trial, _ in chance.sample(PAIRS, 60)],
                        trials=part,
                        letters=[letter(chance.choice(PAIRS)[0].exchange.id)] if chance.random() < 0.3 else [],
                    )
        except StoreError as error:
            errors.append(error)
        finally:
            mine.dispose()

    writers = [threading.Thread(target=deliver, args=(seed,)) for seed in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert errors == []
    store(database, PAIRS)
    with engine.snapshot(database) as connection:
        found = rollup_reads.read(connection, kinds=KINDS, dimension="all")
    assert sum(cell.pairs for cell in found.values()) == len(PAIRS)
    ledger = dict(line.strip("()").rsplit(",", 1) for line in dump(database, ["ledger"])["ledger"].splitlines())
    assert sum(map(int, ledger.values())) == count(database, "exchanges") == len(PAIRS)


def test_the_first_of_two_replies_to_one_exchange_counts(database):
    first, second = (scored(reply=Reply(model="m", content=word), agreement=x) for word, x in (("a", 0.0), ("b", 1.0)))
    assert store(database, [first, second]) == 1
    assert store(database, [second]) == 0
    with engine.browsing(database) as connection:
        (pair,) = stored_pairs.find(connection)
        (total,) = rollup_reads.read(connection, dimension="all").values()
    assert pair.trial.reply.content == "a"
    assert total.agreement.total == 0


def test_crossings_add_up_to_the_dimensions_they_cross(database):
    store(database, PAIRS)
    with engine.snapshot(database) as connection:
        crossed = rollup_reads.crossing(connection, **QUESTION, dimensions=("locale", "plan"))
        single = rollup_reads.read(connection, **QUESTION, dimension="locale", per="window")
    for value in ("de", "en", "fr"):
        across = tally.total(found for (locale, _), found in crossed.items() if locale == value)
        alone = tally.total(found for cell, found in single.items() if cell.value == value)
        assert (across.pairs, across.agreement) == (alone.pairs, alone.agreement)
        assert across.pairs > 0


def test_a_window_of_crossings_consists_of_whole_days(database):
    store(database, [scored(1), scored(1 + 24 * 60), scored(1 + 48 * 60)])
    with engine.snapshot(database) as connection:
        since, until = START + timedelta(hours=30), START + timedelta(hours=48)
        across = ("locale", "has_tools")
        found = rollup_reads.crossing(connection, **QUESTION, dimensions=across, since=since, until=until)
    assert {key: cell.pairs for key, cell in found.items()} == {("de", "no"): 1}


def test_combinations_beyond_the_limit_are_counted_together(database, monkeypatch):
    monkeypatch.setattr(rollups, "MAX_COMBINATIONS", 3)
    at = START + timedelta(hours=5)
    pairs = [scored(exchange=exchange(n, at=at, segment={"user": f"u{n % 5}"})) for n in range(20)]
    store(database, pairs, batch=4)
    with engine.snapshot(database) as connection:
        found = rollup_reads.crossing(connection, **QUESTION, dimensions=("user", "has_tools"))
    overflow = found.pop((rollups.OVERFLOW, rollups.OVERFLOW))
    assert overflow.pairs == 8
    assert [cell.pairs for cell in found.values()] == [4, 4, 4]


def test_values_beyond_the_limit_are_counted_together_whichever_process_counts_them(database, monkeypatch):
    monkeypatch.setattr("shadow.aggregates.cardinality.MAX_VALUES", 3)
    at = START + timedelta(hours=5)
    pairs = [scored(exchange=exchange(n, at=at, segment={"user": f"u{n % 5}"})) for n in range(20)]
    store(database, pairs[:8], batch=4)
    cardinality._remembered.clear()  # as in another process
    store(database, pairs[8:], batch=4)
    store(database, pairs, batch=7)  # once more, and nothing changes
    with engine.snapshot(database) as connection:
        found = rollup_reads.read(connection, **QUESTION, dimension="user", per="window")
        everything = rollup_reads.read(connection, **QUESTION, dimension="all", per="window")
    assert {cell.value: counted.pairs for cell, counted in found.items()} == {
        "u0": 4,
        "u1": 4,
        "u2": 4,
        tally.OVERFLOW: 8,
    }
    assert tally.total(found.values()).agreement == tally.total(everything.values()).agreement


def test_the_next_day_has_limits_of_its_own(database, monkeypatch):
    monkeypatch.setattr("shadow.aggregates.cardinality.MAX_VALUES", 2)
    days = [START + timedelta(days=day) for day in range(2)]
    store(
        database,
        [
            scored(exchange=exchange(10 * day + n, at=at, segment={"user": f"day{day}-{n}"}))
            for day, at in enumerate(days)
            for n in range(2)
        ],
    )
    with engine.snapshot(database) as connection:
        found = rollup_reads.read(connection, **QUESTION, dimension="user", per="window")
    assert {cell.value for cell in found} == {"day0-0", "day0-1", "day1-0", "day1-1"}


def test_dimensions_beyond_the_limit_are_in_the_totals_only(database, monkeypatch):
    known = {"all", "has_tools", "input_length", "u0"}
    monkeypatch.setattr("shadow.aggregates.cardinality.MAX_DIMENSIONS", len(known))
    at = START + timedelta(hours=5)
    store(database, [scored(exchange=exchange(n, at=at, segment={f"u{n}": "yes"})) for n in range(4)], batch=1)
    with engine.snapshot(database) as connection:
        found = rollup_reads.read(connection, **QUESTION, per="window")
    assert {cell.dimension for cell in found} == known
    assert {cell.dimension: counted.pairs for cell, counted in found.items()} == {
        "all": 4,
        "has_tools": 4,
        "input_length": 4,
        "u0": 1,
    }


def test_a_verdict_on_a_pair_beyond_the_limit_is_counted_where_its_pair_is(database, monkeypatch):
    monkeypatch.setattr("shadow.aggregates.cardinality.MAX_VALUES", 1)
    at = START + timedelta(hours=5)
    pairs = [scored(exchange=exchange(n, at=at, segment={"user": f"u{n}"})) for n in range(3)]
    store(database, pairs)
    late = {
        tally.combination("ticket-intent", "small-7b", "shadow", "judge", {"user": f"u{n}"}, at): Tally(pairs=1)
        for n in range(3)
    }
    with database.begin() as connection:
        kept = cardinality.cap_segments(connection, late)
    assert {dict(key.segments)["user"]: counted.pairs for key, counted in kept.items()} == {"u0": 1, tally.OVERFLOW: 2}


def test_buckets_of_time_equal_the_sum_of_their_hours(database):
    store(database, PAIRS)
    since, until = START + timedelta(hours=2), START + timedelta(hours=26)
    with engine.snapshot(database) as connection:
        hours = rollup_reads.read(connection, since=since, until=until, kinds=KINDS)
        days = rollup_reads.read(connection, since=since, until=until, kinds=KINDS, per="day")
        window = rollup_reads.read(connection, since=since, until=until, kinds=KINDS, per="window")
        week = rollup_reads.read(connection, since=since, until=until, kinds=KINDS, per="hour_of_week")
    assert {cell.hour for cell in days} == {START, START + timedelta(days=1)}
    assert {cell.hour for cell in window} == {since}
    assert all(rollup_reads.WEEK <= cell.hour < rollup_reads.WEEK + timedelta(days=7) for cell in week)
    assert {(cell.hour.weekday(), cell.hour.hour) for cell in week} == {
        (cell.hour.weekday(), cell.hour.hour) for cell in hours
    }
    for grouped in (days, window, week):
        for cell in grouped:
            same = [found for one, found in hours.items() if one._replace(hour=cell.hour) == cell]
            if grouped is window:
                assert tally.total(same) == grouped[cell]
        assert tally.total(grouped.values()) == tally.total(hours.values())


@pytest.mark.parametrize("per", ["hour", "window"])
def test_sums_are_the_same_without_counts_and_histograms(database, per):
    store(database, PAIRS)
    with engine.snapshot(database) as connection:
        whole = rollup_reads.read(connection, kinds=KINDS, per=per)
        sums = rollup_reads.read(connection, kinds=KINDS, per=per, counts=False, histograms=False)
    assert any(found.counts for found in whole.values())
    assert any(found.histograms for found in whole.values())
    assert sums == {cell: replace(found, counts=Counter(), histograms={}) for cell, found in whole.items()}


def test_conditions_of_a_read_are_combined(database):
    store(database, PAIRS)
    with engine.snapshot(database) as connection:
        found = rollup_reads.read(
            connection, task="invoice-fields", kinds=["reverse"], dimension="plan", histograms=False
        )
        nothing = rollup_reads.read(connection, candidate="unknown")
    assert {(cell.task, cell.kind, cell.dimension) for cell in found} == {("invoice-fields", "reverse", "plan")}
    assert nothing == {}


def test_impossible_event_times_create_no_partitions(database):
    absurd = [datetime(1, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)]
    pairs = [scored(exchange=exchange(number, at=at)) for number, at in enumerate(absurd)]
    assert store(database, pairs) == 3
    assert store(database, pairs) == 0
    assert count(database, "comparisons_default") == count(database, "exchanges_default") == 3
    with engine.browsing(database) as connection:
        assert partitions.days_of(connection, "comparisons") == {}
        assert [pair.trial.exchange.at for pair in stored_pairs.find(connection)] == absurd[::-1]


def test_rows_of_a_future_day_move_into_its_partition_when_the_day_comes(database, monkeypatch):
    day = datetime.now(UTC) + timedelta(days=9)
    assert store(database, [scored(1, exchange=exchange(1, at=day))]) == 1
    assert count(database, "exchanges_default") == 1
    monkeypatch.setattr(partitions, "NEWEST", timedelta(days=10))
    assert store(database, [scored(n, exchange=exchange(n, at=day)) for n in (1, 2)]) == 1
    assert count(database, "exchanges_default") == 0
    assert count(database, partitions.name_of("payloads", day.date())) == 2


def test_two_writers_may_create_the_partitions_of_a_day_at_the_same_time(database, postgres_url):
    ready = threading.Barrier(3)
    stored = []

    def open_day(number):
        mine = engine.connect(postgres_url, pool_size=1)
        ready.wait()
        stored.append(store(mine, [scored(number)]))
        mine.dispose()

    writers = [threading.Thread(target=open_day, args=(number,)) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert stored == [1, 1, 1]


def test_a_refused_pair_leaves_the_tables_unchanged(database):
    with pytest.raises(UnstorableError), engine.transaction(database) as connection:
        ingest.record_trials(connection, [scored(0), scored(1, reply=Reply(model="m", content="\0"))])
    assert count(database, "comparisons") == 0
    assert store(database, [scored(0)]) == 1


def test_ids_and_names_of_any_length_stay_different(database):
    pairs = [scored(exchange=exchange(0, id="x" * 9_000 + ending)) for ending in "ab"]
    pairs.append(scored(exchange=exchange(1, task="t" * 9_000), candidate="c" * 9_000))
    assert store(database, pairs) == 3
    assert store(database, pairs) == 0


def test_pairs_larger_than_one_document_are_stored_in_one_transaction(database, monkeypatch):
    monkeypatch.setattr("shadow.store.rows.json_rows.DOCUMENT_BYTES", 2_000)
    assert store(database, PAIRS) == len(PAIRS)


def test_capture_counts_are_cumulative_and_the_largest_is_the_newest(database):
    def snapshot(n, source="web-1", hour=0):
        return CaptureCounts(source=source, at=START + timedelta(hours=hour), counts={"t": {"accepted": n}})

    for counts in ([snapshot(5, hour=2), snapshot(3, hour=1)], [snapshot(4, hour=3)], [snapshot(2, source="web-2")]):
        with engine.transaction(database) as connection:
            ingest.record_counts(connection, counts)
    with database.connect() as connection:
        rows = connection.execute(text("SELECT source, n, at FROM capture_counts ORDER BY source")).all()
    assert rows == [("web-1", 5, START + timedelta(hours=3)), ("web-2", 2, START)]


def test_a_stored_pair_is_read_back_unchanged(database):
    store(database, PAIRS)
    with engine.browsing(database) as connection:
        found = [(pair.trial, pair.comparison) for pair in stored_pairs.iterate(connection, page=40)]
    key = lambda pair: (pair[0].exchange.at, pair[0].exchange.id)  # noqa: E731
    assert found == sorted(PAIRS, key=key, reverse=True)
