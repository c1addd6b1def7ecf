import json

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.stats.betting import BettingState, bounded_interval, interval_of, observe
from scoring.stats.moments import Moments
from scoring.stats.sequential import binomial_interval
from scoring.stats.unit_means import unit_interval, unit_interval_of_sums
from scoring.stats.weighted import interval_of_moments, intervals_of_moments, weighted_interval
from shadow.aggregates.tally import Sums

SCORES = st.lists(st.floats(0, 1), max_size=60)
PROBABILITIES = st.floats(0.01, 1)
ROWS = st.lists(st.tuples(st.floats(0, 1), PROBABILITIES), min_size=1, max_size=60)


def assert_sound(found, mean=None):
    assert 0 <= found.low <= found.high <= 1
    if mean is not None:
        assert found.estimate == pytest.approx(mean, abs=1e-5)
        assert found.low - 1e-9 <= found.estimate <= found.high + 1e-9


@pytest.mark.parametrize(
    "empty",
    [bounded_interval([]), weighted_interval([], []), interval_of_moments(Moments()), interval_of(BettingState())],
)
def test_without_data_every_interval_is_the_whole_range(empty):
    assert (empty.estimate, empty.low, empty.high, empty.n) == (None, 0, 1, 0)


@settings(deadline=None, max_examples=25)
@given(SCORES.filter(len))
def test_the_bounds_hold_the_mean_and_stay_in_0_1(scores):
    assert_sound(bounded_interval(scores), np.mean(scores))
    assert_sound(interval_of_moments(Moments.of(scores)), np.mean(scores))


@settings(deadline=None, max_examples=25)
@given(ROWS)
def test_weighted_bounds_hold_the_weighted_mean(rows):
    x, probability = (np.array(each) for each in zip(*rows, strict=True))
    mean = (x / probability).sum() / (1 / probability).sum()
    exact = weighted_interval(x, probability)
    assert_sound(exact, mean)
    from_sums = interval_of_moments(Moments.of(x, probability))
    assert_sound(from_sums, mean)
    # Sums know less than rows, so they must claim less (up to the rounding of the sums).
    assert from_sums.low <= exact.low + 1e-4
    assert from_sums.high >= exact.high - 1e-4


@settings(deadline=None, max_examples=25)
@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows, random):
    shuffled = random.sample(rows, len(rows))
    one, other = (np.array(each).T for each in (rows, shuffled))
    assert Moments.of(one[0], one[1]) == Moments.of(other[0], other[1])
    assert observe(BettingState(), one[0], one[1]) == observe(BettingState(), other[0], other[1])
    assert weighted_interval(one[0], one[1]).low == pytest.approx(weighted_interval(other[0], other[1]).low, abs=1e-9)


@settings(deadline=None, max_examples=25)
@given(ROWS, st.integers(0, 60))
def test_the_state_does_not_depend_on_how_a_stream_is_cut_and_stored(rows, cut):
    x, probability = (np.array(each) for each in zip(*rows, strict=True))
    state = observe(BettingState(), x[:cut], probability[:cut])
    restored = msgspec.json.decode(msgspec.json.encode(state), type=BettingState)
    whole = observe(BettingState(), x, probability)
    assert observe(restored, x[cut:], probability[cut:]) == whole
    assert state + observe(BettingState(), x[cut:], probability[cut:]) == whole
    assert whole.n == len(rows)


@settings(deadline=None, max_examples=25)
@given(ROWS, st.integers(0, 60))
def test_sums_of_parts_are_the_sums_of_the_whole(rows, cut):
    x, probability = (np.array(each) for each in zip(*rows, strict=True))
    parts = Moments.of(x[:cut], probability[:cut]) + Moments.of(x[cut:], probability[cut:])
    assert parts == Moments.of(x, probability)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 50), st.integers(2, 20))
def test_more_rows_of_the_same_mean_narrow_the_interval(successes, times):
    few, many = (interval_of_moments(Moments.of_counts(k * successes, k * 50)) for k in (1, times))
    assert many.high - many.low < few.high - few.low


def test_scores_that_vary_little_get_a_narrow_interval():
    scores = np.random.default_rng(1).beta(16, 4, 1_000)
    found, as_counts = bounded_interval(scores), binomial_interval(scores.sum(), 1_000)
    assert found.high - found.low < (as_counts.high - as_counts.low) / 3


def test_the_histogram_is_almost_as_good_as_the_scores_themselves():
    scores = np.random.default_rng(1).random(500)
    marked, exact = bounded_interval(scores), weighted_interval(scores, np.ones(500))
    assert marked.low <= exact.low + 1e-9
    assert marked.high >= exact.high - 1e-9
    assert marked.high - marked.low < 1.001 * (exact.high - exact.low)


def test_counts_of_0_and_1_are_exact_from_sums():
    x = np.repeat([0.0, 1.0], [970, 30])
    sums, rows = interval_of_moments(Moments.of(x)), bounded_interval(x)
    assert (sums.low, sums.high) == pytest.approx((rows.low, rows.high), abs=1e-7)


def test_the_sums_are_those_of_the_rollups():
    rollup = Sums()
    x, probability = [0.0, 1.0, 0.25, 1.0], [0.05, 0.2, 1.0, 0.3]
    for row in zip(x, probability, strict=True):
        rollup.add(*row)
    assert Moments.of_sums(rollup, smallest_probability=0.05) == Moments.of(x, probability)


def test_many_segments_at_once_are_the_same_as_one_by_one():
    many = [Moments.of_counts(s, n) for s, n in ((0, 0), (0, 10), (3, 100), (50, 50))] + [Moments.of([0.5], [0.1])]
    for one, found in zip(many, intervals_of_moments(many), strict=True):
        assert found == interval_of_moments(one)


def test_unequal_sampling_is_corrected_by_weights():
    x, probability = np.array([1.0] * 60 + [0.0] * 140), np.array([1.0] * 60 + [0.1] * 140)
    assert weighted_interval(x, probability).estimate == pytest.approx(60 / 1_460)


@pytest.mark.parametrize(
    ("values", "probabilities", "message"),
    [
        ([2.0], [1.0], "values"),
        ([np.nan], [1.0], "values"),
        ([1.0], [0.0], "probabilities"),
        ([1.0], [np.nan], "probabilities"),
        ([1.0, 0.0, 1.0], [1.0, 0.5], "3 values but 2"),
    ],
)
def test_invalid_values_or_probabilities_are_an_error(values, probabilities, message):
    for use in (weighted_interval, Moments.of, lambda x, p: observe(BettingState(), x, p)):
        with pytest.raises(ValueError, match=message):
            use(values, probabilities)


def test_a_probability_below_the_configured_smallest_is_an_error():
    with pytest.raises(ValueError, match="smallest_probability"):
        weighted_interval([1.0], [0.1], smallest_probability=0.5)
    with pytest.raises(ValueError, match="smallest_probability"):
        interval_of(observe(BettingState(), [1.0], [0.1]), smallest_probability=0.5)


def test_rollups_with_a_probability_below_the_configured_smallest_are_an_error():
    rollup = Sums()
    for probability in (1.0, 1.0, 0.5):
        rollup.add(1.0, probability)
    with pytest.raises(ValueError, match="less than smallest_probability"):
        Moments.of_sums(rollup)
    assert Moments.of_sums(rollup, smallest_probability=0.5).n == 3


def test_enormous_sums_are_stored_exactly():
    moments = Moments.of([1.0], [1e-6]) + Moments(n=10**12, weight_squares=10**25)
    assert msgspec.json.decode(msgspec.json.encode(moments), type=Moments) == moments
    assert json.loads(msgspec.json.encode(moments))["n"] == 10**12 + 1


def test_units_count_equally_however_many_calls_they_made():
    found = unit_interval([1, 1, 1, 1, 0, 0], ["anna", "anna", "anna", "anna", "ben", "cleo"])
    assert found.interval.estimate == pytest.approx(1 / 3, abs=1e-6)
    assert (found.calls, found.units, found.interval.n, found.reason) == (6, 3, 3, None)


def test_units_with_one_call_each_change_nothing():
    scores = np.random.default_rng(1).random(30)
    found = unit_interval(scores, np.arange(30))
    assert found.reason == "one_call_a_unit"
    assert (found.interval.low, found.interval.high) == pytest.approx(
        (bounded_interval(scores).low, bounded_interval(scores).high)
    )


def test_units_may_be_given_as_sums():
    by_call = unit_interval([1, 0.5, 0, 0.25], ["anna", "anna", "ben", "cleo"])
    assert unit_interval_of_sums([1.5, 0, 0.25], [2, 1, 1]) == by_call
    assert unit_interval_of_sums([], []).reason == "no_calls"
    with pytest.raises(ValueError, match="scores in"):
        unit_interval_of_sums([2.5], [2])
    with pytest.raises(ValueError, match="1 sums but 2"):
        unit_interval_of_sums([1], [1, 1])


def test_units_without_calls_have_a_reason():
    assert unit_interval([], []).reason == "no_calls"
    with pytest.raises(ValueError, match="1 values but 2 units"):
        unit_interval([1.0], ["a", "b"])
