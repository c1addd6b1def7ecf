import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.stats.judges import agreement_of_table, judge_quality, rater_agreement
from scoring.stats.two_phase import (
    TwoPhase,
    labelling_probabilities,
    labels_needed,
    two_phase_anytime,
    two_phase_interval,
)

COUNTS = TwoPhase(
    judged_worse=1_100,
    judged_fine=8_900,
    labelled_worse=150,
    labelled_fine=150,
    worse_of_worse=58,
    worse_of_fine=1,
)


def test_the_published_example_of_a_paradox():
    # Gwet 2008, table 3 in proportions: nearly perfect agreement that κ calls worse than chance.
    found = agreement_of_table([[118, 5], [2, 0]])
    assert found.kappa == pytest.approx(-0.0234, abs=1e-4)
    assert found.ac1 == pytest.approx(0.9408, abs=1e-4)
    assert found.n == 125
    assert found.observed == pytest.approx(0.944)


def test_kappa_is_cohens():
    assert agreement_of_table([[20, 5], [10, 15]]).kappa == pytest.approx(0.4)


def test_perfect_agreement_is_1_and_independent_answers_are_0():
    assert rater_agreement(["a", "b", "tie"], ["a", "b", "tie"]).kappa == 1
    assert agreement_of_table([[25, 25], [25, 25]]).kappa == pytest.approx(0)


def test_a_figure_that_is_undefined_is_none_with_a_reason():
    assert rater_agreement([], []).reason == "no_labels"
    same = rater_agreement(["tie"] * 5, ["tie"] * 5)
    assert (same.kappa, same.reason, same.observed) == (None, "one_answer_only", 1)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1))
def test_agreement_does_not_depend_on_who_is_first_nor_on_order(pairs):
    one, other = zip(*pairs, strict=True)
    found, swapped = rater_agreement(one, other), rater_agreement(other[::-1], one[::-1])
    assert found.ac1 == pytest.approx(swapped.ac1)
    assert found.kappa == pytest.approx(swapped.kappa)
    assert -1 <= (found.kappa or 0) <= 1 + 1e-9


def test_labels_selected_by_verdict_do_not_bias_the_judges_quality():
    rng = np.random.default_rng(1)
    worse = rng.random(20_000) < 0.05
    verdict = rng.random(worse.size) < np.where(worse, 0.6, 0.07)
    probability = np.where(verdict, 1.0, 0.1)
    taken = rng.random(worse.size) < probability
    naive = judge_quality(worse[taken], verdict[taken])
    found = judge_quality(worse[taken], verdict[taken], probability[taken])
    assert naive.sensitivity.low > 0.75
    assert found.sensitivity.low < 0.6 < found.sensitivity.high
    assert found.specificity.low < 0.93 < found.specificity.high


def test_judge_and_people_together_give_the_rate():
    interval = two_phase_interval(COUNTS).interval
    assert interval.estimate == pytest.approx(0.11 * 58 / 150 + 0.89 * 1 / 150)
    assert interval.low < 0.05 < interval.high
    watched = two_phase_anytime(COUNTS, 150 / 1_100, 150 / 8_900).interval
    assert watched.estimate == pytest.approx(interval.estimate)
    assert watched.low < interval.low
    assert watched.high > interval.high


def test_without_labels_on_a_verdict_there_is_no_estimate():
    assert two_phase_interval(TwoPhase()).reason == "no_verdicts"
    blind = two_phase_interval(TwoPhase(judged_worse=10, judged_fine=90, labelled_worse=5))
    assert (blind.interval.estimate, blind.interval.low, blind.interval.high) == (None, 0, 1)
    assert blind.reason == "verdict_without_labels"
    assert two_phase_anytime(TwoPhase(judged_worse=1), 0.5, 0.5).reason == "verdict_without_labels"


def test_counts_of_several_days_add_up_and_impossible_ones_are_an_error():
    assert (COUNTS + COUNTS).labels == 600
    with pytest.raises(ValueError, match="labelled"):
        TwoPhase(judged_worse=1, labelled_worse=2)


@given(st.integers(0, 1_000), st.integers(0, 1_000), st.floats(0.001, 1))
def test_half_the_labels_go_to_either_verdict_within_the_budget(worse, fine, budget):
    counts = TwoPhase(judged_worse=worse, judged_fine=fine)
    on_worse, on_fine = labelling_probabilities(counts, budget)
    assert 0 < on_worse <= 1
    assert 0 < on_fine <= 1
    if worse + fine:
        share = (worse + 0.5) / (worse + fine + 1)
        assert share * on_worse + (1 - share) * on_fine == pytest.approx(budget)


def test_the_number_of_labels_needed_is_enough():
    needed = labels_needed(COUNTS, 0.02)
    assert needed.more is not None
    assert needed.reason in ("enough", "more_labels")
    finer = labels_needed(COUNTS, 0.01)
    assert finer.more is not None
    half = (COUNTS.labels + finer.more) // 2
    grown = TwoPhase(
        judged_worse=1_100,
        judged_fine=8_900,
        labelled_worse=half,
        labelled_fine=half,
        worse_of_worse=round(half * 58.5 / 151),
        worse_of_fine=round(half * 1.5 / 151),
    )
    interval = two_phase_interval(grown).interval
    assert (interval.high - interval.low) / 2 == pytest.approx(0.01, rel=0.1)


def test_where_labels_cannot_help_more_verdicts_are_needed():
    assert labels_needed(COUNTS, 0.0001).reason == "more_verdicts"
    assert labels_needed(TwoPhase(), 0.01).reason == "more_verdicts"
