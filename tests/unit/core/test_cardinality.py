"""A dimension that holds ids fills neither memory nor tables, and the pairs beyond the limit still count."""

from datetime import UTC, datetime, timedelta

import pytest

from shadow.aggregates import cardinality
from shadow.aggregates.cardinality import TaskDay, Values, cap_segments, task_day
from shadow.aggregates.tally import OVERFLOW, Combination, Tally, combination

MIDNIGHT = datetime(2026, 9, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def small_limits(monkeypatch):
    monkeypatch.setattr(cardinality, "MAX_VALUES", 3)
    monkeypatch.setattr(cardinality, "MAX_DIMENSIONS", 3)  # the totals are one of them


def counted(*segments: dict[str, str], at: datetime = MIDNIGHT, task: str = "t") -> dict[Combination, Tally]:
    return {combination(task, "small", "shadow", "", each, at): Tally(pairs=1) for each in segments}


def pairs(combinations) -> dict[tuple[tuple[str, str], ...], int]:
    return {key.segments: tally.pairs for key, tally in combinations.items()}


def users(*numbers: int, **where) -> dict[Combination, Tally]:
    return counted(*({"user": f"u{number}"} for number in numbers), **where)


def test_below_the_limits_nothing_changes():
    found = users(1, 2, 3)
    assert cap_segments(found, {}, group=task_day) == found


def test_values_beyond_the_limit_are_counted_together_and_known_ones_as_before():
    known: dict[TaskDay, Values] = {}
    cap_segments(users(1, 2, 3), known, group=task_day)
    found = cap_segments(users(1, 3, 4, 5), known, group=task_day)
    assert pairs(found) == {(("user", "u1"),): 1, (("user", "u3"),): 1, (("user", OVERFLOW),): 2}


def test_every_task_and_day_has_limits_of_its_own():
    known: dict[TaskDay, Values] = {}
    for where in ({}, {"task": "another"}, {"at": MIDNIGHT + timedelta(days=1)}):
        found = users(1, 2, 3, **where)
        assert cap_segments(found, known, group=task_day) == found
    assert pairs(cap_segments(users(4, at=MIDNIGHT + timedelta(hours=23)), known, group=task_day)) == {
        (("user", OVERFLOW),): 1
    }


def test_dimensions_beyond_the_limit_are_in_the_totals_only():
    found = cap_segments(counted({"a": "1", "b": "1", "c": "1", "d": "1"}), {}, group=task_day)
    assert pairs(found) == {(("a", "1"), ("b", "1")): 1}


def test_the_tallies_given_do_not_change():
    given = users(1, 2, 3, 4, 5) | counted({"user": OVERFLOW})
    found = cap_segments(given, {}, group=task_day)
    assert pairs(found)[("user", OVERFLOW),] == 3
    assert {tally.pairs for tally in given.values()} == {1}


def test_values_that_were_counted_elsewhere_are_read_once_when_a_new_one_comes():
    reads = []

    def read(day):
        reads.append(day)
        return {"user": {"u1", "u2", "u3"}}

    known: dict[TaskDay, Values] = {}
    found = cap_segments(users(3, 4, 5), known, group=task_day, read=read)
    assert pairs(found) == {(("user", "u3"),): 1, (("user", OVERFLOW),): 2}
    cap_segments(users(1, 9), known, group=task_day, read=read)  # no room: nothing to read
    assert reads == [("t", MIDNIGHT)]
