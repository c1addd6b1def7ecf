"""Labels and verdicts are counted at once and exactly, and labels can be removed."""

import random
import threading
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from shadow.errors import StoreError
from shadow.records import Preference, Reply
from shadow.settings import RetentionSettings
from shadow.store.feedback import labels as stored_labels
from shadow.store.feedback import verdicts
from shadow.store.feedback.labels import Label
from shadow.store.feedback.verdicts import PairVerdict
from shadow.store.read import pairs as stored_pairs
from shadow.store.read import rollup_reads
from shadow.store.rows.names import PairKey
from shadow.store.schema import engine
from shadow.store.write import ingest, prune
from shadow.wire import utc_now
from tests.support.label_samples import judge, key_of, label, record, remove, verdict
from tests.support.services import fresh_database
from tests.support.store_samples import START, Scored, dump, exchange, scored, store, various

PREFERENCES = stored_labels.PREFERENCES
#: The tables that labels and verdicts change. Crossings and rollups keep cells whose counts are 0.
COUNTED = ("rollups", "rollup_counts", "rollup_histograms", "rollup_confidence", "crossings", "catalogue")


def stored(database, **question):
    with engine.browsing(database) as connection:
        return stored_pairs.find(connection, **question)


def said_by(database, source, **question):
    """The tally of everything that `source` says."""
    with engine.snapshot(database) as connection:
        found = rollup_reads.read(connection, dimension="all", per="window", kinds=("shadow", "reverse"), **question)
    return next((cell for key, cell in found.items() if key.source == source), None)


def test_a_label_is_counted_at_once_with_the_weight_of_both_probabilities(database):
    pair = scored(1, agreement=0.0, probability=0.5)
    store(database, [pair])
    assert record(database, label(pair, probability=0.1)) == stored_labels.RecordedLabels(1, ())
    found = said_by(database, "human")
    assert (found.pairs, found.agreement.n) == (0, 0)
    assert (found.regret.n, found.regret.total, found.regret.weight) == (1, 1_000_000, 20_000_000)
    assert found.counts == {"labelled:none:frontier": 1, "labelled_weight:none:frontier": 20_000_000}
    (kept,) = stored(database)
    assert (kept.human, kept.human_probability) == ("frontier", 0.1)
    assert (kept.comparison.regret, kept.comparison.net_regret, kept.comparison.regret_source) == (1.0, 1.0, "human")


def test_a_reviewers_newer_label_replaces_the_older_one_in_any_order(database):
    pair = scored(1)
    store(database, [pair])
    older, newer = label(pair, "frontier"), label(pair, "candidate", labelled_at=START + timedelta(seconds=1))
    assert record(database, newer).recorded == 1
    assert record(database, older).recorded == 0
    assert record(database, older, newer, older).recorded == 0
    assert said_by(database, "human").net_regret.total == -1_000_000
    with engine.browsing(database) as connection:
        assert list(stored_labels.iterate_labels(connection)) == [newer]


def test_the_majority_of_reviewers_counts_once(database):
    pair = scored(1)
    store(database, [pair])
    record(database, label(pair, "candidate", "ana"), label(pair, "frontier", "ben"))
    assert stored(database)[0].human == "tie"
    record(database, label(pair, "frontier", "cyd"))
    found = said_by(database, "human")
    assert found.regret.n == found.regret.total / 1_000_000 == 1
    assert stored(database)[0].human == "frontier"


def test_regret_is_always_that_by_the_strongest_source(database):
    graded: dict[str, Any] = {"frontier_correct": 0.0, "candidate_correct": 1.0}
    pair = scored(1, **graded, judge_rate=0.5)
    store(database, [pair])

    def regret():
        (found,) = stored(database)
        return found.comparison.net_regret, found.comparison.regret_source

    assert regret() == (-1.0, "reference")
    judge(database, verdict(pair, "frontier"))
    assert regret() == (-1.0, "reference")
    record(database, label(pair, "tie"))
    assert regret() == (0.0, "human")
    remove(database, pair)
    assert regret() == (-1.0, "reference")
    assert said_by(database, "reference").net_regret.total == -1_000_000
    assert said_by(database, "judge").net_regret.total == 1_000_000


def test_a_verdict_moves_the_label_to_the_counter_of_the_judges_preference(database):
    pair = scored(1, judge_rate=0.25, probability=0.5)
    store(database, [pair])
    record(database, label(pair, "tie"))
    assert judge(database, verdict(pair, "candidate")) == 1
    counted = {name: n for name, n in said_by(database, "human").counts.items() if n}
    assert counted == {"labelled:candidate:tie": 1, "labelled_weight:candidate:tie": 2_000_000}
    assert said_by(database, "judge").counts == {"judged:candidate": 1, "judged_weight:candidate": 8_000_000}


def test_the_first_verdict_stays_and_the_pair_is_no_longer_due(database):
    due, not_due = scored(1, judge_rate=0.25), scored(2)
    store(database, [due, not_due])
    assert judge(database, verdict(due, "tie"), verdict(due, "frontier")) == 1
    assert judge(database, verdict(due, "frontier")) == 0
    assert judge(database, verdict(not_due, "frontier", probability=0.5)) == 1
    later, first = stored(database)
    assert (first.judge, first.judge_probability, first.judge_due) == ("tie", 0.25, False)
    assert (later.judge, later.judge_probability) == ("frontier", 0.5)


def test_after_giving_up_the_pair_is_not_due_and_has_no_verdict(database):
    pair = scored(1, judge_rate=0.25)
    store(database, [pair])
    with engine.transaction(database) as connection:
        assert verdicts.give_up(connection, [key_of(pair)]) == 1
        assert verdicts.give_up(connection, [key_of(pair), key_of(scored(2))]) == 0
    (found,) = stored(database)
    assert (found.judge, found.judge_due, found.judge_probability) == (None, False, 0.25)
    assert said_by(database, "judge") is None


def test_labels_of_pairs_that_are_not_stored_are_reported(database):
    known, pruned, never = scored(1), scored(exchange=exchange(2, at=START - timedelta(days=90))), scored(3)
    store(database, [known, pruned])
    record(database, label(pruned))
    with database.connect() as connection:
        prune.prune(connection, RetentionSettings(payload_days=40, rows_days=40), utc_now())
    given = record(database, label(known), label(pruned, "tie"), label(never))
    assert given == stored_labels.RecordedLabels(1, tuple(sorted([key_of(pruned), key_of(never)])))
    assert remove(database, pruned) is None
    with engine.browsing(database) as connection:
        assert len(list(stored_labels.iterate_labels(connection))) == 2


@pytest.mark.parametrize(
    "pair",
    [
        scored(1, kind="ceiling"),
        scored(1, agreement=None, unscored="candidate_timeout", reply=Reply(model="small-7b", failure="timeout")),
    ],
)
def test_a_pair_without_two_comparable_replies_takes_no_label(database, pair):
    store(database, [pair])
    assert record(database, label(pair)) == stored_labels.RecordedLabels(0, (), (key_of(pair),))
    assert judge(database, verdict(pair)) == 0
    assert said_by(database, "human") is said_by(database, "judge") is None


def test_a_label_that_came_with_the_pair_counts_as_one_reviewer(database):
    pair = scored(1, exchange=exchange(1, label="frontier"))
    store(database, [pair])
    record(database, label(pair, "candidate", probability=0.1))
    (found,) = stored(database)
    assert (found.human, found.human_probability) == ("tie", 1.0)
    with engine.browsing(database) as connection:
        assert [label.reviewer for label in stored_labels.iterate_labels(connection)] == ["ana", stored_labels.RECORDED]
    remove(database, pair)
    assert stored(database)[0].human == "frontier"
    recorded = remove(database, pair, stored_labels.RECORDED)
    assert recorded is not None
    assert recorded.preference == "frontier"
    (found,) = stored(database)
    assert (found.human, found.human_probability, found.comparison.regret_source) == (None, None, None)


def test_a_label_that_came_with_the_pair_can_be_removed_before_there_are_others(database):
    pair = scored(1, exchange=exchange(1, label="frontier", judge="tie"))
    store(database, [pair])
    recorded = remove(database, pair, stored_labels.RECORDED)
    assert recorded is not None
    assert recorded.reviewer == stored_labels.RECORDED
    (found,) = stored(database)
    assert (found.human, found.comparison.regret, found.comparison.regret_source) == (None, 0.0, "judge")
    assert said_by(database, "human").regret.n == 0


def test_removing_returns_the_label_and_leaves_nothing_counted(database):
    pair = scored(1)
    store(database, [pair])
    given = label(pair, probability=0.25, stratum="disagreement", note="the amount is wrong")
    record(database, given)
    assert remove(database, pair, "ben") is None
    assert remove(database, pair) == given
    assert remove(database, pair) is None
    found = said_by(database, "human")
    assert not found.regret
    assert set(found.counts.values()) == {0}
    (kept,) = stored(database)
    assert (kept.human, kept.human_probability, kept.comparison.regret) == (None, None, None)


def test_names_and_notes_are_made_storable_and_cut(database):
    pair = scored(exchange=exchange(id="x" * 600))
    store(database, [pair])
    assert record(database, label(pair, reviewer="a\0na", note="\0" + "n" * 5_000, stratum="\ud800")).recorded == 1
    with engine.browsing(database) as connection:
        (kept,) = stored_labels.iterate_labels(connection)
    assert (kept.reviewer, kept.stratum, len(kept.note)) == ("a\ufffdna", "?", stored_labels.MAX_NOTE)
    assert remove(database, pair, "a\0na") == kept


def test_the_longest_names_fit_the_widest_key(database):
    def long(what):
        # Nothing makes it shorter, as PostgreSQL would try.
        rng = random.Random(what)
        return "".join(chr(rng.randrange(0x20000, 0x2A000)) for _ in range(256))

    pair = scored(exchange=exchange(id=long("id"), task=long("task")), candidate=long("candidate"))
    store(database, [pair])
    assert record(database, label(pair, reviewer=long("reviewer"))).recorded == 1


@pytest.mark.parametrize("probability", [0.0, -1.0, 1.5, float("nan")])
def test_an_impossible_probability_is_refused_before_anything_is_written(database, probability):
    pair = scored(1)
    store(database, [pair])
    with pytest.raises(ValueError, match="probability"):
        record(database, label(pair, reviewer="ben"), label(pair, probability=probability))
    assert stored(database)[0].human is None


def counted(database, *, undone=False):
    """Rows of rollups that count something; the heaviest weight outlives what was taken back."""
    rows = dump(database, COUNTED)
    with database.connect() as connection:
        for table in ("rollups", "rollup_confidence", "crossings"):
            columns = connection.execute(text(f"SELECT * FROM {table} LIMIT 0")).keys()
            kept = ", ".join(name for name in columns if not (undone and name.endswith("_heaviest")))
            query = f"SELECT ({kept})::text FROM {table} WHERE pairs <> 0 OR regret_n <> 0 ORDER BY 1"
            rows[table] = "\n".join(connection.execute(text(query)).scalars())
        query = "SELECT t::text FROM rollup_counts t WHERE n <> 0 OR name LIKE 'correct:%' ORDER BY 1"
        rows["rollup_counts"] = "\n".join(connection.execute(text(query)).scalars())
    return rows


def from_scratch(server, template, pairs: Iterable[Scored], labels, verdicts):
    with fresh_database(server, template=template) as url:
        database = engine.connect(url)
        store(database, list(pairs))
        judge(database, *verdicts)
        record(database, *labels)
        found = counted(database), counted(database, undone=True), dump(database, ["comparisons", "labels"])
        database.dispose()
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_sequence_of_labels_verdicts_removals_and_deliveries_counts_as_if_from_scratch(
    database, postgres_server, migrated_template, seed
):
    rng = random.Random(seed)
    with_judge = [scored(500 + n, agreement=rng.random(), judge_rate=0.5) for n in range(20)]
    pairs = [*various(40, seed=seed), *with_judge]
    delivered: set[PairKey] = set()
    labels: dict[tuple[PairKey, str], Label] = {}
    first_verdicts: dict[PairKey, PairVerdict] = {}
    undone = False
    for moment in range(120):
        some = rng.sample(pairs, rng.randrange(1, 6))
        match rng.choice(("deliver", "label", "label", "judge", "undo")):
            case "deliver":
                store(database, some)
                delivered |= {key_of(pair) for pair in some}
            case "label":
                at = START + timedelta(minutes=rng.choice((moment, 0)))
                given = [
                    label(pair, rng.choice(PREFERENCES), rng.choice(("ana", "ben", "cyd")), labelled_at=at,
                          probability=rng.choice((1.0, 0.3, 0.07)))
                    for pair in some
                ]  # fmt: skip
                record(database, *given)
                for one in given:
                    if one.pair in delivered:
                        key = one.pair, one.reviewer
                        labels[key] = max(labels.get(key, one), one, key=lambda x: (
                            x.labelled_at, x.preference, x.probability))  # fmt: skip
            case "judge":
                judged = [verdict(pair, rng.choice(PREFERENCES)) for pair in some]
                judge(database, *judged)
                for one_verdict in judged:
                    if one_verdict.pair in delivered:
                        first_verdicts.setdefault(one_verdict.pair, one_verdict)
            case "undo" if labels:
                (name, reviewer), one = rng.choice(list(labels.items()))
                with engine.transaction(database) as connection:
                    taken = stored_labels.remove_label(connection, name, reviewer)
                undone = undone or taken is not None
                del labels[name, reviewer]
    store(database, pairs)
    assert undone
    _, expected, rows = from_scratch(
        postgres_server, migrated_template, pairs, labels.values(), first_verdicts.values()
    )
    assert counted(database, undone=True) == expected
    assert dump(database, ["comparisons"])["comparisons"] == rows["comparisons"]


def test_concurrent_labels_verdicts_and_deliveries_of_the_same_pairs_neither_deadlock_nor_miscount(
    database, postgres_url, postgres_server, migrated_template
):
    both = [scored(n, agreement=n % 3 / 2, judge_rate=0.5, probability=0.5) for n in range(60)]
    # A second answer of the frontier changes the row of the candidate's.
    pairs = both + [scored(n, kind="ceiling", candidate="gpt-x", probability=0.2) for n in range(0, 60, 3)]
    store(database, pairs[:40])
    errors = []

    def work(number, act):
        rng = random.Random(number)
        mine = engine.connect(postgres_url, pool_size=1)
        try:
            for _ in range(12):
                some = rng.sample(pairs, 20)
                with engine.transaction(mine) as connection:
                    act(connection, rng, some)
        except StoreError as error:
            errors.append(error)
        finally:
            mine.dispose()

    def deliver(connection, rng, some):
        ingest.record_trials(connection, some)

    def label_some(reviewer):
        def act(connection, rng, some):
            given = [label(pair, rng.choice(PREFERENCES), reviewer) for pair in some]
            stored_labels.record_labels(connection, given)

        return act

    def decide(connection, rng, some):
        verdicts.record_verdicts(connection, [verdict(pair, "tie") for pair in some])

    workers = [
        threading.Thread(target=work, args=(number, act))
        for number, act in enumerate((deliver, label_some("ana"), label_some("ben"), decide))
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert errors == []
    store(database, pairs)
    with engine.browsing(database) as connection:
        labels = list(stored_labels.iterate_labels(connection))
        judged = {pair.key for pair in stored_pairs.iterate(connection) if pair.judge is not None}
    given = [verdict(pair, "tie") for pair in pairs if key_of(pair) in judged]
    assert labels
    assert given
    expected, _, _ = from_scratch(postgres_server, migrated_template, pairs, labels, given)
    assert counted(database) == expected


def test_labels_are_read_page_by_page_of_a_task_and_a_time(database):
    pairs = [scored(n) for n in range(7)] + [scored(exchange=exchange(7, task="invoice-fields"))]
    store(database, pairs)
    given = [label(pair, reviewer=reviewer) for pair in pairs for reviewer in ("ana", "ben")]
    record(database, *given)
    with engine.browsing(database) as connection:
        everything = list(stored_labels.iterate_labels(connection, page=3))
        some = list(
            stored_labels.iterate_labels(connection, task="ticket-intent", since=START + timedelta(minutes=4), page=2)
        )
    assert everything == [*given[14:], *given[:14]]
    assert some == given[8:14]


def test_the_agreement_of_two_reviewers_is_that_on_the_pairs_both_labelled(database):
    pairs = [scored(n) for n in range(4)]
    store(database, pairs)
    record(database, *(label(pair, "tie", "ana") for pair in pairs))
    bens: tuple[Preference, ...] = ("tie", "frontier", "tie")
    record(database, *(label(pair, preference, "ben") for pair, preference in zip(pairs, bens, strict=False)))
    record(database, label(scored(9), "tie", "cyd"))
    with engine.browsing(database) as connection:
        (found,) = stored_labels.reviewer_agreement(connection, task="ticket-intent")
        assert (
            stored_labels.reviewer_agreement(connection, task="ticket-intent", since=START + timedelta(minutes=3)) == []
        )
    assert found == ("ana", "ben", ((0, 0, 0), (1, 2, 0), (0, 0, 0)))
