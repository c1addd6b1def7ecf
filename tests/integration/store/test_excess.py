"""Exchanges with a candidate and a ceiling trial: found in whatever order the trials come, and counted once."""

import random
import threading
from collections.abc import Callable, Sequence

import pytest
from sqlalchemy import Engine, text

from shadow.aggregates import counting, tally
from shadow.aggregates.tally import Cell, Combination, Tally
from shadow.devstack.services.processes import poll_until
from shadow.errors import StoreError
from shadow.store.read import catalogue, rollup_reads
from shadow.store.schema import engine
from shadow.store.write import ingest, rollups
from tests.support.services import fresh_database
from tests.support.store_samples import Scored, asked_twice, dump, scored, store

EXCHANGES = asked_twice(30)
TRIALS = [pair for pairs in EXCHANGES for pair in pairs]
SHADOW = scored(1, agreement=0.25)
CEILING = scored(1, kind="ceiling", candidate="gpt-x", probability=0.5)


def counted(exchanges: Sequence[Sequence[Scored]]) -> dict[Cell, Tally]:
    combinations: dict[Combination, Tally] = {}
    for pairs in exchanges:
        counting.count_excess(combinations, pairs)
    cells: dict[Cell, Tally] = {}
    tally.spread(cells, combinations)
    return cells


def stored(database: Engine) -> dict[Cell, Tally]:
    with engine.snapshot(database) as connection:
        return rollup_reads.read(connection, kinds=("excess",))


def test_stored_excess_equals_excess_counted_in_memory(database):
    store(database, TRIALS, batch=7)
    assert stored(database) == counted(EXCHANGES)
    assert len({cell.candidate for cell in stored(database)}) == 2


def test_three_deliveries_in_any_order_and_batch_give_the_same_bytes(postgres_server, migrated_template):
    dumps = []
    for seed, times, batch in ((1, 1, 1_000), (2, 3, 23), (3, 3, 7)):
        with fresh_database(postgres_server, template=migrated_template) as url:
            database = engine.connect(url)
            shuffled = TRIALS * times
            random.Random(seed).shuffle(shuffled)
            store(database, shuffled, batch=batch)
            dumps.append(dump(database) | dump(database, ["comparisons"]))
            database.dispose()
    assert dumps[0] == dumps[1] == dumps[2]
    assert ",excess," in dumps[0]["rollups"]


def test_the_candidates_row_has_the_frontiers_agreement_with_itself(database):
    store(database, [SHADOW])
    store(database, [CEILING])
    with database.connect() as connection:
        rows = connection.execute(text("SELECT kind, ceiling_agreement FROM comparisons ORDER BY kind")).all()
    assert rows == [("ceiling", None), ("shadow", 1.0)]


def test_excess_is_no_kind_of_trial_and_has_no_crossings(database):
    store(database, TRIALS)
    with engine.snapshot(database) as connection:
        kinds = {kind for task in catalogue.tasks(connection) for kind in task.kinds}
        crossed = connection.execute(text("SELECT DISTINCT kind FROM crossings")).scalars().all()
    assert kinds == set(crossed) == {"shadow", "ceiling"}


@pytest.mark.parametrize(("first", "second"), [(SHADOW, CEILING), (CEILING, SHADOW)])
def test_two_transactions_that_bring_a_trial_each_count_the_excess_once(database, postgres_url, first, second):
    late = in_thread(lambda mine: store(mine, [second]), postgres_url)
    with engine.transaction(database) as connection:
        ingest.record_trials(connection, [first])
        late.start()
        poll_until(lambda: waiting(database), timeout=10.0)  # for the exchange, which the first has locked
    late.join()
    assert stored(database) == counted([[SHADOW, CEILING]])


def test_writers_of_the_same_trials_and_of_labels_never_deadlock(database, postgres_url):
    errors: list[StoreError] = []

    def deliver(seed: int) -> Callable[[Engine], object]:
        def work(mine: Engine) -> None:
            chance = random.Random(seed)
            for _ in range(8):
                try:
                    store(mine, chance.sample(TRIALS, 40), batch=20)
                except StoreError as error:
                    errors.append(error)

        return work

    def change_their_minds(mine: Engine) -> None:
        for _ in range(30):
            try:
                with engine.transaction(mine) as connection:
                    connection.execute(LABEL)
                    rollups.add_combinations(connection, LABELS)
            except StoreError as error:
                errors.append(error)

    jobs = [deliver(1), deliver(2), deliver(3), change_their_minds, change_their_minds]
    threads = [in_thread(job, postgres_url) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store(database, TRIALS)
    assert errors == []
    assert stored(database) == counted(EXCHANGES)


LABEL = text("""
    WITH chosen AS (
        SELECT * FROM comparisons WHERE kind = 'shadow'
        ORDER BY task, at, exchange_id, kind, candidate FOR UPDATE
    )
    UPDATE comparisons SET human = 'tie' FROM chosen
    WHERE (comparisons.task, comparisons.at, comparisons.exchange_id, comparisons.kind, comparisons.candidate)
        = (chosen.task, chosen.at, chosen.exchange_id, chosen.kind, chosen.candidate)
""")


def combination_of(pair: Scored) -> Combination:
    trial = pair[0]
    exchange, segments = trial.exchange, counting.dimensions_of(trial)
    return tally.combination(exchange.task, trial.candidate, trial.kind, "human", segments, exchange.at)


LABELS = {combination_of(pair): counting.labelled("tie", 0.5, None) for pair in TRIALS if pair[0].kind == "shadow"}


def in_thread(work: Callable[[Engine], object], url: str) -> threading.Thread:
    """A thread that uses the database through its own connection."""

    def run() -> None:
        mine = engine.connect(url, pool_size=1)
        try:
            work(mine)
        finally:
            mine.dispose()

    return threading.Thread(target=run)


def waiting(database: Engine) -> bool:
    with database.connect() as connection:
        return bool(connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one())
