from datetime import UTC, datetime, timedelta, timezone

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.stats.detection.baseline import HOURS, Baseline, Weekly, fit_baseline, hour_of_week
from scoring.stats.detection.drift import DriftState, alarm_level, observe_hours, observe_samples
from scoring.stats.moments import MICRO, Moments

CHANGED = np.concatenate([np.random.default_rng(1).random(3_000) < 0.02, np.random.default_rng(2).random(2_000) < 0.05])


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, 5_000), max_size=6))
def test_the_state_does_not_depend_to_the_bit_on_how_a_stream_is_cut_and_stored(cuts):
    whole = observe_samples(DriftState(), CHANGED, 0.02)
    state = DriftState()
    for part in np.split(CHANGED, sorted(cuts)):
        state = msgspec.json.decode(msgspec.json.encode(observe_samples(state, part, 0.02)), type=DriftState)
    assert state == whole
    assert whole.alarmed_at is not None
    assert 3_000 < whole.alarmed_at < 4_500


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 50))
def test_the_result_does_not_depend_on_how_hours_are_divided(cut):
    hours = [(Moments.of_counts(int(part.sum()), part.size), 0.02) for part in np.split(CHANGED, 50)]
    whole = observe_hours(DriftState(), hours)
    assert observe_hours(observe_hours(DriftState(), hours[:cut]), hours[cut:]) == whole
    assert whole.alarmed
    assert whole.n == CHANGED.size


def test_a_step_of_the_statistic_is_the_one_in_the_paper():
    state = observe_samples(DriftState(), [1, 0], 0.1)
    expected = (0 + 1) * 2.0  # a regret multiplies the bet on "twice as much" by two
    expected = (expected + 1) * (1 - 0.2) / (1 - 0.1)
    assert state.evidence[1] == pytest.approx(expected)


def test_a_sample_with_a_low_weight_is_a_smaller_step():
    full, light = (observe_samples(DriftState(), [1], 0.1, relative_weights=[w]) for w in (1.0, 0.05))
    assert full == observe_samples(DriftState(), [1], 0.1)
    assert light.evidence[1] == pytest.approx(1 + 0.05 * (2 - 1))


def test_an_alarm_is_latched_and_keeps_its_evidence():
    alarmed = observe_samples(DriftState(), np.ones(100), 0.02)
    later = observe_samples(alarmed, np.zeros(100_000), 0.02)
    assert later.alarmed_at == alarmed.alarmed_at
    assert later.evidence == alarmed.evidence
    assert later.level >= alarm_level()
    assert later.n == 100_100


def test_the_most_extreme_stream_stays_finite():
    state = observe_samples(DriftState(), np.ones(5_000), 0.001, threshold=1e250)
    assert np.isfinite(state.evidence).all()
    assert np.isfinite(observe_samples(DriftState(), np.zeros(5_000), 0.9).evidence).all()


def test_hours_without_samples_change_nothing():
    state = observe_samples(DriftState(), [1, 0, 0], 0.1)
    assert observe_hours(state, [(Moments(), 0.1)]) == state
    assert observe_samples(state, [], 0.1) == state


def test_fewer_regrets_than_the_baseline_are_not_a_drift():
    assert not observe_samples(DriftState(), np.zeros(50_000), 0.02).alarmed


@pytest.mark.parametrize("baseline", [0.0, 1.0, float("nan")])
def test_a_baseline_outside_0_1_is_an_error(baseline):
    with pytest.raises(ValueError, match="baselines"):
        observe_samples(DriftState(), [1.0], baseline)
    with pytest.raises(ValueError, match="baselines"):
        observe_hours(DriftState(), [(Moments.of_counts(1, 2), baseline)])


def test_the_hour_of_the_week_is_counted_from_monday_midnight_utc():
    monday = datetime(2026, 8, 31, tzinfo=UTC)
    assert [hour_of_week(monday + timedelta(hours=h)) for h in (0, 1, 167, 168)] == [0, 1, 167, 0]
    assert hour_of_week(datetime(2026, 8, 31, 1, tzinfo=timezone(timedelta(hours=2)))) == 167
    with pytest.raises(ValueError, match="zone"):
        hour_of_week(datetime(2026, 8, 31))  # noqa: DTZ001 - a naive time is the point


def weekly(n, regrets):
    return Weekly(rows=tuple(int(each) * MICRO for each in n), regrets=tuple(int(each) * MICRO for each in regrets))


def test_a_baseline_follows_the_wave_of_the_week():
    rate = 0.02 * (1 + 0.5 * np.sin(2 * np.pi * np.arange(HOURS) / HOURS))
    baseline = fit_baseline(weekly(np.full(HOURS, 2_000), np.rint(2_000 * rate)))
    assert baseline is not None
    assert np.abs(np.array(baseline.expected) / rate - 1).max() < 0.1
    assert (np.array(baseline.cautious) > np.array(baseline.expected)).all()


def test_little_data_make_a_flat_and_cautious_baseline():
    few, much = (fit_baseline(weekly(np.full(HOURS, n), np.full(HOURS, n // 50))) for n in (50, 5_000))
    assert few is not None
    assert much is not None
    assert np.ptp(few.expected) < 1e-3
    assert few.cautious[0] / few.expected[0] > much.cautious[0] / much.expected[0]


def test_an_hour_with_a_batch_job_keeps_its_own_rate():
    rate = np.where(np.arange(HOURS) == 30, 0.2, 0.02)
    baseline = fit_baseline(weekly(np.full(HOURS, 1_000), 1_000 * rate))
    assert baseline is not None
    assert baseline.expected[30] == pytest.approx(0.2, rel=0.1)
    assert baseline.expected[100] == pytest.approx(0.02, rel=0.3)


def test_without_data_there_is_no_baseline_and_without_regrets_it_is_not_0():
    assert fit_baseline(Weekly()) is None
    calm = fit_baseline(weekly(np.full(HOURS, 100), np.zeros(HOURS)))
    assert calm is not None
    assert min(calm.expected) > 0


@pytest.mark.parametrize("rows", [1, 4, 10, 100, 10_000])
def test_after_a_week_without_regret_the_detector_still_works(rows):
    """A rate of 0 has no logarithm, and a fit that runs off towards it would allow anything."""
    calm = fit_baseline(weekly(np.full(HOURS, rows), np.zeros(HOURS)))
    assert calm is not None
    assert max(calm.cautious) <= max(5 / (HOURS * rows), 2e-4)


def test_hours_of_several_weeks_add_up():
    monday = datetime(2026, 8, 31, 7, tzinfo=UTC)
    weeks = [Weekly.of([(monday + timedelta(weeks=w), Moments.of_counts(w, 10))]) for w in range(3)]
    both = sum(weeks, Weekly())
    assert (both.rows[7], both.regrets[7], sum(both.rows), both.hours_seen) == (30 * MICRO, 3 * MICRO, 30 * MICRO, 1)


def test_rows_sampled_at_one_in_twenty_count_with_their_effective_size():
    monday = datetime(2026, 8, 31, 7, tzinfo=UTC)
    found = Weekly.of([(monday, Moments.of(np.repeat([0.0, 1.0], [90, 10]), 0.05))])
    assert (found.rows[7], found.regrets[7]) == (100 * MICRO, 10 * MICRO)


def test_a_known_rate_is_a_baseline():
    assert set(Baseline.constant(0.03).cautious) == {0.03}
