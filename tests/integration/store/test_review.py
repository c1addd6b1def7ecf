"""People get the most informative pairs to label, each with a known probability."""

from datetime import timedelta
from typing import Any

import pytest

from shadow.records import Reply
from shadow.settings import RetentionSettings
from shadow.store.feedback import review, verdicts
from shadow.store.feedback.review import AGREEMENT, DISAGREEMENT, JUDGED_FINE, JUDGED_WORSE, STRATA
from shadow.store.schema import engine
from shadow.store.write import prune
from tests.support.label_samples import judge, key_of, label, record, remove, verdict
from tests.support.store_samples import START, exchange, scored, store

EVERYTHING = dict.fromkeys(STRATA, 1.0)
WINDOW = {"task": "ticket-intent", "candidate": "small-7b", "threshold": 0.9, "since": START}


def awaiting(database, reviewer="ana", **question):
    asked: dict[str, Any] = WINDOW | {
        "limit": 1_000,
        "probabilities": EVERYTHING,
        "second_opinions": 0.0,
        "reviewer": reviewer,
    }
    with engine.browsing(database) as connection:
        return review.awaiting_label(connection, **(asked | question))


def progress(database, **question):
    asked: dict[str, Any] = WINDOW | {"probabilities": EVERYTHING}
    with engine.browsing(database) as connection:
        return review.review_progress(connection, **(asked | question))


def names(found):
    return [chosen.pair.key for chosen in found]


def many(n=400):
    """Pairs of which a quarter disagree, and a judge looked at half: that is, all four strata."""
    return [
        scored(
            n, exchange=exchange(n, judge=(None, None, "frontier", "tie")[n % 4]), agreement=0.0 if n % 8 < 4 else 1.0
        )
        for n in range(n)
    ]


def test_a_pairs_stratum_follows_from_its_verdict_or_agreement(database):
    store(database, many(8))
    strata = {int(chosen.pair.trial.exchange.id[1:]): chosen.stratum for chosen in awaiting(database)}
    assert [strata[n] for n in range(8)] == [
        *(DISAGREEMENT, DISAGREEMENT, JUDGED_WORSE, JUDGED_FINE),
        *(AGREEMENT, AGREEMENT, JUDGED_WORSE, JUDGED_FINE),
    ]


def test_each_stratum_is_chosen_with_its_own_probability(database):
    store(database, many(2_000))
    chances = {JUDGED_WORSE: 1.0, JUDGED_FINE: 0.2, DISAGREEMENT: 0.5}
    found = awaiting(database, probabilities=chances)
    drawn = {stratum: [pair for pair in found if pair.stratum == stratum] for stratum in STRATA}
    assert len(drawn[JUDGED_WORSE]) == 500
    assert 70 < len(drawn[JUDGED_FINE]) < 130
    assert 215 < len(drawn[DISAGREEMENT]) < 285
    assert drawn[AGREEMENT] == []
    assert all(pair.probability == chances[pair.stratum] for pair in found)


def test_a_higher_probability_keeps_what_was_chosen_and_every_reviewer_gets_the_same(database):
    store(database, many())
    few, more = (awaiting(database, probabilities=dict.fromkeys(STRATA, chance)) for chance in (0.1, 0.3))
    assert set(names(few)) < set(names(more))
    assert names(more)[: len(few)] == names(few)
    assert awaiting(database, "ben", probabilities=dict.fromkeys(STRATA, 0.1)) == few
    assert names(awaiting(database, limit=7)) == names(awaiting(database))[:7]


def test_a_labelled_pair_is_not_offered_again_until_the_label_is_removed(database):
    pairs = many(20)
    store(database, pairs)
    first = awaiting(database)[0].pair.key
    (pair,) = (pair for pair in pairs if key_of(pair) == first)
    record(database, label(pair))
    assert first not in names(awaiting(database)) + names(awaiting(database, "ben"))
    remove(database, pair)
    assert names(awaiting(database))[0] == first


def test_some_pairs_are_shown_to_a_second_reviewer_first_and_to_no_third(database):
    pairs = many(200)
    store(database, pairs)
    record(database, *(label(pair, probability=0.25, stratum="disagreement") for pair in pairs[:100]))
    second = [found for found in awaiting(database, "ben", second_opinions=0.3) if found.pair.human]
    assert 15 < len(second) < 45
    assert all((found.probability, found.stratum) == (0.25, "disagreement") for found in second)
    assert awaiting(database, "ben", second_opinions=0.3, limit=5) == second[:5]
    assert not [found for found in awaiting(database, "ana", second_opinions=1.0) if found.pair.human]
    ben = {found.pair.key for found in second}
    record(database, *(label(pair, reviewer="ben") for pair in pairs if key_of(pair) in ben))
    assert not [found for found in awaiting(database, "cyd", second_opinions=0.3) if found.pair.human]


@pytest.mark.parametrize(
    "pair",
    [
        scored(1, judge_rate=0.5),
        scored(1, kind="ceiling"),
        scored(1, candidate="other"),
        scored(1, exchange=exchange(1, task="invoice-fields")),
        scored(1, exchange=exchange(1, label="tie")),
        scored(1, exchange=exchange(at=START - timedelta(seconds=1))),
        scored(1, agreement=None, unscored="candidate_timeout", reply=Reply(model="small-7b", failure="timeout")),
    ],
    ids=["a judge is to look first", "ceiling", "candidate", "task", "labelled", "too old", "one reply"],
)
def test_a_pair_is_not_offered(database, pair):
    store(database, [pair, scored(2)])
    assert [found.pair.trial.exchange.id for found in awaiting(database)] == ["x000002"]


def test_a_reply_that_no_scorer_could_read_is_a_disagreement(database):
    broken = Reply(model="small-7b", content="{", failure="malformed")
    store(database, [scored(1, agreement=None, unscored="candidate_malformed", reply=broken)])
    assert [found.stratum for found in awaiting(database)] == [DISAGREEMENT]


def test_a_pair_without_its_payload_is_not_offered(database):
    kept = [scored(18 * 24 * 60 + n) for n in range(3)]
    store(database, [*many(40), *kept])
    with database.connect() as connection:
        prune.prune(connection, RetentionSettings(payload_days=5), START + timedelta(days=20))
    assert set(names(awaiting(database, limit=3))) == {key_of(pair) for pair in kept}


def test_progress_counts_what_is_chosen_labelled_and_waiting(database):
    pairs = [*many(80), scored(500, judge_rate=0.5), scored(501, judge_rate=0.5)]
    store(database, pairs)
    chances = dict.fromkeys(STRATA, 0.5)
    chosen = awaiting(database, probabilities=chances)
    by_name = {key_of(pair): pair for pair in pairs}
    for found, reviewer in zip(chosen[:3], ("ana", "ana", "ben"), strict=True):
        record(database, label(by_name[found.pair.key], reviewer=reviewer, stratum=found.stratum))
    found = progress(database, probabilities=chances)
    assert {stratum: part.pairs for stratum, part in found.strata.items()} == dict.fromkeys(STRATA, 20)
    assert sum(part.chosen for part in found.strata.values()) == len(chosen)
    assert sum(part.labelled for part in found.strata.values()) == 3
    assert {reviewer: sum(n.values()) for reviewer, n in found.labels.items()} == {"ana": 2, "ben": 1}
    assert found.awaiting_judge == 2
    judge(database, verdict(pairs[-1], "frontier"))
    with engine.transaction(database) as connection:
        verdicts.give_up(connection, [key_of(pairs[-2])])
    found = progress(database)
    assert (found.awaiting_judge, found.strata[JUDGED_WORSE].pairs, found.strata[AGREEMENT].pairs) == (0, 21, 21)


def test_an_empty_store_offers_nothing(database):
    assert awaiting(database) == []
    assert awaiting(database, probabilities={}) == []
    found = progress(database)
    assert (set(found.strata), found.labels, found.awaiting_judge) == (set(STRATA), {}, 0)


def test_labels_given_today_count_whatever_the_event_time(database):
    pairs = many(4)
    store(database, pairs)
    tomorrow = START + timedelta(days=1)
    record(database, label(pairs[0]), *(label(pair, labelled_at=tomorrow) for pair in pairs[1:3]))
    record(database, label(pairs[3], reviewer="ben", labelled_at=tomorrow))
    with engine.browsing(database) as connection:
        of = {"task": "ticket-intent", "candidate": "small-7b"}
        assert review.labelled_since(connection, **of, since=tomorrow) == {"ana": 2, "ben": 1}
        assert review.labelled_since(connection, **(of | {"candidate": "other"}), since=tomorrow) == {}


def test_the_last_label_is_the_newest_one_of_that_reviewer(database):
    pairs = many(3)
    store(database, pairs)
    for number, pair in enumerate(pairs):
        record(database, label(pair, labelled_at=START + timedelta(minutes=number % 2)))
    record(database, label(pairs[2], reviewer="ben", labelled_at=START + timedelta(days=1)))
    with engine.browsing(database) as connection:
        of = {"task": "ticket-intent", "candidate": "small-7b"}
        last = review.last_label(connection, **of, reviewer="ana")
        assert last is not None
        assert last.pair == key_of(pairs[1])
        assert review.last_label(connection, **of, reviewer="unknown") is None
