import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.stats.sequential import binomial_interval, binomial_intervals, log_wealth


@pytest.mark.parametrize(
    ("successes", "n", "t_opt", "low", "high"),
    [(700, 1000, 100, 0.651629, 0.745949), (100, 200, 1, 0.328923, 0.671076)],
)
def test_the_bounds_are_the_published_ones(successes: int, n: int, t_opt: float, low: float, high: float):
    found = binomial_interval(successes, n, 0.05, t_opt)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-6)


def test_without_data_the_bounds_are_the_whole_range():
    found = binomial_interval(0, 0)
    assert (found.estimate, found.low, found.high, found.n) == (None, 0, 1, 0)


@pytest.mark.parametrize(("successes", "n"), [(-1, 5), (6, 5), (float("nan"), 5), (1, float("inf"))])
def test_impossible_counts_are_an_error(successes: float, n: float):
    with pytest.raises(ValueError, match="successes"):
        binomial_interval(successes, n)


@pytest.mark.parametrize(("alpha", "t_opt"), [(0, 300), (1, 300), (0.05, 0)])
def test_impossible_levels_are_an_error(alpha: float, t_opt: float):
    with pytest.raises(ValueError, match="alpha"):
        binomial_interval(1, 2, alpha, t_opt)


#: Successes are sums of scores, which are whole millionths.
COUNTS = st.integers(1, 10**7).flatmap(
    lambda n: st.tuples(st.integers(0, n * 10**6).map(lambda micros: micros / 10**6), st.just(n))
)


@given(COUNTS)
def test_the_estimate_is_inside_and_failures_mirror_successes(counts: tuple[float, int]):
    successes, n = counts
    found, mirrored = binomial_interval(successes, n), binomial_interval(n - successes, n)
    assert found.estimate is not None
    assert 0 <= found.low <= found.estimate <= found.high <= 1
    assert (found.low, found.high) == pytest.approx((1 - mirrored.high, 1 - mirrored.low), abs=1e-7)


@given(COUNTS)
def test_just_outside_the_bounds_the_bet_is_won(counts: tuple[float, int]):
    found = binomial_interval(*counts)
    for outside in (found.low * (1 - 1e-3), found.high + (1 - found.high) * 1e-3):
        if 0 < outside < 1:
            assert log_wealth(outside, *counts) >= np.log(1 / 0.05) - 1e-6


def test_many_at_once_are_the_same_as_one_by_one():
    n = np.array([0, 1, 10, 200, 5000])
    successes = np.array([0, 1, 0, 31.5, 150])
    lows, highs = binomial_intervals(successes, n)
    for row in zip(successes, n, lows, highs, strict=True):
        found = binomial_interval(*row[:2])
        assert (found.low, found.high) == pytest.approx(row[2:])


def test_enormous_counts_stay_exact():
    found = binomial_interval(10**9, 2 * 10**9)
    assert 0.4999 < found.low < 0.5 < found.high < 0.5001
