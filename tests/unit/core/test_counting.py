"""Every pair is counted once, and its regret by a source in the cells of that source only."""

from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from shadow.aggregates import counting, tally
from shadow.aggregates.regret_sources import NET, net_by_source
from shadow.aggregates.tally import ALL, MICRO, Cell, Combination, Sums, Tally
from shadow.records import Preference, Reply
from tests.support.store_samples import Scored, asked_twice, exchange, scored, various

PAIRS = various(120)
EXCHANGES = asked_twice(60)
some_pairs = st.lists(st.sampled_from(PAIRS), max_size=20)
preferences = st.sampled_from(("frontier", "tie", "candidate"))
probabilities = st.floats(1e-6, 1)


def counted(pairs: list[Scored]) -> dict[Cell, Tally]:
    tallies: dict[Cell, Tally] = {}
    for trial, comparison in pairs:
        counting.count(tallies, trial, comparison)
    return tallies


def totals(tallies: dict[Cell, Tally]) -> dict[str, Tally]:
    """The totals of each source."""
    return {
        source: tally.total(found for cell, found in tallies.items() if cell.source == source and cell[4:6] == ALL)
        for source in {cell.source for cell in tallies}
    }


def test_a_pair_counts_once_in_the_totals_and_once_per_dimension():
    tallies = counted([scored()])
    assert {(cell.dimension, cell.value) for cell in tallies} == {
        ALL,
        ("locale", "de"),
        ("input_length", "<200"),
        ("has_tools", "no"),
    }
    assert {found.pairs for found in tallies.values()} == {1}


def test_a_segment_that_calls_itself_all_is_not_added_to_the_totals():
    tallies = counted([scored(exchange=exchange(segment={"all": "all", "locale": "de"}))])
    assert sum(found.pairs for cell, found in tallies.items() if cell.dimension == "all") == 1


def test_segments_stay_within_their_limits():
    wild = {f"{'d' * 100}{number:03d}"[-90:]: "v" * 100 for number in range(50)}
    found = counting.dimensions_of(scored(exchange=exchange(segment=wild))[0])
    assert len(found) <= 16 + 2
    assert all(len(name) <= 64 and len(value) <= 64 for name, value in found.items())


def test_hours_start_in_utc_whatever_the_time_zone_of_the_event_time():
    kathmandu = timezone(timedelta(hours=5, minutes=45))
    moment = datetime(2026, 3, 1, 0, 20, tzinfo=kathmandu)
    (hour,) = {cell.hour for cell in counted([scored(exchange=exchange(at=moment))])}
    assert hour == datetime(2026, 2, 28, 18, tzinfo=UTC)


def test_unscored_pairs_have_a_reason_and_neither_agree_nor_disagree():
    tallies = counted([scored(agreement=None, unscored="no_reference"), scored(1)])
    total = tally.total(found for cell, found in tallies.items() if (cell.dimension, cell.value) == ALL)
    assert (total.pairs, total.agreement.n, total.counts["unscored:no_reference"]) == (2, 1, 1)


def test_only_totals_have_histograms():
    tallies = counted(PAIRS)
    assert {cell[4:6] for cell, found in tallies.items() if found.histograms} == {ALL}
    assert all(found.histograms for cell, found in tallies.items() if cell[4:6] == ALL and found.pairs)


@given(some_pairs)
def test_counting_by_combinations_gives_the_same_cells(pairs):
    combinations: dict[Combination, Tally] = {}
    for pair in pairs:
        counting.count_combination(combinations, *pair)
    cells: dict[Cell, Tally] = {}
    tally.spread(cells, combinations)
    assert cells == counted(pairs)
    assert sum(found.pairs for found in combinations.values()) == len(pairs)


@given(st.lists(st.sampled_from(PAIRS), max_size=200))
def test_pairs_counted_together_give_the_sums_of_pairs_counted_one_by_one(pairs):
    together: dict[Combination, Tally] = {}
    counting.count_pairs(together, [(*pair, counting.pair_facts(*pair)) for pair in pairs])
    one_by_one: dict[Combination, Tally] = {}
    for pair in pairs:
        alone: dict[Combination, Tally] = {}
        counting.count_combination(alone, *pair)
        for key, found in alone.items():
            tally.tally_at(one_by_one, key).merge(found)
    assert together == one_by_one


LOOKED_AT: dict[str, Any] = {"label": "tie", "judge": "frontier"}
GRADED: dict[str, Any] = {"frontier_correct": 0.0, "candidate_correct": 1.0}


def test_each_source_is_counted_by_itself_and_the_pair_only_with_the_strongest():
    found = totals(counted([scored(exchange=exchange(**LOOKED_AT), probability=0.5, **GRADED)]))
    assert {source: (each.pairs, each.agreement.n, each.net_regret.total) for source, each in found.items()} == {
        "human": (1, 1, 0),
        "reference": (0, 0, -MICRO),
        "judge": (0, 0, MICRO),
    }
    assert {each.regret.weight for each in found.values()} == {2 * MICRO}


def test_a_judge_can_be_compared_with_people_from_sums():
    looked_at = [("frontier", "tie")] * 3 + [("tie", "tie")] * 2 + [("candidate", None), (None, "frontier")]
    pairs = [
        scored(number, exchange=exchange(number, judge=judge, label=label), probability=0.25)
        for number, (judge, label) in enumerate(looked_at)
    ]
    found = totals(counted(pairs))
    assert found["human"].counts == Counter({
        "labelled:frontier:tie": 3,
        "labelled_weight:frontier:tie": 12 * MICRO,
        "labelled:tie:tie": 2,
        "labelled_weight:tie:tie": 8 * MICRO,
        "labelled:none:frontier": 1,
        "labelled_weight:none:frontier": 4 * MICRO,
    }) + Counter({"costed:frontier": 6, "cost_nanousd:frontier": 12_000_000})  # fmt: skip
    assert {name: n for name, n in found["judge"].counts.items() if name.startswith("judged:")} == {
        "judged:frontier": 3,
        "judged:tie": 2,
        "judged:candidate": 1,
    }


def test_a_preference_between_replies_that_never_came_is_not_counted():
    late = Reply(model="m", failure="timeout")
    found = totals(counted([scored(exchange=exchange(**LOOKED_AT), reply=late, agreement=None, unscored="late")]))
    assert set(found) == {""}


@given(some_pairs)
def test_every_pair_is_in_the_totals_once_whatever_its_sources(pairs):
    found = totals(counted(pairs))
    assert sum(each.pairs for each in found.values()) == len(pairs)
    for source in ("human", "reference", "judge"):
        says = [pair for pair in pairs if source in net_by_source(*pair)]
        assert found.get(source, Tally()).regret.n == len(says)


@given(preferences, preferences, probabilities, probabilities)
def test_a_late_label_or_verdict_counts_as_if_it_had_come_with_the_pair(label: Preference, judge: Preference, pi, rho):
    """Where the weights are the same: a label in a file has a chance of one."""
    trial, comparison = scored(probability=pi)
    looked_at = msgspec.structs.replace(trial, exchange=exchange(label=label, judge=judge))
    at_once = totals(counted([(looked_at, comparison)]))
    assert counting.labelled(label, pi, judge).regret == at_once["human"].regret
    assert counting.judged(judge, pi).net_regret == at_once["judge"].net_regret
    weighed = counting.judged(judge, pi * rho)
    assert weighed.counts[f"judged_weight:{judge}"] == weighed.regret.weight == tally.micros(1 / (pi * rho))
    assert weighed.net_regret.total == tally.micros(NET[judge])


@given(st.lists(st.tuples(preferences, probabilities), min_size=1, max_size=9), st.randoms())
def test_subtracting_undoes_merging(labels, chance):
    summed, changes = Tally(), [counting.labelled(label, probability, None) for label, probability in labels]
    kept = changes[0]
    for change in changes:
        summed.merge(change)
    chance.shuffle(changes)
    for change in changes:
        summed.subtract(change)
    summed.merge(kept)
    summed.regret.heaviest, summed.net_regret.heaviest = kept.regret.heaviest, kept.net_regret.heaviest
    assert summed == kept


def test_a_changed_label_reaches_every_cell_although_it_counts_no_pair():
    changed = counting.labelled("tie", 0.5, None)
    changed.subtract(counting.labelled("frontier", 0.5, None))
    key = tally.combination("t", "c", "shadow", "human", {"b": "2", "a": "1"}, datetime(2026, 3, 1, 5, 30, tzinfo=UTC))
    cells: dict[Cell, Tally] = {}
    tally.spread(cells, {key: changed})
    assert {cell[4:6] for cell in cells} == {ALL, ("a", "1"), ("b", "2")}
    assert {each.regret.weighted for each in cells.values()} == {-2 * MICRO}
    assert {each.regret.n for each in cells.values()} == {0}


def test_excess_compares_the_candidates_agreement_with_the_frontiers_own():
    of = exchange()
    pairs = [
        scored(exchange=of, candidate="small", agreement=0.25),
        scored(exchange=of, kind="ceiling", candidate="gpt-x", agreement=1.0, probability=0.5),
    ]
    found: dict[Combination, Tally] = {}
    counting.count_excess(found, pairs)
    ((key, tallied),) = found.items()
    assert (key.kind, key.candidate, key.source) == ("excess", "small", "")
    assert dict(key.segments) == counting.dimensions_of(pairs[0][0])
    once = Sums()
    once.add(0.125, 0.5)
    assert tallied == Tally(pairs=1, agreement=once)
    assert 1 - 2 * once.weighted / once.weight == 0.75


def test_excess_needs_both_answers_scored():
    for pairs in EXCHANGES:
        found: dict[Combination, Tally] = {}
        counting.count_excess(found, pairs)
        scores = {(trial.kind, trial.candidate): comparison.agreement for trial, comparison in pairs}
        expected = {
            name
            for (kind, name), agreement in scores.items()
            if kind == "shadow" and agreement is not None and scores["ceiling", "gpt-x"] is not None
        }
        assert {key.candidate for key in found} == expected
