"""The detector of risen rates, and those built on it: regret, failures, the ceiling."""

from datetime import timedelta

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.monitor import ceiling, failures, rate_drift, recovery, regret
from scoring.monitor.events import Closed, Opened
from scoring.monitor.figures import disagreement_moments, failure_moments, format_interval, interval, moments, percent
from scoring.monitor.rate_drift import RateDriftState, WatchedRate
from scoring.monitor.recovery import Recovery
from scoring.stats.moments import MICRO, Moments
from shadow.aggregates.tally import Sums, Tally
from tests.support.monitoring import HOUR, MONDAY, WEEK, wave

WATCHED = WatchedRate(name="regret of small-7b on ticket-intent", subject="reference", critical_above=0.02)


def through(rates, *, rows=40, seed=1, state=None, wording=WATCHED, horizon=20_000):
    """The state after hours with these rates, and what happened."""
    rng = np.random.default_rng(seed)
    state, events = state or RateDriftState(), []
    for hour, rate in enumerate(rates):
        n = int(rng.poisson(rows))
        seen = Moments.of_counts(int(rng.binomial(n, rate)), n)
        state, event = rate_drift.step(state, MONDAY + hour * HOUR, seen, wording, horizon=horizon)
        events += [event] if event else []
    return state, events


def test_the_detector_learns_for_a_week_before_it_watches():
    state, _ = through([0.02] * WEEK)
    assert state.status == "learning"
    state, _ = through([0.02] * (WEEK + 1))
    assert state.status == "watching"
    assert state.baseline is not None
    assert np.mean(state.baseline.expected) == pytest.approx(0.02, rel=0.3)


def test_the_detector_learns_on_after_a_week_with_too_few_rows():
    assert through([0.02] * (WEEK + 10), rows=0.2)[0].status == "learning"


@pytest.mark.parametrize("seed", range(3))
def test_three_calm_weeks_with_a_weekly_wave_raise_no_alarm(seed):
    assert through([wave(hour) for hour in range(3 * WEEK)], rows=200, seed=seed)[1] == []


@pytest.mark.parametrize("seed", range(5))
def test_a_rise_from_two_to_five_per_cent_opens_one_incident_within_a_day(seed):
    rates = [0.02] * (2 * WEEK) + [0.05] * 48
    state, (opened,) = through(rates, seed=seed, rows=80)
    assert MONDAY + 2 * WEEK * HOUR <= opened.at <= MONDAY + (2 * WEEK + 24) * HOUR
    assert state.status == "open"


def test_the_summary_is_a_sentence_with_its_numbers():
    _, (opened,) = through([0.02] * WEEK + [0.2] * 24)
    usual, last = opened.detail["usual"], opened.detail["last_24_h"]
    assert opened.summary == (
        f"regret of small-7b on ticket-intent rose above its usual {percent(usual)} for these hours; last 24 h "
        f"{percent(last['estimate'])} ({percent(last['low'])}–{percent(last['high'])}), n {last['n']}"
    )
    assert opened.severity == "warning"
    assert opened.detail["evidence"] >= opened.detail["threshold"]


def test_regret_that_is_surely_above_the_limit_is_critical():
    _, (opened,) = through([0.2] * WEEK + [0.6] * 24)
    assert opened.severity == "critical"


def test_an_incident_closes_after_a_day_at_the_baseline_and_the_next_rise_opens_another():
    rates = [0.02] * (WEEK + 24) + [0.2] * 48 + [0.02] * 100 + [0.2] * 24
    state, events = through(rates)
    assert [type(event) for event in events] == [Opened, Closed, Opened]
    opened, closed, again = events
    assert closed.opened_at == opened.at
    assert closed.at - opened.at >= timedelta(hours=48)
    assert "no more than" in closed.reason
    assert again.at > closed.at
    assert state.status == "open"


def test_an_incident_stays_open_for_as_long_as_regret_stays_high():
    state, events = through([0.02] * (WEEK + 24) + [0.06] * (2 * WEEK))
    assert len(events) == 1
    assert state.status == "open"


def test_a_quiet_hour_changes_nothing():
    state, _ = through([0.02] * 10)
    assert rate_drift.step(state, MONDAY + 10 * HOUR, Moments(), WATCHED) == (state, None)


def test_a_busy_task_is_not_alarmed_more_often_for_being_busy():
    """The horizon covers weeks of its traffic, so the threshold of a busy task is higher."""
    _, (quiet,) = through([0.02] * WEEK + [0.2] * 24, rows=10)
    _, (busy,) = through([0.02] * WEEK + [0.2] * 24, rows=400)
    assert quiet.detail["threshold"] == 400_000
    assert busy.detail["threshold"] > 4 * 60_000 / 0.05


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 290), st.integers(0, 2**32))
def test_stopping_and_starting_again_anywhere_changes_nothing(cut, seed):
    rates = [0.02] * (WEEK + 100) + [0.2] * 30 + [0.01] * 150
    rng = np.random.default_rng(seed)
    hours = [(MONDAY + n * HOUR, Moments.of_counts(int(rng.binomial(9, rate)), 9)) for n, rate in enumerate(rates)]
    whole, parted = RateDriftState(), RateDriftState()
    events, parted_events = [], []
    for number, (hour, seen) in enumerate(hours):
        whole, event = rate_drift.step(whole, hour, seen, WATCHED)
        events.append(event)
        if number == cut:
            parted = msgspec.convert(msgspec.json.decode(msgspec.json.encode(parted)), RateDriftState)
        parted, event = rate_drift.step(parted, hour, seen, WATCHED)
        parted_events.append(event)
    assert parted == whole
    assert parted_events == events


def test_a_period_of_recovery_is_a_day_and_ten_expected_regrets_long():
    state, ended = Recovery(), []
    for hour in range(100):
        state, period = recovery.step(state, MONDAY + hour * HOUR, Moments.of_counts(0, 10), 0.02)
        if period is not None:
            ended.append((hour, period))
    first, period = ended[0]
    assert first == 49  # 50 hours of 10 rows, of which 2% would be usual
    assert (period.hours, period.n, period.rate) == (50, 500, 0.0)
    assert period.usual == pytest.approx(0.02)
    assert period.is_recovered
    assert len(ended) == 2


def test_a_period_above_the_baseline_is_not_recovered():
    state = Recovery()
    for hour in range(24):
        state, period = recovery.step(state, MONDAY + hour * HOUR, Moments.of_counts(3, 100), 0.02)
    assert period is not None
    assert not period.is_recovered


def weighted_sums(values, probabilities):
    sums = Sums()
    for x, probability in zip(values, probabilities, strict=True):
        sums.add(x, probability)
    return sums


def test_regret_is_weighted_by_the_largest_weight_seen_so_far():
    state = RateDriftState()
    for hour, probability in enumerate((0.1, 1.0)):
        sums = weighted_sums([1.0, 0.0], [probability] * 2)
        state, _ = regret.step(
            state, MONDAY + hour * HOUR, sums, task="t", candidate="c", source="judge", limit=0.02, horizon=20_000
        )
    assert state.heaviest == 10 * MICRO
    assert [seen.heaviest for _, seen in state.recent] == [10 * MICRO, 10 * MICRO]


def test_failures_leave_out_trials_that_were_not_sent():
    tally = Tally(pairs=100)
    tally.counts.update(
        {"failure:candidate:timeout": 3, "failure:candidate:expired": 20, "failure:frontier:refusal": 7}
    )
    assert failure_moments(tally, "candidate") == Moments.of_counts(3, 80)
    assert failure_moments(tally, "frontier") == Moments.of_counts(7, 100)


def test_a_candidate_that_starts_to_fail_is_noticed():
    state, events = RateDriftState(), []
    for hour in range(WEEK + 48):
        tally = Tally(pairs=30)
        tally.counts["failure:candidate:timeout"] = 1 if hour % 5 == 0 else 0
        tally.counts["failure:candidate:timeout"] += 8 if hour > WEEK + 24 else 0
        state, event = failures.step(state, MONDAY + hour * HOUR, tally, task="t", candidate="c", horizon=20_000)
        events += [event] if event else []
    (opened,) = events
    assert isinstance(opened, Opened)
    assert opened.at <= MONDAY + (WEEK + 30) * HOUR
    assert "c's replies on t that failed" in opened.summary


def test_a_frontier_that_starts_to_contradict_itself_is_noticed():
    state, events = RateDriftState(), []
    rng = np.random.default_rng(1)
    for hour in range(WEEK + 72):
        agreed = rng.random(10) < (0.97 if hour < WEEK + 24 else 0.7)
        sums = weighted_sums(agreed.astype(float), [0.1] * 10)
        state, event = ceiling.step_agreement(state, MONDAY + hour * HOUR, sums, task="t", frontier="f", horizon=20_000)
        events += [event] if event else []
    (opened,) = events
    assert isinstance(opened, Opened)
    assert opened.subject == "agreement"
    assert opened.summary.startswith("disagreement of f with itself on t rose above its usual")


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.25, 1.0]), st.sampled_from([0.1, 0.5, 1.0])), min_size=1, max_size=30)
)
def test_disagreement_mirrors_agreement(rows):
    values, probabilities = zip(*rows, strict=True)
    mirrored = disagreement_moments(weighted_sums(values, probabilities))
    exact = Moments.of([1 - x for x in values], probabilities)
    assert (mirrored.n, mirrored.weight, mirrored.weight_squares) == (exact.n, exact.weight, exact.weight_squares)
    assert mirrored.weighted == pytest.approx(exact.weighted, abs=len(rows))
    # Where the sums leave it open, the squares are too large rather than too small.
    assert mirrored.weighted_squares >= exact.weighted_squares - 10 * len(rows)
    if set(values) <= {0.0, 1.0} or len(set(probabilities)) == 1:
        assert mirrored.weighted_squares == pytest.approx(exact.weighted_squares, rel=1e-6, abs=10 * len(rows))


def test_equal_weights_get_the_exact_interval():
    seen = moments(weighted_sums([1.0] * 30 + [0.0] * 970, [0.25] * 1000))
    exact = interval(Moments.of_counts(30, 1000))
    assert interval(seen) == exact
    assert format_interval(exact) == "3.0% (1.6%–4.9%), n 1,000"


@pytest.mark.parametrize(("share", "shown"), [(0.0, "0.0%"), (0.021, "2.1%"), (0.00042, "0.042%"), (1.0, "100.0%")])
def test_small_shares_do_not_look_like_zero(share, shown):
    assert percent(share) == shown
