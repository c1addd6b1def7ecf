"""Every mirrored exchange is counted once, whatever messages come about it and in whatever order."""

import itertools
from datetime import timedelta
from typing import Any

import pytest

from shadow.records import CaptureCounts, Reply
from shadow.store.read import catalogue, ledger
from shadow.store.schema import engine
from shadow.store.write import ingest
from tests.support.store_samples import START, arrival, exchange, letter, scored, store, various


def read(database, **question):
    with engine.snapshot(database) as connection:
        return ledger.read(connection, **question)


def total(found):
    return (
        found.compared
        + sum(found.unscored.values())
        + sum(found.dead_lettered.values())
        + found.expired
        + found.in_flight
    )


ARRIVAL: dict[str, Any] = {"arrivals": [arrival(exchange(1))]}
COMPARED: dict[str, Any] = {"trials": [scored(1)]}
OTHER_CANDIDATE = {"trials": [scored(1, candidate="other", agreement=None, unscored="refusal")]}
THIRD_CANDIDATE = {"trials": [scored(1, candidate="third", agreement=None, unscored="timeout")]}
EXPIRED = {
    "trials": [
        scored(1, candidate="late", reply=Reply(model="late", failure="expired"), agreement=None, unscored="expired")
    ]
}
CEILING = {"trials": [scored(1, kind="ceiling", candidate="gpt-x")]}
LETTER: dict[str, Any] = {"letters": [letter("x000001")]}
OTHER_LETTER = {"letters": [letter("x000001", stage="scorer", topic="shadow.trials", reason="unstorable")]}


@pytest.mark.parametrize(
    ("messages", "ended"),
    [
        ([ARRIVAL], {"in_flight": 1}),
        ([ARRIVAL, COMPARED, OTHER_CANDIDATE, LETTER], {"compared": 1}),
        ([ARRIVAL, OTHER_CANDIDATE, THIRD_CANDIDATE, EXPIRED], {"unscored": {"timeout": 1}}),
        ([ARRIVAL, EXPIRED, OTHER_LETTER], {"expired": 1}),
        ([ARRIVAL, LETTER, OTHER_LETTER, CEILING], {"dead_lettered": {"unstorable": 1}}),
        ([ARRIVAL, CEILING], {"compared": 1}),
        ([ARRIVAL, CEILING, OTHER_CANDIDATE], {"unscored": {"refusal": 1}}),
        ([LETTER], {}),
    ],
)
def test_an_exchange_has_its_highest_outcome_in_any_order(database, messages, ended):
    for order in list(itertools.permutations(messages))[:8]:
        with database.connect() as connection:  # rolled back, so that every order starts with the same tables
            for message in (*order, order[0]):
                ingest.record(connection, **message)
            found = ledger.read(connection)
        entries = {
            name: getattr(found, name) for name in ("compared", "unscored", "expired", "dead_lettered", "in_flight")
        }
        assert {name: value for name, value in entries.items() if value} == ended, order
        assert total(found) == found.mirrored == (1 if ended else 0)


def test_one_batch_may_have_several_messages_about_one_exchange(database):
    with engine.transaction(database) as connection:
        recorded = ingest.record(connection, **ARRIVAL, **COMPARED, **LETTER)
    assert recorded == (1, 1)
    assert (read(database).mirrored, read(database).compared) == (1, 1)


def test_a_dead_letter_finds_its_exchange_on_any_day(database):
    old = exchange(3, at=START - timedelta(days=900))
    for message in ({"letters": [letter(old.id)]}, {"arrivals": [arrival(old)]}):
        with engine.transaction(database) as connection:
            ingest.record(connection, **message)
    assert read(database).dead_lettered == {"not_json": 1}


def test_a_position_on_a_topic_has_one_dead_letter(database):
    letters = [letter("a"), letter("a", at=START + timedelta(days=1)), letter("b", offset=8)]
    with engine.transaction(database) as connection:
        assert ingest.record_dead_letters(connection, letters) == 2
    with engine.transaction(database) as connection:
        assert ingest.record_dead_letters(connection, letters) == 0


def test_the_ledger_adds_up_and_has_the_drops_of_capture(database):
    pairs = various(60)
    arrivals = [arrival(trial.exchange) for trial, _ in pairs] + [
        arrival(exchange(900)),
        arrival(exchange(901, task="")),
    ]
    counts = {"ticket-intent": {"accepted": 70, "mirrored": 62, "sampled_out": 9, "dropped:queue_full": 8}}
    with engine.transaction(database) as connection:
        ingest.record(connection, arrivals=arrivals, counts=[CaptureCounts(source="web", at=START, counts=counts)])
    store(database, pairs)
    found = read(database)
    assert (found.accepted, found.published, found.sampled_out, found.dropped) == (70, 62, 9, {"queue_full": 8})
    assert found.accepted == found.published + sum(found.dropped.values())
    assert found.mirrored == total(found) == 62
    assert found.in_flight == 2
    assert found.oldest_in_flight_at == exchange(900).at
    tasks = [read(database, task=task) for task in ("ticket-intent", "invoice-fields", "")]
    assert sum(found.mirrored for found in tasks) == 62
    assert [found.in_flight for found in tasks] == [1, 0, 1]


def test_an_empty_store_has_an_empty_ledger(database):
    assert read(database) == ledger.Ledger()
    with engine.snapshot(database) as connection:
        assert catalogue.tasks(connection) == []


def test_the_catalogue_has_tasks_candidates_and_dates(database):
    store(
        database, [scored(0), scored(200), scored(61, candidate="other"), scored(90, kind="ceiling", candidate="gpt-x")]
    )
    with engine.snapshot(database) as connection:
        (entry,) = catalogue.tasks(connection)
    assert entry == catalogue.TaskEntry(
        task="ticket-intent",
        candidates=("other", "small-7b"),
        kinds=("ceiling", "shadow"),
        first_hour=START,
        last_hour=START + timedelta(hours=3),
        pairs=4,
    )
