import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from scoring.stats.ebh import e_benjamini_hochberg, e_q_values
from scoring.stats.exploration.slices import confirming_half, find_slices
from scoring.stats.moments import Moments
from scoring.stats.segments import e_values_above, e_values_against_rest, judge_segments


def test_e_bh_rejects_as_published():
    assert e_benjamini_hochberg([60, 30, 14, 1, 0.2], 0.1).tolist() == [True, True, False, False, False]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1e6), max_size=30), st.floats(0.01, 0.5))
def test_e_bh_rejects_the_largest_set_whose_e_values_are_all_large_enough(e_values, alpha):
    k = max((k for k in range(1, len(e_values) + 1) if sorted(e_values)[-k] >= len(e_values) / (alpha * k)), default=0)
    rejected = e_benjamini_hochberg(e_values, alpha)
    assert rejected.sum() >= k  # ties with the k-th may add none, for then k would be larger
    assert rejected.sum() == k or np.isclose(e_q_values(e_values)[rejected], alpha).any()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_the_order_of_hypotheses_does_not_matter(e_values, random):
    order = random.sample(range(len(e_values)), len(e_values))
    assert e_q_values(e_values)[order].tolist() == e_q_values(np.array(e_values)[order]).tolist()


@pytest.mark.parametrize("wrong", [[-1.0], [float("nan")]])
def test_an_invalid_e_value_is_an_error(wrong):
    with pytest.raises(ValueError, match="e-values"):
        e_q_values(wrong)


@pytest.mark.parametrize(("rate", "n"), [(0.02, 50), (0.02, 500), (0.3, 20)])
def test_an_e_value_is_expected_to_be_at_most_1_at_the_limit(rate, n):
    counts = np.arange(n + 1)
    e = e_values_above(rate, [Moments.of_counts(int(s), n) for s in counts])
    assert (binom.pmf(counts, n, rate) * e).sum() <= 1 + 1e-9


def test_against_the_rest_an_e_value_is_expected_to_be_at_most_1_when_both_are_alike():
    n, m, rate = 20, 40, 0.2
    pairs = [(s, r) for s in range(n + 1) for r in range(m + 1)]
    e = e_values_against_rest([Moments.of_counts(s, n) for s, _ in pairs], [Moments.of_counts(r, m) for _, r in pairs])
    chance = np.array([binom.pmf(s, n, rate) * binom.pmf(r, m, rate) for s, r in pairs])
    assert (chance * e).sum() <= 1


def test_the_rest_gives_almost_as_much_evidence_as_a_known_limit():
    segment, rest = Moments.of_counts(60, 1_000), Moments.of_counts(1_000, 50_000)
    against_limit, against_rest = e_values_above(0.02, [segment])[0], e_values_against_rest([segment], [rest])[0]
    assert against_limit > against_rest > 1e6
    assert e_values_against_rest([rest], [segment])[0] < 1


def test_segments_without_data_have_no_evidence():
    assert e_values_above(0.02, [Moments()])[0] == pytest.approx(1)
    assert e_values_against_rest([Moments()], [Moments()])[0] <= 1
    assert e_values_above(0.02, []).size == 0


def test_segments_with_few_rows_are_not_enough_data():
    readings = judge_segments([500.0, 1.0, 1.0], sizes=[40, 40, 400], alpha=0.1)
    assert [each.status for each in readings] == ["worse", "not_enough_data", "no_evidence"]


def world(seed, rate_in_slice, rows=8_000):
    rng = np.random.default_rng(seed)
    values = {name: rng.integers(0, size, rows) for name, size in (("locale", 4), ("length", 3), ("hour", 24))}
    bad = (values["locale"] == 1) & (values["length"] == 2)
    regret = (rng.random(rows) < np.where(bad, rate_in_slice, 0.02)).astype(float)
    return {name: [f"v{v}" for v in each] for name, each in values.items()}, regret


def test_the_search_finds_and_confirms_the_crossing_that_is_worse():
    dimensions, regret = world(1, 0.15)
    found = find_slices(dimensions, regret, confirming_half([str(i) for i in range(regret.size)]))
    assert found.reason == "found"
    assert found.slices[0].where == (("locale", "v1"), ("length", "v2"))
    assert found.slices[0].confirmed
    assert found.slices[0].rate > 5 * found.slices[0].rest
    assert [each.confirmed for each in found.slices].count(True) == 1


def test_cells_give_the_same_slices_as_rows():
    dimensions, regret = world(1, 0.15)
    half = confirming_half([str(i) for i in range(regret.size)])
    keys = list(zip(*dimensions.values(), half.tolist(), strict=True))
    cells = sorted(set(keys))
    index = {cell: k for k, cell in enumerate(cells)}
    at = np.array([index[key] for key in keys])
    n = np.bincount(at)
    found = find_slices(
        {name: [cell[d] for cell in cells] for d, name in enumerate(dimensions)},
        np.bincount(at, weights=regret) / n,
        np.array([cell[-1] for cell in cells]),
        counts=n,
    )
    by_rows = find_slices(dimensions, regret, half)
    assert [(each.where, each.n) for each in found.slices] == [(each.where, each.n) for each in by_rows.slices]


def test_where_nothing_is_worse_there_is_a_reason():
    dimensions, regret = world(2, 0.02)
    found = find_slices(dimensions, regret, confirming_half([str(i) for i in range(regret.size)]))
    assert found.reason == "nothing_worse"
    assert found.searched > 50


def test_with_few_rows_there_is_no_search():
    assert find_slices({"a": ["x"] * 10}, np.ones(10), np.arange(10) % 2).reason == "not_enough_data"


def test_rows_without_a_value_are_in_no_slice_of_that_dimension():
    rng = np.random.default_rng(1)
    values = np.where(np.arange(4_000) % 2, "x", "").tolist()
    found = find_slices({"a": values}, np.where(np.arange(4_000) % 2, 0.0, 1.0), rng.random(4_000) < 0.5)
    assert found.slices == ()


def test_dimensions_of_another_length_are_an_error():
    with pytest.raises(ValueError, match="same length"):
        find_slices({"a": ["x"]}, [0.0, 1.0], [True, False])


@settings(max_examples=20)
@given(st.lists(st.text(), min_size=1))
def test_a_row_is_always_in_the_same_half(ids):
    assert confirming_half(ids).tolist() == [bool(confirming_half([each])[0]) for each in ids]
