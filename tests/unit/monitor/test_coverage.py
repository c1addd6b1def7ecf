"""Coverage: unscored pairs, exchanges stuck in flight, drops by capture, a judge that lags behind."""

from datetime import timedelta

import pytest

from scoring.monitor import flow, unscored
from scoring.monitor.events import Closed, Opened
from scoring.monitor.flow import FlowSnapshot, FlowState
from scoring.monitor.unscored import UnscoredState
from shadow.aggregates.tally import Tally
from tests.support.monitoring import HOUR, MONDAY

MINUTE = timedelta(minutes=1)
LAG = timedelta(minutes=15)


def through_hours(shares, *, pairs=100, reason="candidate_timeout"):
    state, events = UnscoredState(), []
    for hour, share in enumerate(shares):
        tally = Tally(pairs=pairs)
        tally.counts[f"unscored:{reason}"] = round(share * pairs)
        state, event = unscored.step(state, MONDAY + hour * HOUR, tally, task="t", candidate="c", max_share=0.2)
        events += [event] if event else []
    return state, events


def test_two_hours_above_open_an_incident_and_two_at_or_below_close_it():
    _, events = through_hours([0.1, 0.5, 0.1, 0.5, 0.6, 0.1, 0.3, 0.2, 0.0, 0.0])
    opened, closed = events
    assert isinstance(opened, Opened)
    assert opened.at == MONDAY + 3 * HOUR  # the start of the period, not the time at which it was noticed
    assert opened.summary == (
        "60.0% of the pairs of c on t could not be scored (candidate_timeout 60), n 100; at most 20.0% is accepted"
    )
    assert isinstance(closed, Closed)
    assert (closed.opened_at, closed.at) == (opened.at, MONDAY + 9 * HOUR)


def test_hours_with_few_pairs_are_added_up():
    state, events = through_hours([0.9] * 4, pairs=10)
    assert events == []
    assert (state.pairs, state.reasons) == (40, {"candidate_timeout": 36})
    _, events = through_hours([0.9] * 10, pairs=10)
    assert [event.at for event in events] == [MONDAY]


def test_pairs_left_out_by_sampling_count_neither_as_pairs_nor_as_unscored():
    assert through_hours([0.9] * 5, reason="not_sampled")[1] == []


def test_pairs_that_the_candidate_cannot_serve_count_neither_as_pairs_nor_as_unscored():
    assert through_hours([0.9] * 5, reason="ineligible:context_length")[1] == []


def after_snapshots(*given, max_dropped=0.01):
    """The state and events after snapshots, each given by its minute and its figures."""
    state, events = FlowState(), []
    for minute, figures in given:
        snapshot = FlowSnapshot(now=MONDAY + minute * MINUTE, **figures)
        state, now = flow.step(state, snapshot, task="t", max_lag=LAG, max_dropped=max_dropped)
        events += now
    return state, events


def stuck(minutes):
    return {"oldest_in_flight_at": MONDAY - minutes * MINUTE}


def test_an_exchange_stuck_for_longer_than_the_limit_opens_an_incident_as_of_when_it_passed_it():
    _, events = after_snapshots((0, stuck(10)), (6, stuck(10)), (12, stuck(10)), (13, stuck(10)))
    (opened,) = events
    assert (opened.subject, opened.severity) == ("lag", "critical")
    assert opened.at == MONDAY - 10 * MINUTE + LAG


def test_weeks_of_history_that_pass_through_are_not_a_lag():
    weeks = [(minute, stuck((20 - 4 * minute) * 1440)) for minute in range(5)]
    assert after_snapshots(*weeks, (5, {}))[1] == []


def test_a_lag_closes_when_the_stuck_exchange_has_moved_on():
    _, events = after_snapshots((0, stuck(60)), (5, stuck(60)), (6, stuck(4)), (8, {}))
    assert [type(event) for event in events] == [Opened, Closed]
    assert events[1].opened_at == events[0].at
    assert events[1].at == MONDAY + 8 * MINUTE


def counted(accepted, dropped):
    return {"accepted": accepted, "dropped": {"queue_full": dropped} if dropped else {}}


def test_drops_before_the_first_snapshot_do_not_count():
    assert after_snapshots((0, counted(1_000, 900)), (30, counted(2_000, 900)))[1] == []


def test_drops_open_an_incident_at_once_and_a_clean_hour_closes_it():
    _, events = after_snapshots(
        (0, counted(1_000, 0)),
        (10, counted(1_050, 30)),  # too few exchanges
        (20, counted(1_200, 50)),
        (50, counted(3_000, 50)),
        (90, counted(4_000, 51)),
    )
    opened, closed = events
    assert opened.subject == "dropped"
    assert opened.at == MONDAY
    assert opened.summary.startswith("capture dropped 25.0% of 200 exchanges of t (queue_full 50)")
    assert (closed.opened_at, closed.at) == (opened.at, MONDAY + 90 * MINUTE)


def test_counts_of_a_restarted_capture_start_a_new_period():
    assert after_snapshots((0, counted(1_000, 0)), (1, counted(200, 150)), (2, counted(210, 151)))[1] == []


@pytest.mark.parametrize("trouble", ["the budget of the day is spent", None])
def test_a_judge_that_is_behind_opens_an_incident_after_an_hour(trouble):
    behind = {"judge_due_at": MONDAY - timedelta(days=2), "judge_problem": trouble}
    _, events = after_snapshots((0, behind), (59, behind), (61, behind), (70, behind), (71, {}))
    opened, closed = events
    assert opened.subject == "judge"
    assert opened.at == MONDAY
    assert opened.summary.endswith(trouble or "it judges fewer pairs than arrive")
    assert closed.at == MONDAY + 71 * MINUTE


def test_a_judge_without_due_pairs_may_be_down():
    assert (
        after_snapshots(*((minute, {"judge_problem": "no judge service has ever run"}) for minute in (0, 90)))[1] == []
    )
