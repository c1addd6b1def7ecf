"""Segments that turn bad."""

from datetime import timedelta

import numpy as np
import pytest

from scoring.monitor import segments
from scoring.monitor.events import Closed, Event, Opened
from scoring.monitor.segments import SegmentsState
from shadow.aggregates.tally import Sums
from tests.support.monitoring import HOUR, MONDAY, WEEK

NAMES = [f"locale={n}" for n in range(10)]


def through(hours, rate_of, *, state=None, first=0, rows=12, seed=1, limit=0.02):
    rng = np.random.default_rng(seed)
    state, events = state or SegmentsState(), []
    for hour in range(first, first + hours):
        regrets = {}
        for name in NAMES:
            sums = regrets[name] = Sums()
            for is_regret in rng.random(rows) < rate_of(name, hour):
                sums.add(float(is_regret), 1.0)
        state, now = segments.step(
            state,
            MONDAY + hour * HOUR,
            regrets,
            task="t",
            candidate="small-7b",
            source="reference",
            limit=limit,
            false_flag_rate=0.1,
        )
        events += now
    return state, events


@pytest.mark.parametrize("seed", range(3))
def test_segments_within_the_limit_raise_no_flag_in_three_weeks(seed):
    assert through(3 * WEEK, lambda _, __: 0.015, seed=seed)[1] == []


def test_a_bad_segment_is_found_and_reported_with_its_numbers():
    state, (opened,) = through(WEEK, lambda name, _: 0.12 if name == "locale=3" else 0.01)
    assert opened.subject == "locale=3"
    assert opened.summary.startswith("regret of small-7b on t where locale=3 is above the accepted 2.0%; since")
    assert opened.detail["q_value"] <= 0.1
    assert state.open == ["locale=3"]


def test_a_few_bad_rows_are_no_incident_before_the_interval_shown_is_above_the_limit_as_well():
    def rate(name, hour):
        return 1.0 if name == "locale=3" else 0.0

    state, hours = SegmentsState(), 0
    found: list[Event] = []
    while not found:
        state, found = through(1, rate, state=state, first=hours, rows=1, limit=0.1)
        hours += 1
    (opened,) = found
    assert isinstance(opened, Opened)
    whole = opened.detail["whole_watch"]
    assert whole["low"] > 0.1
    assert whole["n"] == hours > 4  # the bets alone were won by then


def test_a_segment_that_turns_bad_after_good_weeks_is_found_within_days():
    def rate(name, hour):
        return 0.12 if name == "locale=3" and hour >= 8 * WEEK else 0.003

    _, (opened,) = through(9 * WEEK, rate, rows=4)
    assert MONDAY + 8 * WEEK * HOUR <= opened.at < MONDAY + 8 * WEEK * HOUR + timedelta(days=4)


def test_an_incident_closes_when_the_segment_is_back_within_the_limit_and_can_open_again():
    def rate(name, hour):
        is_bad = name == "locale=3" and (hour < 60 or hour >= 300)
        return 0.2 if is_bad else 0.005

    state, events = through(360, rate)
    assert [(type(event), event.subject) for event in events] == [
        (Opened, "locale=3"),
        (Closed, "locale=3"),
        (Opened, "locale=3"),
    ]
    assert events[1].opened_at == events[0].at
    assert events[2].at >= MONDAY + 300 * HOUR
    assert state.open == ["locale=3"]


def test_a_segment_that_stays_bad_stays_one_incident():
    _, events = through(2 * WEEK, lambda name, _: 0.1 if name == "locale=3" else 0.01)
    assert len(events) == 1


def test_where_everything_is_bad_that_is_one_incident_and_a_segment_that_is_worse_another():
    def rate(name, _):
        return 0.7 if name == "locale=3" else 0.3

    state, events = SegmentsState(), []
    rng = np.random.default_rng(1)
    for hour in range(48):
        regrets = {name: Sums() for name in (*NAMES, segments.WHOLE, "plan=pro")}
        for name in NAMES:
            for is_regret in rng.random(12) < rate(name, hour):
                for each in (name, segments.WHOLE, "plan=pro"):
                    regrets[each].add(float(is_regret), 1.0)
        state, now = segments.step(
            state, MONDAY + hour * HOUR, regrets, task="t", candidate="c", source="judge", limit=0.02,
            false_flag_rate=0.1,
        )  # fmt: skip
        events += now
    assert {event.subject for event in events} == {segments.WHOLE, "locale=3"}
    whole = next(event for event in events if isinstance(event, Opened) and event.subject == segments.WHOLE)
    assert whole.summary.startswith("regret of c on t by its judge is above the accepted 2.0%")


def test_an_hour_without_known_regret_changes_nothing():
    state, _ = through(3, lambda _, __: 0.5)
    result = segments.step(
        state, MONDAY + 3 * HOUR, {"locale=1": Sums()}, task="t", candidate="c", source="judge", limit=0.02,
        false_flag_rate=0.1,
    )  # fmt: skip
    assert result == (state, [])


def test_segments_beyond_the_maximum_are_left_out(monkeypatch):
    monkeypatch.setattr(segments, "MAX_SEGMENTS", 4)
    state, _ = through(2, lambda _, __: 0.01)
    assert sorted(state.segments) == NAMES[:4]
    assert state.left_out == 2 * (len(NAMES) - 4)


def test_segments_without_rows_for_a_week_are_dropped():
    state, _ = through(24, lambda _, __: 0.01)
    one = Sums()
    one.add(0.0, 1.0)
    later, _ = segments.step(
        state, MONDAY + 2 * WEEK * HOUR, {NAMES[0]: one}, task="t", candidate="c", source="judge", limit=0.02,
        false_flag_rate=0.1,
    )  # fmt: skip
    assert list(later.segments) == NAMES[:1]


def test_evidence_of_weeks_long_past_is_not_fresh():
    state, _ = through(24, lambda _, __: 0.01)
    for week in (1, 2):
        state, _ = through(24, lambda _, __: 0.01, state=state, first=week * WEEK)
    history = state.segments["locale=1"]
    assert history.whole.n == 3 * history.last_week.n
    assert history.recent.n == 2 * history.last_week.n
