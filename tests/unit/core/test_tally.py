"""Tallies add up to the same whole numbers in any order and any division."""

from collections import Counter
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.aggregates import counting, tally
from shadow.aggregates.tally import Cell, Sums, Tally
from tests.support.store_samples import Scored, various

PAIRS = various(120)
some_pairs = st.lists(st.sampled_from(PAIRS), max_size=20)


def counted(pairs: list[Scored]) -> dict[Cell, Tally]:
    tallies: dict[Cell, Tally] = {}
    for trial, comparison in pairs:
        counting.count(tallies, trial, comparison)
    return tallies


def added(first: dict[Cell, Tally], second: dict[Cell, Tally]) -> dict[Cell, Tally]:
    return {
        cell: tally.total(part[cell] for part in (first, second) if cell in part)
        for cell in first.keys() | second.keys()
    }


@given(some_pairs, some_pairs)
def test_tallies_of_parts_add_up_to_the_tally_of_the_whole(first, second):
    assert added(counted(first), counted(second)) == counted(first + second)


@given(some_pairs, st.randoms())
def test_the_result_does_not_depend_on_the_order_of_counting(pairs, chance):
    shuffled = pairs.copy()
    chance.shuffle(shuffled)
    assert counted(shuffled) == counted(pairs)


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(1e-6, 1)), max_size=50), st.randoms())
def test_sums_of_any_fractions_are_exact_in_any_order(terms, chance):
    whole, shuffled = Sums(), Sums()
    for x, probability in terms:
        whole.add(x, probability)
    chance.shuffle(terms)
    for x, probability in terms:
        shuffled.add(x, probability)
    assert whole == shuffled


def test_sums_are_what_their_names_mean():
    sums = Sums()
    for x, probability in ((1.0, 1.0), (0.5, 0.25)):
        sums.add(x, probability)
    assert sums == Sums(
        n=2,
        total=1_500_000,
        squares=1_250_000,
        weight=5_000_000,
        weight_squares=17_000_000,
        weighted=3_000_000,
        weighted_squares=5_000_000,
        heaviest=4_000_000,
    )


@pytest.mark.parametrize("moment", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)])
def test_the_ends_of_the_calendar_do_not_overflow(moment):
    for offset in (-10, 10):
        assert tally.utc(moment.replace(tzinfo=timezone(timedelta(hours=offset)))).tzinfo == UTC


@given(st.lists(st.floats(1, 1e7), min_size=1, max_size=200), st.floats(0, 1))
def test_quantiles_are_within_a_half_bucket_of_the_exact_ones(values, q):
    histogram = Counter(map(tally.bucket, values))
    found = tally.quantile(histogram, q)
    rank = max(0, -int(-q * len(values) // 1) - 1)  # the smallest value with at least q of all at or below it
    exact = sorted(values)[rank]
    assert found is not None
    assert abs(found / exact - 1) < 0.046


def test_the_quantile_of_nothing_is_none():
    assert tally.quantile({}, 0.5) is None


def test_values_below_one_share_the_lowest_bucket():
    assert {tally.bucket(x) for x in (-5.0, 0.0, 0.3, 1.0)} == {0}
