"""`meaning` says that texts agree, or differ, only where it is sure."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.scorer import build
from scoring.compare import compare, texts_to_embed
from scoring.scorers import SCORERS, Uncomparable, Unreadable, require, scorer_problems
from scoring.scorers.meaning import word_vectors
from scoring.scorers.meaning.fetched import FETCHED, Text
from shadow.cli.replay.run import run
from shadow.errors import ConfigError
from shadow.records import Exchange, Reply, Trial
from shadow.settings import ModelSettings, PostgresSettings, Settings, TaskSettings

AT = datetime(2026, 9, 1, tzinfo=UTC)
MEANING = SCORERS["meaning"]
OFFLINE = {"strict": False, "model": "embedder"}

needs_vectors = pytest.mark.skipif(word_vectors.problem() is not None, reason="wordllama is not installed here")


def outcome(a, b, **options):
    """The agreement, or the reason why there is none."""
    try:
        one, other = (MEANING.read(Reply(model="m", content=text), {}, options) for text in (a, b))
        forth, back = MEANING.agree(one, other, options), MEANING.agree(other, one, options)
    except Uncomparable as error:
        with pytest.raises(Uncomparable, match=error.reason):
            MEANING.agree(other, one, options)
        return error.reason
    assert forth == back
    return forth


def with_cosine(cosine, a, b):
    """Options by which the embeddings of `a` and `b` have this cosine."""
    import numpy as np

    first = np.array([1, 0], np.float32)
    second = np.array([cosine, (1 - cosine**2) ** 0.5], np.float32)
    return {**OFFLINE, FETCHED: {Text("embedder", a): first, Text("embedder", b): second}}


@needs_vectors
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("We bought a car.", "We purchased a car"),
        ("The children are playing in the yard.", "Sure! The kids play in the yard."),
        ("It isn't safe.", "It is not safe."),
        ("It costs 5 euros.", "It costs five euros."),
        (
            "Then delete the old file and start the server again.",
            "Then remove the old file, and start the server again.",
        ),
        ("Die Lieferung kommt heute.", "Die Lieferung kommt heute!"),
    ],
)
def test_the_same_in_other_words_agrees(a, b):
    assert outcome(a, b) == 1


@needs_vectors
@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("It costs 5 euros.", "It costs 6 euros.", 0),
        ("Pay within three days.", "Pay within 13 days.", 0),
        ("It is safe.", "It is not safe.", 0),
        ("You can pay by card.", "You can never pay by card.", 0),
        ("Das Paket ist da.", "Das Paket ist nicht da.", 0),
        ("hello there friend", "the invoice is overdue", 0),
        ("You get a refund.", "You get a refund in 3 days.", "meaning_numbers"),
        ("I am not sure it works.", "I am sure it doesn't fail.", "meaning_negation"),
        ("The problem is not who has money.", "The problem is who has not money.", "meaning_word_order"),
        ("Anna owes Ben money.", "Ben owes Anna money.", "meaning_word_order"),
        ("Call Mr Smith at the office.", "Call Mr Jones at the office.", "meaning_names"),
        ("The parcel arrives on Monday.", "The parcel arrives on Tuesday.", "meaning_names"),
        ("They are jumping on a wall.", "They are jumping off a wall.", "meaning_words"),
        ("The refund was approved yesterday.", "The refund was denied yesterday.", "meaning_words"),
        ("Wear protective gear at work.", "Wear unprotective gear at work.", "meaning_words"),
        ("It takes 5 hours by train.", "It takes 5 days by train.", "meaning_words"),
        ("It costs $5 in total.", "It costs €5 in total.", "meaning_symbols"),
        ("Das Büro ist heute geschlossen und leer", "Das Büro ist heute geöffnet und leer", "meaning_words"),
        ("包裹将于星期一到达。", "包裹将于星期二到达。", "meaning_words"),
        ("ខ្ញុំទៅផ្សារ", "ខ្ញុំទៅសាលា", "meaning_unknown_words"),
    ],
)
def test_texts_that_differ_in_what_an_embedding_does_not_see_never_agree(a, b, expected):
    assert outcome(a, b) == expected


@needs_vectors
def test_a_reply_in_another_language_never_agrees():
    english, german = (
        "The office is closed and you can call us.",
        "Das Büro ist geschlossen und Sie können uns anrufen.",
    )
    assert outcome(english, german) != 1
    assert outcome(english, german, **with_cosine(0.95, english, german)) == "meaning_language"


def test_an_unsure_pair_is_unscored_and_no_failure_of_a_model():
    found = compare(pair("Anna owes Ben money.", "Ben owes Anna money."), task(**OFFLINE), embeddings={})
    assert (found.agreement, found.unscored) == (None, "meaning_not_embedded")
    assert found.detail["problem"] == "it was not asked for"
    assert found.detail["cosine"] is None


def test_endpoint_embeddings_decide_by_both_thresholds():
    a, b = "We shipped it this morning.", "Your order left our warehouse some hours ago."
    for cosine, expected in ((0.9, 1), (0.6, "meaning_unsure"), (0.3, 0)):
        assert outcome(a, b, **with_cosine(cosine, a, b)) == expected
    assert outcome(a, b, **with_cosine(0.6, a, b), threshold=0.55) == 1
    assert outcome(a, b, **with_cosine(0.6, a, b), different_below=0.7) == 0


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Your card was charged 5 euros by the shop.", "The shop charged your card 6 euros."),
        ("The shop in Oslo opens at noon.", "At noon our Bergen branch opens."),
        ("It does not open at noon.", "It opens at noon."),
        ("The train leaves from platform nine on monday.", "The train leaves from platform nine on tuesday."),
        ("anna owes ben money", "ben owes anna money"),
    ],
)
def test_a_cosine_of_one_does_not_outrank_numbers_names_negations_and_exchanged_words(a, b):
    assert outcome(a, b, **with_cosine(1.0, a, b)) != 1


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_texts_are_compared_or_refused_with_a_reason(a, b):
    try:
        found = outcome(a, b, **with_cosine(0.99, a.strip(), b.strip()))
    except Unreadable:
        return
    assert found in (0, 1) or str(found).startswith("meaning_")
    assert outcome(a, a, **OFFLINE) == 1


def test_only_texts_that_need_an_endpoint_are_asked_for():
    both = pair("one", " two \n", reference="three")
    assert texts_to_embed(both, task(**OFFLINE)) == [Text("embedder", word) for word in ("one", "two", "three")]
    assert texts_to_embed(both, task()) == []
    assert texts_to_embed(both, task(**OFFLINE), scorer="text") == []


def test_options_out_of_order_are_a_problem():
    (problem,) = scorer_problems("meaning", {**OFFLINE, "threshold": 0.3, "different_below": 0.5})
    assert "must be in this order" in problem


def test_a_missing_extra_is_one_error_that_names_the_command_before_scorer_and_replay_start(monkeypatch):
    monkeypatch.setattr(word_vectors, "_folder", lambda: None)
    word_vectors.problem.cache_clear()
    try:
        with pytest.raises(ConfigError) as raised:
            require({"help": task(), "listed": task(scorer="label")})
        assert str(raised.value).startswith("tasks.help.scorer: scorer 'meaning' needs the embeddings")
        assert "pip install 'shadow-regret[meaning]'" in str(raised.value)
        assert "\n" not in str(raised.value)
        configured = Settings(
            models={"big": ModelSettings(base_url="http://127.0.0.1:1/v1")},
            tasks={"help": task()},
            postgres=PostgresSettings(url="postgresql://a@127.0.0.1:1/b"),
        )
        with pytest.raises(ConfigError, match="pip install"):
            build(configured)
        with pytest.raises(ConfigError, match="pip install"):
            run([], configured)
        require({"help": task(**OFFLINE)})
        with pytest.raises(ConfigError, match=r"--scorer: .*pip install"):
            require({}, override="meaning")
    finally:
        monkeypatch.undo()
        word_vectors.problem.cache_clear()


def task(scorer="meaning", **options):
    return TaskSettings(frontier="big", scorer=scorer, scorer_options=options)


def pair(a, b, *, reference=None):
    request = {"messages": [{"role": "user", "content": "?"}]}
    exchange = Exchange(
        id="1", task="help", at=AT, request=request, reply=Reply(model="big", content=a),
        reference=reference, api="chat",
    )  # fmt: skip
    return Trial(
        exchange=exchange,
        kind="shadow",
        candidate="small",
        reply=Reply(model="small", content=b),
        at=AT,
    )
