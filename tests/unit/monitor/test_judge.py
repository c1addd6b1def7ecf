"""The judge drifts from people."""

from collections import Counter

import numpy as np

from scoring.monitor import judge
from scoring.monitor.events import Closed, Opened
from scoring.monitor.judge import DayLabels, JudgeState, LabelCounts, day_labels
from tests.support.monitoring import HOUR, MONDAY


def through(batches, *, state=None, seed=1):
    """The state and events after batches: (labels of each verdict, share of them that contradict it)."""
    rng = np.random.default_rng(seed)
    state, events = state or JudgeState(), []
    given = DayLabels()
    for number, (n, share) in enumerate(batches):
        given = DayLabels(
            worse=LabelCounts(n=given.worse.n + n, wrong=given.worse.wrong + int(rng.binomial(n, share))),
            no_worse=LabelCounts(n=given.no_worse.n + n, wrong=given.no_worse.wrong + int(rng.binomial(n, 0.05))),
        )
        state, now = judge.step(state, {"2026-09-07": given}, MONDAY + number * HOUR, task="t")
        events += now
    return state, events


def test_labels_are_counted_by_verdict_and_contradiction():
    counts = Counter(
        {
            "labelled:frontier:frontier": 30,
            "labelled:frontier:tie": 4,
            "labelled:frontier:candidate": 1,
            "labelled:tie:frontier": 3,
            "labelled:tie:candidate": 20,
            "labelled:candidate:candidate": 9,
            "labelled:none:frontier": 50,
            "labelled_weight:tie:frontier": 10**9,
        }
    )
    assert day_labels(counts) == DayLabels(worse=LabelCounts(n=35, wrong=5), no_worse=LabelCounts(n=32, wrong=3))


def test_without_enough_labels_the_status_says_how_many_are_missing():
    state, events = through([(40, 0.1)])
    assert (state.status, events) == ("learning: 120 labels to go", [])
    assert through([(40, 0.1)] * 3)[0].status == "watching"


def test_a_judge_that_stays_as_it_was_raises_no_alarm():
    assert through([(120, 0.1)] + [(25, 0.1)] * 60)[1] == []


def test_a_judge_that_drifts_opens_an_incident_and_closes_it_when_people_agree_again():
    state, events = through([(120, 0.1)] + [(25, 0.5)] * 6 + [(25, 0.03)] * 8)
    assert [type(event) for event in events] == [Opened, Closed]
    opened, closed = events
    assert opened.subject == "worse"
    assert opened.summary.startswith("people contradict the judge of t where it says worse: ")
    assert closed.opened_at == opened.at
    assert state.status == "watching"


def test_deleted_labels_do_no_harm():
    state, _ = through([(120, 0.1), (25, 0.1)])
    fewer = {"2026-09-07": DayLabels(worse=LabelCounts(n=100, wrong=2), no_worse=LabelCounts(n=145, wrong=5))}
    state, events = judge.step(state, fewer, MONDAY, task="t")
    assert events == []
    assert state.worse.pending.n == -45


def test_days_out_of_the_window_are_dropped_and_do_not_count_as_deleted_labels():
    state, _ = through([(120, 0.1)])
    state, events = judge.step(state, {"2026-10-30": DayLabels(worse=LabelCounts(n=3, wrong=0))}, MONDAY, task="t")
    assert events == []
    assert list(state.seen) == ["2026-10-30"]
    assert state.worse.pending == LabelCounts(n=3, wrong=0)
