"""The worst crossings: found on one half, confirmed on the other, and never made by the sampling."""

import random

import pytest

from scoring.evidence.worst_slices import MIN_ROWS, WorstCrossings, measure_for, worst_crossings

PAIRS = 6_000


def search(
    bad: float = 0.1,
    *,
    rates: tuple[float, float] = (1.0, 1.0),
    seed: int = 1,
    users: int = 0,
    measure: str = "agreement",
) -> WorstCrossings:
    """Pairs that agree 95% of the time, but German long ones less by `bad`; mobile ones are sampled by `rates`."""
    rng = random.Random(1)
    rows = []
    for number in range(PAIRS):
        locale, length, device = rng.choice(("de", "en", "fr")), rng.choice(("long", "short")), rng.choice("md")
        rate = rates[device == "m"]
        if rng.random() < rate:
            agrees = rng.random() > 0.05 + (bad if (locale, length) == ("de", "long") else 0)
            rows.append((f"x{number}", f"u{number // 2}", locale, length, device, float(agrees), rate))
    ids, units, locales, lengths, devices, scores, chances = zip(*rows, strict=True)
    return worst_crossings(
        ids=ids,
        units=units,
        dimensions={"locale": locales, "length": lengths, "device": devices},
        scores=scores if measure == "agreement" else [1 - score for score in scores],
        probabilities=chances,
        measure="agreement" if measure == "agreement" else "reference",
    )


@pytest.mark.parametrize("measure", ["agreement", "reference"])
def test_the_planted_crossing_is_found_and_confirmed(measure: str):
    found = search(0.15, measure=measure)
    assert found.reason == "found"
    worst = found.crossings[0]
    assert worst.where == {"locale": "de", "length": "long"}
    assert worst.rate == pytest.approx(0.2, abs=0.06)
    assert worst.rest == pytest.approx(0.05, abs=0.02)
    assert worst.q_value <= 0.1
    assert (found.measure, found.source) == (
        ("disagreement", None) if measure == "agreement" else ("regret", "reference")
    )
    assert (found.n, found.searched > 10) == (PAIRS, True)


def test_nothing_worse_is_a_reason():
    found = search(0.0)
    assert (found.crossings, found.reason) == ([], "nothing_worse")


def test_too_few_pairs_and_missing_dimensions_are_reasons():
    nothing = worst_crossings(ids=[], units=[], dimensions={}, scores=[], probabilities=[])
    assert (nothing.reason, nothing.n) == ("not_enough_data", 0)
    many = [str(i) for i in range(500)]
    plain = worst_crossings(ids=many, units=[None] * 500, dimensions={}, scores=[1.0] * 500, probabilities=[1.0] * 500)
    assert plain.reason == "no_dimensions"


def test_pairs_sampled_with_a_higher_probability_are_thinned_out():
    found = search(0.3, rates=(1.0, 0.8))
    assert found.n == pytest.approx(0.8 * PAIRS, rel=0.05)
    assert found.left_out == 0
    assert found.crossings[0].where == {"locale": "de", "length": "long"}
    # The choice is fixed.
    assert search(0.3, rates=(1.0, 0.8)) == found


def test_a_few_rarely_sampled_pairs_do_not_thin_out_all_the_others():
    found = search(0.3, rates=(1.0, 0.05))
    assert found.n == pytest.approx(PAIRS / 2, rel=0.05)
    assert found.left_out == pytest.approx(0.05 * PAIRS / 2, rel=0.3)
    assert found.crossings[0].where == {"locale": "de", "length": "long"}


def test_the_search_is_by_regret_where_enough_pairs_have_one():
    assert measure_for("human", MIN_ROWS) == "human"
    assert measure_for("human", MIN_ROWS - 1) == "agreement"
    assert measure_for(None, 10_000) == "agreement"
