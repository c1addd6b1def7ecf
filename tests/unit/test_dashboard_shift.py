"""Effect sizes of shifts, against scipy, and against chance."""

import random
from collections import Counter

import pytest
from scipy.spatial.distance import jensenshannon

from dashboard import shift


@pytest.mark.parametrize(
    ("p", "q"), [([0.5, 0.5], [0.9, 0.1]), ([1.0, 0.0], [0.0, 1.0]), ([0.2, 0.3, 0.5], [0.2, 0.3, 0.5])]
)
def test_the_distance_of_mixes_is_scipys(p: list[float], q: list[float]) -> None:
    assert shift.jensen_shannon(p, q) == pytest.approx(float(jensenshannon(p, q, base=2)), abs=1e-7)


def test_the_distance_of_distributions_is_the_largest_gap_between_them() -> None:
    effect = shift.of_distribution("x", {0: 50, 8: 50}, {0: 100})
    assert effect.size == pytest.approx(0.5)


def test_doubling_every_value_is_a_factor_of_two() -> None:
    low = {20: 10, 24: 30, 31: 5}
    doubled = {bucket + 8: n for bucket, n in low.items()}
    assert shift.of_distribution("x", doubled, low).factor == pytest.approx(2.0)
    assert shift.of_distribution("x", low, doubled).factor == pytest.approx(0.5)


def test_an_empty_window_has_no_effect_size_instead_of_a_zero() -> None:
    assert shift.of_mix("x", {}, {"a": 1}).size is None
    assert shift.of_distribution("x", {1: 1}, {}).size is None
    assert shift.sizes([shift.of_mix("x", {}, {})]).empty


def test_two_samples_of_one_mix_rarely_look_like_a_shift() -> None:
    draw = random.Random(5)

    def sample(n: int) -> Counter[str]:
        return Counter(draw.choices("abcdef", (30, 25, 20, 15, 7, 3), k=n))

    effects = [shift.of_mix("x", sample(300), sample(800)) for _ in range(400)]
    beyond = sum(
        effect.size > effect.chance for effect in effects if effect.size is not None and effect.chance is not None
    )
    assert beyond / len(effects) < 0.09  # nominally .05, and 400 tries


def test_two_samples_of_one_distribution_rarely_look_like_a_shift() -> None:
    draw = random.Random(6)

    def sample(n: int) -> Counter[int]:
        return Counter(round(draw.gauss(60, 8)) for _ in range(n))

    effects = [shift.of_distribution("x", sample(300), sample(800)) for _ in range(400)]
    beyond = sum(
        effect.size > effect.chance for effect in effects if effect.size is not None and effect.chance is not None
    )
    assert beyond / len(effects) < 0.09


def test_the_largest_effect_stands_first() -> None:
    effects = [shift.of_mix("small", {"a": 50, "b": 50}, {"a": 55, "b": 45}), shift.of_mix("large", {"a": 9}, {"b": 9})]
    assert list(shift.sizes(effects)["name"]) == ["large", "small"]


def test_values_of_the_clock_keep_their_order() -> None:
    assert list(dict.fromkeys(shift.mix({"Tue": 9, "Mon": 1}, {"Sun": 5})["value"])) == ["Mon", "Tue", "Sun"]
    assert list(dict.fromkeys(shift.mix({"13:00": 9, "02:00": 1}, {})["value"])) == ["02:00", "13:00"]
    assert list(dict.fromkeys(shift.mix({"de": 9, "en": 20}, {"fr": 1})["value"])) == ["fr", "en", "de"]


def test_distributions_are_shown_with_the_empty_buckets_between() -> None:
    frame = shift.densities({3: 1}, {6: 1})
    assert len(frame) == 2 * 6
    assert frame.groupby("window")["share"].sum().to_dict() == {"current": 1.0, "reference": 1.0}
