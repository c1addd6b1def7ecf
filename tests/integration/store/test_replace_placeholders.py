"""A placeholder is replaced by the pair that comes later, and what it had counted is subtracted."""

import random
import threading
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from sqlalchemy import text

from shadow.errors import StoreError
from shadow.pairs_file import NOT_RECORDED
from shadow.records import Comparison, Reply, Role
from shadow.settings import RetentionSettings
from shadow.store.read import ledger, rollup_reads
from shadow.store.read import pairs as stored_pairs
from shadow.store.schema import engine
from shadow.store.write import ingest, prune
from tests.support.services import fresh_database
from tests.support.store_samples import Scored, arrival, count, exchange, letter, scored, store, various

NOT_ASKED = Reply(model="", failure="not_asked", failure_detail=NOT_RECORDED)
PAIRS = [pair for pair in various(150) if pair[0].kind != "ceiling"]
#: Rollups and crossings keep the cells that count nothing any more.
COUNTED = {
    "rollups": "pairs <> 0 OR regret_n <> 0",
    "crossings": "pairs <> 0 OR regret_n <> 0",
    "rollup_confidence": "pairs <> 0 OR regret_n <> 0",
    "rollup_counts": "n <> 0",
    "rollup_histograms": "n <> 0",
    "ledger": "n <> 0",
    "catalogue": "true",
    "comparisons": "true",
    "payloads": "true",
}


def unanswered(pair: Scored, side: Role = "candidate") -> Scored:
    """The same pair as a placeholder: from a file without the reply of `side`."""
    trial, comparison = pair
    if (side == "frontier") == (trial.kind == "reverse"):
        trial = msgspec.structs.replace(trial, reply=NOT_ASKED)
    else:
        trial = msgspec.structs.replace(trial, exchange=msgspec.structs.replace(trial.exchange, reply=NOT_ASKED))
    return trial, Comparison(scorer=comparison.scorer, unscored=f"{side}_not_recorded")


def tables(database):
    """Everything that counts something, as text in order."""
    with database.connect() as connection:
        return {
            table: "\n".join(
                connection.execute(text(f"SELECT t::text FROM {table} t WHERE {kept} ORDER BY 1")).scalars()
            )
            for table, kept in COUNTED.items()
        }


def books(database):
    with database.connect() as connection:
        return ledger.read(connection)


@pytest.mark.parametrize("side", ["frontier", "candidate"])
@pytest.mark.parametrize("kind", ["shadow", "reverse"])
def test_a_pair_replaces_its_placeholder(database, kind, side):
    pair = scored(1, kind=kind, frontier_correct=1.0, candidate_correct=0.0)
    assert store(database, [unanswered(pair, side)]) == 1
    assert books(database).unscored == {f"{side}_not_recorded": 1}
    assert store(database, [pair]) == 1
    assert (books(database).compared, books(database).unscored, books(database).mirrored) == (1, {}, 1)
    with engine.browsing(database) as connection:
        (kept,) = stored_pairs.find(connection)
        found = {
            cell.source: tally
            for cell, tally in rollup_reads.read(connection, kinds=(kind,), dimension="all").items()
            if tally.pairs
        }
    assert (kept.trial, kept.comparison) == pair
    assert {source: tally.pairs for source, tally in found.items()} == {"reference": 1}
    assert store(database, [pair]) == store(database, [unanswered(pair, side)]) == 0


def test_a_placeholder_that_an_older_version_stored_with_reasoning_in_its_text_is_subtracted_as_it_was_counted(
    database,
):
    older = Reply(model="gpt-x", content=f"<think>{'hm ' * 1_000}</think>delivery")
    store(database, [unanswered(scored(1, exchange=exchange(1, reply=older)))])
    store(database, [scored(1), scored(2, exchange=exchange(2, task="never-a-placeholder"))])
    query = "SELECT task, bucket, n FROM rollup_histograms WHERE measure = 'output_chars:frontier' AND n <> 0"
    with engine.browsing(database) as connection:
        (one, other) = connection.execute(text(query)).all()
    assert one.task != other.task
    assert (one.bucket, one.n) == (other.bucket, other.n)


def test_a_placeholder_never_replaces_a_pair(database):
    pair = scored(1)
    store(database, [pair])
    before = tables(database)
    assert store(database, [unanswered(pair)]) == 0
    assert tables(database) == before


def test_in_one_batch_the_pair_counts_in_any_order(database):
    first, second = scored(1), scored(2)
    assert store(database, [unanswered(first), first, second, unanswered(second)]) == 2
    assert (books(database).compared, books(database).unscored) == (2, {})


@pytest.mark.parametrize("failure", ["endpoint_error", "timeout"])
@pytest.mark.parametrize("answered_first", [True, False])
def test_a_pair_with_a_failed_reply_replaces_its_placeholder(database, failure, answered_first):
    failed = scored(1, reply=Reply(model="m", failure=failure), agreement=None, unscored=f"candidate_{failure}")
    both = [failed, unanswered(failed)]
    for pair in both if answered_first else reversed(both):
        store(database, [pair])
    assert books(database).unscored == {f"candidate_{failure}": 1}
    with engine.browsing(database) as connection:
        (kept,) = stored_pairs.find(connection)
        (total,) = rollup_reads.read(connection, dimension="all").values()
    assert kept.trial.reply.failure == failure
    assert {name: n for name, n in total.counts.items() if n and name.startswith("unscored")} == {
        f"unscored:candidate_{failure}": 1
    }


def test_any_order_and_number_of_deliveries_gives_the_same_tables(postgres_server, migrated_template):
    chance = random.Random(3)
    lacking = {number: unanswered(pair) for number, pair in enumerate(PAIRS) if chance.random() < 0.5}
    for_good = chance.sample(sorted(lacking), 9)
    answers = [pair for number, pair in enumerate(PAIRS) if number not in for_good]
    clean = [*answers, *(lacking[number] for number in for_good)]
    found = []
    for seed, times, batch in ((0, 1, 1_000), (1, 2, 7), (2, 3, 31), (3, 3, 97)):
        deliveries = clean if seed == 0 else [*lacking.values(), *answers] * times
        random.Random(seed).shuffle(deliveries)
        with fresh_database(postgres_server, template=migrated_template) as url:
            database = engine.connect(url)
            for first in range(0, len(deliveries), batch):
                part = deliveries[first : first + batch]
                with engine.transaction(database) as connection:
                    ingest.record(connection, arrivals=[arrival(trial.exchange) for trial, _ in part], trials=part)
            found.append(tables(database))
            database.dispose()
    assert all(found[0].values())
    for other in found[1:]:
        assert other == found[0]


def test_a_pair_that_replaces_a_placeholder_completes_excess_disagreement(database):
    pair, ceiling = scored(1, agreement=0.0), scored(1, kind="ceiling", candidate="gpt-x", agreement=1.0)
    store(database, [unanswered(pair), ceiling])
    store(database, [pair])
    with engine.browsing(database) as connection:
        (excess,) = rollup_reads.read(connection, kinds=("excess",), dimension="all").values()
    assert (excess.pairs, excess.agreement.total) == (1, 0)


def test_placeholders_with_changed_names_are_subtracted_too(database):
    pair = scored(exchange=exchange(1, task="t" * 999), candidate="c" * 999)
    assert (store(database, [unanswered(pair)]), store(database, [pair])) == (1, 1)
    with engine.browsing(database) as connection:
        (total,) = rollup_reads.read(connection, dimension="all").values()
    assert (total.pairs, total.agreement.n) == (1, 1)


def test_a_placeholder_without_its_payload_is_replaced_too(database):
    of = exchange(1, at=datetime.now(UTC) - timedelta(days=50))
    pair = scored(exchange=of)
    store(database, [unanswered(pair)])
    with database.connect() as connection:
        prune.prune(connection, RetentionSettings(payload_days=10, rows_days=90), datetime.now(UTC))
    assert count(database, "payloads") == 0
    assert store(database, [pair]) == 1
    with engine.browsing(database) as connection:
        (total,) = rollup_reads.read(connection, dimension="all").values()
        by_locale = rollup_reads.read(connection, dimension="input_length")
    assert (total.pairs, total.agreement.n) == (1, 1)
    assert not any(n for name, n in total.counts.items() if name.startswith(("unscored", "failure")))
    assert [tally.pairs for tally in by_locale.values()] == [1]
    assert (books(database).compared, books(database).unscored) == (1, {})


def test_concurrent_writers_of_pairs_and_placeholders_neither_deadlock_nor_count_twice(database, postgres_url):
    errors = []
    store(database, [unanswered(pair) for pair in PAIRS[::2]])

    def deliver(seed):
        chance = random.Random(seed)
        mine = engine.connect(postgres_url, pool_size=1)
        try:
            for _ in range(5):
                pairs = [pair if chance.random() < 0.5 else unanswered(pair) for pair in chance.sample(PAIRS, 60)]
                with engine.transaction(mine) as connection:
                    ingest.record(
                        connection,
                        arrivals=[arrival(trial.exchange) for trial, _ in pairs],
                        trials=pairs,
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
        found = rollup_reads.read(connection, kinds=("shadow", "reverse"), dimension="all")
    assert sum(tally.pairs for tally in found.values()) == len(PAIRS) == count(database, "comparisons")
    assert not any(n for tally in found.values() for name, n in tally.counts.items() if name.endswith("not_recorded"))
    assert not any(reason.endswith("not_recorded") for reason in books(database).unscored)
    assert books(database).mirrored == len(PAIRS)
