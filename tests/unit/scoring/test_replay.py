"""Recorded lines become the tallies that the store would keep."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from scoring import replay
from scoring.replay import Replay
from shadow.aggregates import counting
from shadow.aggregates.tally import MICRO, Cell, Tally
from shadow.pairs_file import BadLine, RecordedPair
from shadow.records import Exchange, Reply
from shadow.settings import TaskSettings

AT = datetime(2026, 9, 1, tzinfo=UTC)
TASKS = {"t": TaskSettings(frontier="big", kind="classification")}


def line(number: int, candidate: str | None, ceiling: str | None) -> RecordedPair:
    not_recorded = Reply(model="", failure="not_asked", failure_detail="not_recorded")
    return RecordedPair(
        number=number,
        exchange=Exchange(
            id=str(number), task="t", at=AT, request={}, reply=not_recorded, segment={"locale": "de"},
            inclusion_probability=0.5,
        ),
        candidate_name="small",
        frontier=Reply(model="big", content="refund"),
        candidate=None if candidate is None else Reply(model="small", content=candidate),
        ceiling=None if ceiling is None else Reply(model="big", content=ceiling),
    )  # fmt: skip


def test_a_line_with_a_ceiling_gives_excess_disagreement():
    lines = [line(1, "delivery", "refund"), line(2, "refund", "refund"), line(3, "delivery", None), line(4, None, "x")]
    run = Replay()
    assert len(list(run.judged(lines, TASKS))) == 6
    cells = {cell: tally for cell, tally in run.tallies.items() if cell.kind == "excess"}
    assert {(cell.dimension, cell.value) for cell in cells} >= {("all", "all"), ("locale", "de")}
    for cell, tally in cells.items():
        assert (cell.candidate, tally.pairs, tally.agreement.n) == ("small", 2, 2)
        assert (tally.agreement.weighted, tally.agreement.weight) == (MICRO, 4 * MICRO)


def test_broken_lines_and_lines_of_other_tasks_are_not_counted():
    run = Replay()
    lines: list[RecordedPair | BadLine] = [BadLine(number=1, reason="torn"), line(2, "refund", None)]
    assert list(run.judged(lines, TASKS, only="another")) == []
    assert (run.bad, run.lines, run.tallies) == (1, 0, {})


@pytest.mark.parametrize("combinations", [1, 3, 1_000])
def test_lines_counted_together_are_the_tallies_of_lines_counted_one_by_one(combinations, monkeypatch):
    monkeypatch.setattr(replay, "_MOST_COMBINATIONS", combinations)
    lines = []
    for number in range(40):
        recorded = line(number, ("refund", "delivery", None)[number % 3], (None, "refund")[number % 2])
        where = {"locale": ("de", "en")[number % 2], "plan": ("free", "pro")[number // 20]}
        at = AT + timedelta(minutes=17 * number)
        exchange = msgspec.structs.replace(recorded.exchange, segment=where, at=at)
        lines.append(msgspec.structs.replace(recorded, exchange=exchange))
    together = Replay()
    apart: dict[Cell, Tally] = {}
    for recorded in lines:
        pairs = list(together.judged([recorded], TASKS))
        for pair in pairs:
            counting.count(apart, *pair)
    whole = Replay()
    assert len(list(whole.judged(lines, TASKS))) > 40
    assert whole.tallies == together.tallies
    # A pair alone says nothing of excess, which takes two trials of one exchange.
    assert {cell: tally for cell, tally in whole.tallies.items() if cell.kind != "excess"} == apart


def test_a_dimension_with_a_value_per_line_takes_no_more_memory_than_others(monkeypatch):
    monkeypatch.setattr(replay, "MAX_VALUES", 3)
    monkeypatch.setattr(replay, "_MOST_COMBINATIONS", 4)
    lines = []
    for number in range(40):
        recorded = line(number, "refund", None)
        where = {"request": str(number), "locale": ("de", "en")[number % 2]}
        lines.append(
            msgspec.structs.replace(recorded, exchange=msgspec.structs.replace(recorded.exchange, segment=where))
        )
    run = Replay()
    assert len(list(run.judged(lines, TASKS))) == 40
    pairs = {(cell.dimension, cell.value): tally.pairs for cell, tally in run.tallies.items()}
    assert {value: n for (name, value), n in pairs.items() if name == "request"} == {
        "0": 1, "1": 1, "2": 1, "overflow": 37
    }  # fmt: skip
    assert (pairs["locale", "de"], pairs["locale", "en"], pairs["all", "all"]) == (20, 20, 40)


def test_values_are_limited_for_each_day_as_in_the_store(monkeypatch):
    monkeypatch.setattr("shadow.aggregates.cardinality.MAX_VALUES", 3)
    lines = []
    for number in range(10):
        recorded = line(number, "refund", None)
        at = AT + timedelta(days=number % 2)
        exchange = msgspec.structs.replace(recorded.exchange, segment={"request": str(number)}, at=at)
        lines.append(msgspec.structs.replace(recorded, exchange=exchange))
    run = Replay()
    list(run.judged(lines, TASKS))
    pairs: dict[int, dict[str, int]] = {(cell.hour.date() - AT.date()).days: {} for cell in run.tallies}
    for cell, tally in run.tallies.items():
        if cell.dimension == "request" and cell.kind == "shadow":
            pairs[(cell.hour.date() - AT.date()).days][cell.value] = tally.pairs
    assert pairs == {0: {"0": 1, "2": 1, "4": 1, "overflow": 2}, 1: {"1": 1, "3": 1, "5": 1, "overflow": 2}}
