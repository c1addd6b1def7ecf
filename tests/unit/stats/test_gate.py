import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from scoring.stats.ceiling import excess_disagreement, excess_of_counts
from scoring.stats.gate import plan_gate, read_gate
from scoring.stats.moments import Moments


def test_a_gate_without_samples_is_undecided_with_a_reason():
    reading = read_gate(Moments(), 0.05)
    assert (reading.status, reading.reason, reading.n) == ("undecided", "no_samples", 0)


def test_a_gate_opens_and_closes_on_evidence_only():
    assert read_gate(Moments.of_counts(10, 1_000), 0.05).status == "open"
    assert read_gate(Moments.of_counts(100, 1_000), 0.05).status == "closed"
    few = read_gate(Moments.of_counts(0, 20), 0.05)
    assert (few.status, few.reason) == ("undecided", "not_enough_evidence")


@pytest.mark.parametrize("n", [20, 200])
def test_the_evidence_is_expected_to_be_at_most_1_at_the_limit(n):
    counts = np.arange(n + 1)
    readings = [read_gate(Moments.of_counts(int(s), n), 0.05) for s in counts]
    chance = binom.pmf(counts, n, 0.05)
    assert sum(chance * np.array([each.e_below for each in readings])) <= 1 + 1e-9
    assert sum(chance * np.array([each.e_above for each in readings])) <= 1 + 1e-9


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 2_000).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))))
def test_one_more_regret_is_never_evidence_for_the_candidate(counts):
    s, n = counts
    fewer, more = (read_gate(Moments.of_counts(k, n), 0.05) for k in (s, s + 1))
    assert more.e_below <= fewer.e_below * (1 + 1e-9)
    assert more.e_above >= fewer.e_above * (1 - 1e-9)


def test_samples_with_low_weights_are_little_evidence():
    x = np.repeat([0.0, 1.0], [990, 10])
    equal, unequal = (read_gate(Moments.of(x, p), 0.05) for p in (1.0, np.repeat([1.0, 0.05], [990, 10])))
    assert equal.status == "open"
    assert unequal.status != "open"


def test_the_plan_has_samples_and_days():
    plan = plan_gate(0.05, 0.03, samples_a_day=200)
    assert plan.samples_median is not None
    assert plan.samples_p90 is not None
    assert 500 < plan.samples_median < 800 < plan.samples_p90
    assert plan.days_median == plan.samples_median / 200
    assert plan.reason is None


def test_a_better_candidate_needs_fewer_samples():
    medians = [plan_gate(0.05, rate, 100).samples_median for rate in (0.0, 0.01, 0.03, 0.04)]
    assert medians == sorted(medians, key=lambda each: each or 0)


def test_a_plan_that_cannot_succeed_has_a_reason():
    assert plan_gate(0.05, 0.05, 100).reason == "expected_regret_not_below_limit"
    assert plan_gate(0.05, 0.04999, 100).reason == "longer_than_any_plan"


@pytest.mark.parametrize("limit", [0.0, 1.0])
def test_a_limit_outside_0_1_is_an_error(limit):
    with pytest.raises(ValueError, match="limit"):
        read_gate(Moments(), limit)


def test_excess_disagreement_is_what_the_candidate_adds_to_the_noise():
    candidate = np.repeat([0.0, 1.0], [300, 700])
    ceiling = np.repeat([1.0, 0.0, 1.0], [300, 100, 600])
    found = excess_disagreement(candidate, ceiling)
    assert found.interval.estimate == pytest.approx(0.2)
    assert found.status == "worse"
    counted = excess_of_counts(300, 100, 1_000)
    assert (counted.interval.low, counted.interval.high) == pytest.approx((found.interval.low, found.interval.high))


def test_a_candidate_as_noisy_as_the_frontier_is_not_called_worse():
    assert excess_of_counts(50, 50, 1_000).status == "undecided"
    assert excess_of_counts(10, 200, 1_000).status == "better"


def test_without_pairs_there_is_no_ceiling():
    for found in (excess_of_counts(0, 0, 0), excess_disagreement([], [])):
        assert found.status == "no_ceiling"
        assert (found.interval.estimate, found.interval.low, found.interval.high) == (None, -1, 1)


def test_impossible_agreements_are_an_error():
    with pytest.raises(ValueError, match="candidate agreements"):
        excess_disagreement([2.0], [1.0])
    with pytest.raises(ValueError, match="not among"):
        excess_of_counts(3, 3, 5)


@settings(deadline=None, max_examples=20)
@given(st.tuples(st.integers(0, 200), st.integers(0, 200), st.integers(1, 500)))
def test_excess_stays_in_its_range_and_swaps_sides(counts):
    one, other, same = counts
    found, swapped = excess_of_counts(one, other, one + other + same), excess_of_counts(other, one, one + other + same)
    assert -1 <= found.interval.low <= (found.interval.estimate or 0) + 1e-9
    assert found.interval.low == pytest.approx(-swapped.interval.high, abs=1e-7)
