"""Pairs are found by every condition, page by page, newest first."""

from datetime import timedelta

import pytest

from shadow.records import Reply
from shadow.settings import RetentionSettings
from shadow.store.read import pairs as stored_pairs
from shadow.store.schema import engine
from shadow.store.write.prune import prune
from shadow.wire import utc_now
from tests.support.store_samples import START, exchange, scored, store, various


@pytest.fixture
def find(database):
    def ask(**question):
        with engine.browsing(database) as connection:
            return stored_pairs.find(connection, **question)

    return ask


def ids(pairs):
    return [pair.trial.exchange.id for pair in pairs]


PAIRS = [
    scored(1, agreement=0.2),
    scored(2, agreement=0.95),
    scored(3, exchange=exchange(3, segment={"locale": "fr", "plan": "pro"}), agreement=0.1),
    scored(4, agreement=None, unscored="candidate_failed", reply=Reply(model="small-7b", failure="timeout")),
    scored(5, exchange=exchange(5, task="invoice-fields"), agreement=0.4),
    scored(6, candidate="other", reply=Reply(model="other", content='50% "off", Größe_M\nnow')),
    scored(
        7, kind="reverse", exchange=exchange(7, served_by="candidate"), reply=Reply(model="gpt-x", content="Straße")
    ),
]


@pytest.mark.parametrize(
    ("question", "numbers"),
    [
        ({}, [7, 6, 5, 4, 3, 2, 1]),
        ({"task": "ticket-intent"}, [7, 6, 4, 3, 2, 1]),
        ({"task": "unknown"}, []),
        ({"candidate": "other"}, [6]),
        ({"kind": "reverse"}, [7]),
        ({"max_agreement": 0.4}, [5, 3, 1]),
        ({"failure": "timeout"}, [4]),
        ({"failure": "refusal"}, []),
        ({"unscored": "candidate_failed"}, [4]),
        ({"unscored": "no_reference"}, []),
        ({"unscored": "not_sampled"}, []),
        ({"unscored": stored_pairs.ANY_REASON}, [4]),
        ({"segment": {"locale": "fr"}}, [3]),
        ({"segment": {"locale": "de", "has_tools": "no"}, "task": "invoice-fields"}, [5]),
        ({"since": START + timedelta(minutes=3), "until": START + timedelta(minutes=5)}, [4, 3]),
        ({"text": "MY ORDER 2?"}, [2]),
        ({"text": "strasse"}, []),
        ({"text": "straße"}, [7]),
        ({"text": "GRÖßE_m"}, [6]),
        ({"text": '50% "off"'}, [6]),
        ({"text": "M\nnow"}, [6]),
        ({"text": "_%_"}, []),
        ({"exchange_id": "x000005"}, [5]),
        ({"exchange_id": "x'; DROP TABLE exchanges; --"}, []),
        ({"limit": 2}, [7, 6]),
        ({"limit": 0}, []),
    ],
)
def test_pairs_are_found_by(database, find, question, numbers):
    store(database, PAIRS)
    assert ids(find(**question)) == [f"x{number:06d}" for number in numbers]


@pytest.mark.parametrize(
    ("question", "numbers"),
    [
        ({"source": "human"}, [2]),
        ({"source": "judge"}, [1]),
        ({"source": "reference"}, [3]),
        ({"labelled": True}, [2]),
        ({"labelled": False, "max_agreement": 0.5}, [4]),
        ({"judge_due": True}, [4]),
        ({"judge_due": False}, [3, 2, 1]),
    ],
)
def test_pairs_are_found_by_their_labels_and_verdicts(database, find, question, numbers):
    store(
        database,
        [
            scored(1, exchange=exchange(1, judge="tie")),
            scored(2, exchange=exchange(2, judge="tie", label="frontier", label_probability=0.5)),
            scored(3, frontier_correct=1.0, candidate_correct=0.0),
            scored(4, agreement=0.0, judge_rate=0.25),
        ],
    )
    assert ids(find(**question)) == [f"x{number:06d}" for number in numbers]


def test_a_pair_has_its_label_and_verdict_with_their_probabilities(database, find):
    looked_at = exchange(1, judge="tie", label="frontier", label_probability=0.5)
    store(database, [scored(1, exchange=looked_at), scored(2, judge_rate=0.25)])
    due, known = find()
    assert (due.human, due.judge, due.judge_probability, due.judge_due) == (None, None, 0.25, True)
    assert (known.human, known.human_probability) == ("frontier", 0.5)
    assert (known.judge, known.judge_probability, known.judge_due) == ("tie", 1.0, False)


def test_pairs_are_found_by_key_and_unknown_keys_are_ignored(database, find):
    store(database, PAIRS)
    keys = [pair.key for pair in find()]
    with engine.browsing(database) as connection:
        found = stored_pairs.by_key(connection, [*keys[:3], keys[0]._replace(kind="ceiling"), keys[0]])
        assert found == {pair.key: pair for pair in find()[:3]}
        assert stored_pairs.by_key(connection, []) == {}
        assert stored_pairs.keys_of(connection, ["x000007", "x000001", "unknown"]) == {
            "x000007": [keys[0]],
            "x000001": [keys[-1]],
        }


def test_pages_continue_where_the_last_one_ended_across_tasks_and_days(database, find):
    pairs = various(90, seed=4)
    together = [scored(exchange=exchange(9_000 + n, at=START), candidate=c) for n in range(3) for c in ("a", "b")]
    store(database, pairs + together)
    seen, before = [], None
    while page := find(limit=7, before=before):
        seen += page
        before = page[-1].cursor
    assert len(seen) == 96
    assert [pair.cursor for pair in seen] == sorted({pair.cursor for pair in seen}, reverse=True)


def test_iterating_gives_everything_that_find_gives(database, find):
    store(database, various(50))
    with engine.browsing(database) as connection:
        assert list(stored_pairs.iterate(connection, page=8, task="invoice-fields")) == find(
            task="invoice-fields", limit=99
        )


def test_a_request_comes_out_with_its_keys_in_the_applications_order(database, find):
    request = {"messages": [], "zeta": 1, "a": {"c": 1, "b": [1.0, 1e300, 10**30]}, "Z": None}
    store(database, [scored(exchange=exchange(request=request))])
    (pair,) = find()
    assert pair.trial.exchange.request == request
    assert list(pair.trial.exchange.request) == list(request)


def test_scores_remain_when_the_payload_is_deleted(database, find):
    store(database, PAIRS)
    with database.connect() as connection:
        prune(connection, RetentionSettings(payload_days=1), utc_now())
    found = find(task="ticket-intent")
    assert len(found) == 6
    shadow, reverse = found[-1], found[0]
    assert not shadow.payload_kept
    assert shadow.comparison.agreement == 0.2
    assert shadow.trial.exchange.reply == Reply(model="", latency_ms=420.0, cost_usd=0.002)
    assert shadow.trial.reply == Reply(model="small-7b", latency_ms=90.0)
    assert reverse.trial.exchange.served_by == "candidate"
    assert reverse.trial.exchange.reply.model == "small-7b"
    assert find(text="order") == []


def test_reasoning_is_stored_beside_the_answer_and_that_of_older_rows_is_taken_out_of_it(database, find):
    thoughtful = Reply(model="small-7b", content="delivery", reasoning="hm")
    before = Reply(model="small-7b", content="<think>hm</think>delivery")
    served = exchange(2, reply=Reply(model="gpt-x", content="hm\n</think>\n\ndelivery"))
    store(database, [scored(1, reply=thoughtful), scored(2, exchange=served, reply=before)])
    newer, older = find()[1].trial, find()[0].trial
    assert newer.reply == older.reply == thoughtful
    assert (older.exchange.reply.content, older.exchange.reply.reasoning) == ("delivery", "hm")
