"""Recorded lines become the tallies that the store would keep."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from scoring import replay as replaying
from scoring.replay import Replay, Scoring, score
from shadow.aggregates import counting, unit_scores
from shadow.aggregates.tally import MICRO, Cell, Tally
from shadow.aggregates.unit_scores import UnitScoresByCandidate
from shadow.pairs_file import BadLine, RecordedPair
from shadow.records import Exchange, Reply
from shadow.settings import TaskSettings

AT = datetime(2026, 9, 1, tzinfo=UTC)
HOW = Scoring(tasks={"t": TaskSettings(frontier="big", kind="classification")}, keep_pairs=True)


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


def replayed(*batches: Sequence[RecordedPair | BadLine], how: Scoring = HOW) -> Replay:
    replay = Replay()
    for batch in batches:
        replay.add(score(batch, how), name="pairs.jsonl")
    replay.finish()
    return replay


def test_a_line_with_a_ceiling_says_how_much_worse_than_the_frontier_itself_the_candidate_agrees():
    lines = [line(1, "delivery", "refund"), line(2, "refund", "refund"), line(3, "delivery", None), line(4, None, "x")]
    assert len(score(lines, HOW).pairs) == 6
    cells = {cell: tally for cell, tally in replayed(lines).tallies.items() if cell.kind == "excess"}
    assert {(cell.dimension, cell.value) for cell in cells} >= {("all", "all"), ("locale", "de")}
    for cell, tally in cells.items():
        assert (cell.candidate, tally.pairs, tally.agreement.n) == ("small", 2, 2)
        assert (tally.agreement.weighted, tally.agreement.weight) == (MICRO, 4 * MICRO)


def test_bad_lines_and_those_of_other_tasks_are_counted_nowhere():
    lines: list[RecordedPair | BadLine] = [BadLine(number=1, reason="torn"), line(2, "refund", None)]
    replay = replayed(lines, how=Scoring(tasks={}, only="another"))
    assert (replay.bad, replay.lines, replay.tallies) == (1, 0, {})


def test_the_first_bad_lines_of_all_batches_are_kept_and_all_are_counted():
    batches: list[list[RecordedPair | BadLine]] = [
        [BadLine(number=first + n, reason="torn") for n in range(15)] for first in (1, 16, 31)
    ]
    replay = replayed(*batches)
    assert replay.bad == 45
    assert [(name, bad.number) for name, bad in replay.bad_lines] == [("pairs.jsonl", n) for n in range(1, 21)]


@pytest.mark.parametrize("combinations", [1, 3, 1_000])
@pytest.mark.parametrize("size", [1, 7, 40])
def test_lines_counted_in_batches_are_the_tallies_of_lines_counted_one_by_one(combinations, size, monkeypatch):
    monkeypatch.setattr(replaying, "_MAX_COMBINATIONS", combinations)
    lines = []
    for number in range(40):
        recorded = line(number, ("refund", "delivery", None)[number % 3], (None, "refund")[number % 2])
        where = {"locale": ("de", "en")[number % 2], "plan": ("free", "pro")[number // 20]}
        at = AT + timedelta(minutes=17 * number)
        exchange = msgspec.structs.replace(recorded.exchange, segment=where, at=at, unit=f"user-{number % 9}")
        lines.append(msgspec.structs.replace(recorded, exchange=exchange))
    alone: dict[Cell, Tally] = {}
    units: UnitScoresByCandidate = {}
    for recorded in lines:
        for _, trial, comparison in score([recorded], HOW).pairs:
            counting.count(alone, trial, comparison)
            unit_scores.count(units, trial, comparison)
    batched = replayed(*[lines[start : start + size] for start in range(0, 40, size)])
    assert batched.lines == 40
    # A pair alone says nothing of excess, which takes two trials of one exchange.
    assert {cell: tally for cell, tally in batched.tallies.items() if cell.kind != "excess"} == alone
    assert batched.tallies == replayed(lines).tallies
    assert batched.units == units


def test_a_dimension_with_a_value_for_each_line_takes_no_more_memory_than_others(monkeypatch):
    monkeypatch.setattr(replaying, "MAX_VALUES", 3)
    monkeypatch.setattr(replaying, "_MAX_COMBINATIONS", 4)
    batches = []
    for number in range(40):
        recorded = line(number, "refund", None)
        where = {"request": str(number), "locale": ("de", "en")[number % 2]}
        exchange = msgspec.structs.replace(recorded.exchange, segment=where)
        batches.append([msgspec.structs.replace(recorded, exchange=exchange)])
    replay = replayed(*batches)
    assert replay.lines == 40
    pairs = {(cell.dimension, cell.value): tally.pairs for cell, tally in replay.tallies.items()}
    assert {value: n for (name, value), n in pairs.items() if name == "request"} == {
        "0": 1, "1": 1, "2": 1, "overflow": 37
    }  # fmt: skip
    assert (pairs["locale", "de"], pairs["locale", "en"], pairs["all", "all"]) == (20, 20, 40)
