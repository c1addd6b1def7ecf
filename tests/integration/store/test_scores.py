"""Scores per unit, and scores as columns for the search for the worst crossings."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from shadow.aggregates import unit_scores
from shadow.aggregates.unit_scores import Measure, UnitScoresByCandidate
from shadow.records import Preference, Reply
from shadow.store.read import slices, unit_reads
from shadow.store.schema import engine
from tests.support.store_samples import START, Scored, exchange, scored, store

MEASURES: tuple[Measure, ...] = ("agreement", "human", "reference", "judge")


@pytest.fixture
def connection(database: Engine) -> Iterator[Connection]:
    store(database, PAIRS)
    with engine.snapshot(database) as opened:
        yield opened


def pair(number: int, *, label: Preference | None = None, judge: Preference | None = None, **changes: Any) -> Scored:
    """Of unit u0, u1 or u2, or of none; every third without a segment of its own."""
    unit = f"u{number % 4}" if number % 4 < 3 else None
    segment = {"locale": ("de", "en")[number % 2], "plan": "pro"} if number % 3 else {}
    return scored(number, exchange=exchange(number, unit=unit, label=label, judge=judge, segment=segment), **changes)


PAIRS = [
    *(pair(number, agreement=number % 5 / 4) for number in range(20)),
    *(pair(number, label="frontier", judge="tie", agreement=0.5) for number in range(20, 30)),
    *(pair(number, frontier_correct=0.25, candidate_correct=1.0, probability=0.1) for number in range(30, 34)),
    *(pair(number, frontier_correct=1.0, candidate_correct=0.25) for number in range(34, 38)),
    pair(38, agreement=None, unscored="candidate_timeout", reply=Reply(model="small-7b", failure="timeout")),
    scored(40, kind="ceiling", candidate="gpt-x", exchange=exchange(40, unit="u1")),
    scored(41, exchange=exchange(41, task="invoice-fields", unit="u1")),
]


def test_stored_unit_scores_equal_those_counted_in_memory(connection: Connection):
    counted: UnitScoresByCandidate = {}
    for each in PAIRS:
        unit_scores.count(counted, *each)
    found = unit_reads.read(connection, task="ticket-intent", candidate="small-7b", measures=MEASURES)
    expected = counted["ticket-intent", "small-7b"]
    assert found.keys() == expected.keys() == {*MEASURES}
    for measure, sums_per_unit in expected.items():
        # The rows know a unit by its digest only.
        assert sorted(found[measure].sums.values()) == sorted(sums_per_unit.sums.values())
        assert not found[measure].sums.keys() & sums_per_unit.sums.keys()
        assert found[measure].is_equal == sums_per_unit.is_equal
    assert not found["agreement"].is_equal
    assert found["human"].is_equal


def test_unit_scores_of_a_window_and_of_an_unknown_candidate(connection: Connection):
    some = unit_reads.read(connection, task="ticket-intent", candidate="small-7b", until=START + timedelta(minutes=4))
    assert sorted(calls for calls, _ in some["agreement"].sums.values()) == [1, 1, 1]
    assert unit_reads.read(connection, task="ticket-intent", candidate="unknown") == {}


def test_rows_for_slices_are_the_newest_with_a_score(connection: Connection):
    found = slices.rows_for_slices(connection, task="ticket-intent", candidate="small-7b")
    assert found.ids == [f"x{number:06d}" for number in reversed(range(38))]
    columns: tuple[list[Any], ...] = (
        found.ids,
        found.units,
        found.scores,
        found.probabilities,
        *found.dimensions.values(),
    )
    assert {len(column) for column in columns} == {38}
    assert found.dimensions["locale"][-3:] == ["de", "en", ""]
    assert found.units[-4] is None
    assert len({*found.units} - {None}) == 3
    assert found.scores[-5:] == [1.0, 0.75, 0.5, 0.25, 0.0]
    assert (found.probabilities[4:8], found.older_left_out) == ([0.1] * 4, False)
    few = slices.rows_for_slices(connection, task="ticket-intent", candidate="small-7b", limit=5)
    assert (few.ids, few.older_left_out) == (found.ids[:5], True)


@pytest.mark.parametrize(
    ("measure", "scores"),
    [("human", [1.0] * 10), ("judge", [0.0] * 10), ("reference", [0.75] * 4 + [0.0] * 4)],
)
def test_regret_is_that_of_the_source_asked_for(connection: Connection, measure: Measure, scores: list[float]):
    found = slices.rows_for_slices(connection, task="ticket-intent", candidate="small-7b", measure=measure)
    assert found.scores == scores


def test_without_rows_the_columns_are_empty(connection: Connection):
    assert slices.rows_for_slices(connection, task="nothing", candidate="small-7b") == ([], [], {}, [], [], False)
