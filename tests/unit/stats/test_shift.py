from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.stats.exploration.shift import histogram_shift, mix_shift, number_shift, ranked, stability_index
from scoring.stats.exploration.text_shift import feature_shift, hashed_ngrams, text_shift

WORDS = np.array(["refund", "order", "card", "login", "help", "please", "where", "is", "my", "parcel"])
MIXES = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 1_000), min_size=1)


def texts(seed, n, share_of_new):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, 8)) + " crypto wallet" * (rng.random() < share_of_new) for _ in range(n)]


@settings(deadline=None, max_examples=25)
@given(MIXES, MIXES)
def test_a_mix_has_an_effect_between_0_and_1_whichever_window_is_first(one, other):
    found, swapped = mix_shift("m", one, other, permutations=19), mix_shift("m", other, one, permutations=19)
    assert found.effect is not None
    assert 0 <= found.effect <= 1 + 1e-9
    assert found.effect == pytest.approx(swapped.effect)
    assert found.psi == pytest.approx(swapped.psi)
    assert found.p_value is not None
    assert 0 < found.p_value <= 1


def test_nothing_in_common_is_1_and_the_same_is_0():
    assert mix_shift("m", {"a": 100}, {"b": 100}).effect == pytest.approx(1)
    same = mix_shift("m", {"a": 70, "b": 30}, {"a": 70, "b": 30})
    assert same.effect == pytest.approx(0, abs=1e-9)
    assert same.p_value == 1


def test_the_same_counts_give_the_same_p_value():
    assert mix_shift("m", {"a": 60, "b": 40}, {"a": 50, "b": 50}) == mix_shift(
        "m", {"a": 60, "b": 40}, {"a": 50, "b": 50}
    )


def test_the_stability_index_is_the_textbook_one():
    p, q = np.array([0.6, 0.4]), np.array([0.5, 0.5])
    assert stability_index(p * 1e6, q * 1e6) == pytest.approx(float(((p - q) * np.log(p / q)).sum()), rel=1e-4)


def test_a_small_effect_is_no_shift_even_with_a_million_rows():
    [found] = ranked([mix_shift("plan", {"a": 505_000, "b": 495_000}, {"a": 500_000, "b": 500_000})])
    assert found.p_value == pytest.approx(0.001)
    assert found.status == "too_small_to_matter"


def test_the_largest_effect_comes_first_with_its_contributions():
    still = mix_shift("plan", {"pro": 300, "free": 700}, {"pro": 310, "free": 690})
    moved = mix_shift("locale", {"de": 700, "en": 300}, {"de": 400, "en": 600})
    none = mix_shift("gone", {}, {"x": 5})
    found = ranked([none, still, moved])
    assert [each.name for each in found] == ["locale", "plan", "gone"]
    assert [each.status for each in found] == ["shifted", "within_chance", "no_data"]
    assert dict(found[0].contributions)["de"] == pytest.approx(0.3)
    assert found[0].p_value == pytest.approx(0.001)
    assert found[0].q_value == pytest.approx(0.002)


def test_values_beyond_the_maximum_are_counted_together():
    one, other = ({f"{side}{i}": 1 for i in range(1_000)} for side in ("u", "v"))
    found = mix_shift("user", one | {"both": 5_000}, other | {"both": 5_000})
    assert found.n_current == 6_000
    assert found.effect is not None
    assert found.effect < 0.5


def test_longer_texts_are_found_in_numbers_and_in_buckets_alike():
    rng = np.random.default_rng(1)
    now, then = rng.lognormal(3.5, 1, 3_000), rng.lognormal(3, 1, 3_000)
    single = number_shift("length", now, then)
    in_buckets = [Counter(np.log2(each).astype(int).tolist()) for each in (now, then)]
    bucketed = histogram_shift("length", in_buckets[0], in_buckets[1])
    for found in (single, bucketed):
        assert found.p_value == pytest.approx(0.001)
        assert found.effect == pytest.approx(0.2, abs=0.06)
    assert single.wasserstein == pytest.approx(now.mean() - then.mean(), rel=0.01)
    assert bucketed.wasserstein == pytest.approx(0.5 / np.log(2), rel=0.1)


def test_ties_and_constants_are_not_a_shift():
    assert number_shift("length", [5.0] * 50, [5.0] * 80).p_value == 1
    assert number_shift("length", [], [1.0]).effect is None
    assert histogram_shift("length", {}, {1: 1}).effect is None


def test_new_words_are_among_the_contributions():
    found = text_shift("input", texts(1, 600, 0.4), texts(2, 900, 0.0))
    assert found.effect is not None
    assert found.effect > 0.2
    assert found.p_value is not None
    assert found.p_value < 1e-6
    assert {word for word, _ in found.contributions[:2]} == {"crypto", "wallet"}
    assert found.contributions[0][1] > 0
    assert (found.n_current, found.n_reference) == (600, 900)


def test_texts_of_one_distribution_are_not_a_shift():
    p_values = [text_shift("input", texts(seed, 150, 0.1), texts(seed + 100, 150, 0.1)).p_value for seed in range(12)]
    assert sum(p is not None and p <= 0.05 for p in p_values) <= 3


def test_too_few_texts_have_no_effect_size():
    assert text_shift("input", ["a"] * 5, ["b"] * 500).effect is None
    assert ranked([text_shift("input", [], [])])[0].status == "no_data"


def test_embeddings_may_replace_words():
    rng = np.random.default_rng(1)
    shift, weights = feature_shift("input", rng.normal(0.8, 1, (300, 4)), rng.normal(0, 1, (300, 4)))
    assert shift.p_value is not None
    assert shift.p_value < 1e-6
    assert (weights > 0).all()


def test_hashing_is_the_same_everywhere_and_survives_any_text():
    rows = hashed_ngrams(["Where is my order", "where IS my ORDER", "", "\ud800 lone"])
    assert (rows[[0]] != rows[[1]]).nnz == 0
    assert rows[[2]].nnz == 0
    assert rows[[0]].power(2).sum() == pytest.approx(1)
