from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.compare import compare, scored
from scoring.refusals import classified, is_refusal
from scoring.scorers import SCORERS
from shadow.records import (
    Exchange,
    Failure,
    Part,
    Preference,
    Reply,
    TaskKind,
    ToolCall,
    Trial,
    TrialKind,
    candidate_reply,
    frontier_reply,
)
from shadow.settings import TaskSettings

AT = datetime(2026, 9, 1, tzinfo=UTC)
SUMS = TaskSettings(frontier="f", kind="reasoning")
LABELS = TaskSettings(frontier="f", kind="classification")


def say(content: str | None = None, **fields: object) -> Reply:
    return msgspec.convert({"model": "m", "content": content, **fields}, Reply)


def failed(failure: Failure, detail: str | None = None) -> Reply:
    return Reply(model="m", failure=failure, failure_detail=detail)


def pair(
    frontier: Reply,
    candidate: Reply,
    kind: TrialKind = "shadow",
    reference: str | None = None,
    label: Preference | None = None,
    judge: Preference | None = None,
) -> Trial:
    served, other = (candidate, frontier) if kind == "reverse" else (frontier, candidate)
    exchange = Exchange(
        id="1", task="t", at=AT, request={}, reply=served, served_by="candidate" if kind == "reverse" else "frontier",
        reference=reference, label=label, judge=judge,
    )  # fmt: skip
    return Trial(exchange=exchange, kind=kind, candidate="c", reply=other, at=AT)


@pytest.mark.parametrize("kind", ["shadow", "reverse"])
def test_regret_is_how_much_less_correct_the_candidate_is_whoever_was_served(kind: TrialKind):
    found = compare(pair(say("It is 42"), say("41"), kind, reference="42"), SUMS)
    assert (found.agreement, found.frontier_correct, found.candidate_correct) == (0, 1, 0)
    assert (found.regret, found.net_regret, found.regret_source) == (1, 1, "reference")


def test_disagreement_is_not_regret_when_the_candidate_is_right_or_both_are_wrong():
    better = compare(pair(say("41"), say("42"), reference="42"), SUMS)
    assert (better.agreement, better.regret, better.net_regret) == (0, 0, -1)
    both_wrong = compare(pair(say("40"), say("41"), reference="42"), SUMS)
    assert (both_wrong.agreement, both_wrong.regret, both_wrong.net_regret) == (0, 0, 0)


def not_eligible(reason: str) -> Reply:
    return Reply(model="m", failure="ineligible", ineligible=reason)


@pytest.mark.parametrize(
    ("cut", "reason"),
    [
        (("request",), "ineligible:prompt_cut"),
        (("request", "reply"), "ineligible:prompt_cut"),
        (("reply",), "reply_cut"),
        ((), None),
        (None, "ineligible:prompt_cut"),  # a record of an older version, which does not say what was cut
    ],
)
def test_what_was_cut_is_not_compared(cut: tuple[Part, ...] | None, reason: str | None):
    whole = pair(say("1"), say("1"))
    trial = msgspec.structs.replace(whole, exchange=msgspec.structs.replace(whole.exchange, truncated=True, cut=cut))
    assert compare(trial, SUMS).unscored == reason
    judged = TaskSettings(frontier="f", kind="reasoning", judge="j")
    assert compare(trial, judged).judge_rate == (1.0 if reason is None else None)
    not_sampled = msgspec.structs.replace(trial, reply=failed("not_asked", "not_sampled"))
    assert compare(not_sampled, SUMS).unscored == "not_sampled"


def test_a_reply_of_which_only_our_copy_is_not_whole_is_no_failure_of_the_model():
    ours = failed("truncated", "longer than the bytes that are kept")
    models = msgspec.structs.replace(ours, finish_reason="length")
    found = []
    for served in (ours, models):
        trial = pair(served, say("hi"))
        exchange = msgspec.structs.replace(trial.exchange, truncated=True, cut=("reply",))
        found.append(scored(msgspec.structs.replace(trial, exchange=exchange), None))
    assert [comparison.unscored for _, comparison in found] == ["reply_cut", "reply_cut"]
    assert [trial.exchange.reply.failure for trial, _ in found] == [None, "truncated"]


def test_the_strongest_source_of_regret_wins():
    replies = (say("42"), say("42"))
    assert compare(pair(*replies, reference="42", label="frontier", judge="candidate"), SUMS).regret_source == "human"
    assert compare(pair(*replies, reference="42", judge="frontier"), SUMS).regret_source == "reference"
    by_judge = compare(pair(*replies, judge="candidate"), SUMS)
    assert (by_judge.regret, by_judge.net_regret, by_judge.regret_source) == (0, -1, "judge")
    assert compare(pair(*replies, judge="frontier"), SUMS).regret == 1
    without_source = compare(pair(*replies), SUMS)
    assert (without_source.regret, without_source.net_regret, without_source.regret_source) == (None, None, None)


def test_an_unreadable_reference_leaves_the_next_source():
    found = compare(pair(say("42"), say("41"), reference="unknown", judge="frontier"), SUMS)
    assert (found.frontier_correct, found.regret_source) == (None, "judge")
    assert "reference_unreadable" in found.detail


def test_a_ceiling_has_agreement_and_no_regret():
    found = compare(pair(say("42"), say("42"), "ceiling", reference="42", label="frontier"), SUMS)
    assert (found.agreement, found.regret, found.regret_source) == (1, None, None)


@pytest.mark.parametrize(
    ("frontier", "candidate", "reason"),
    [
        (say("1"), failed("timeout"), "candidate_timeout"),
        (failed("refusal"), failed("timeout"), "frontier_refusal"),
        (failed("endpoint_error"), failed("not_asked"), "frontier_endpoint_error"),
        (say("1"), failed("not_asked", "not_sampled"), "not_sampled"),
        (say("1"), failed("not_asked", "not_recorded"), "candidate_not_recorded"),
        (failed("not_asked", "not_recorded"), say("1"), "frontier_not_recorded"),
        (say("1"), failed("not_asked"), "not_asked"),
        (say("1"), failed("expired"), "expired"),
        (say("1"), not_eligible("image_input"), "ineligible:image_input"),
        (failed("refusal"), not_eligible("context_length"), "ineligible:context_length"),
        (not_eligible("prompt_cut"), say("1"), "ineligible:prompt_cut"),
        (say("1"), not_eligible("a reason of another version"), "ineligible:other"),
        (say("1"), failed("ineligible"), "ineligible:other"),
        (say("1"), say("no number"), "candidate_malformed"),
        (say("no number"), say("1"), "frontier_malformed"),
        (say("1"), say(" "), "candidate_empty"),
        (say("1"), say("12", finish_reason="length"), "candidate_truncated"),
        (say("1"), say("I'm sorry, but I can't help with that."), "candidate_refusal"),
    ],
)
def test_a_pair_that_cannot_be_compared_is_unscored_with_a_reason_and_never_a_disagreement(
    frontier: Reply, candidate: Reply, reason: str
):
    found = compare(pair(frontier, candidate, reference="1"), SUMS)
    assert (found.agreement, found.unscored, found.regret) == (None, reason, None)


def test_a_preference_counts_although_the_scorer_could_not_read_a_reply():
    found = compare(pair(say("42"), say("no idea"), label="frontier"), SUMS)
    assert (found.agreement, found.unscored, found.regret) == (None, "candidate_malformed", 1)
    nothing_to_see = compare(pair(say("42"), failed("timeout"), label="frontier"), SUMS)
    assert nothing_to_see.regret is None


@pytest.mark.parametrize("kind", ["shadow", "reverse", "ceiling"])
def test_a_failure_found_in_the_text_comes_back_with_the_trial_so_that_it_is_counted(kind: TrialKind):
    trial, _ = scored(pair(say("42"), say("no idea"), kind), SUMS)
    assert frontier_reply(trial).failure is None
    assert candidate_reply(trial).failure == "malformed"
    assert candidate_reply(trial).failure_detail == "no number in the reply"


def test_a_pair_without_failures_is_returned_unchanged():
    trial = pair(say("42"), say("41"))
    assert scored(trial, SUMS)[0] is trial


def test_tool_calls_are_compared_as_calls_whatever_the_tasks_scorer():
    call = say(tool_calls=[{"name": "f", "arguments": '{"a": 1}'}])
    assert compare(pair(call, call), LABELS).scorer == "tool_calls"
    assert compare(pair(call, call), LABELS).agreement == 1
    in_words = compare(pair(say("hello"), call), LABELS)
    assert (in_words.scorer, in_words.agreement) == ("tool_calls", 0)
    assert call.tool_calls == (ToolCall(name="f", arguments='{"a": 1}'),)


def test_the_tasks_kind_scorer_and_options_are_used_and_a_named_scorer_overrides_them():
    assert compare(pair(say("A"), say("a.")), LABELS).agreement == 1
    strict = TaskSettings(frontier="f", kind="classification", scorer="exact")
    assert compare(pair(say("A"), say("a")), strict).agreement == 0
    loose = TaskSettings(frontier="f", scorer="exact", scorer_options={"ignore_case": True})
    assert compare(pair(say("A"), say("a")), loose).agreement == 1
    assert compare(pair(say("1"), say("1.0")), strict, scorer="numeric").agreement == 1
    assert compare(pair(say("1"), say("1.0")), None).scorer == "text"


JUDGED = TaskSettings(frontier="f", kind="classification", judge="j", judge_rate=0.5)


def due(trial: Trial, task: TaskSettings | None = JUDGED) -> float | None:
    return compare(trial, task).judge_rate


def test_a_fixed_share_of_the_pairs_is_selected_for_the_judge_with_its_probability():
    asked = [msgspec.structs.replace(pair(say("a"), say("b")).exchange, id=str(number)) for number in range(400)]
    rates = [due(msgspec.structs.replace(pair(say("a"), say("b")), exchange=exchange)) for exchange in asked]
    assert set(rates) == {0.5, None}
    assert 160 < rates.count(0.5) < 240
    assert rates == [due(msgspec.structs.replace(pair(say("a"), say("b")), exchange=exchange)) for exchange in asked]


def test_pairs_without_two_replies_or_with_a_judgement_are_not_selected_for_the_judge():
    always = TaskSettings(frontier="f", judge="j")
    assert due(pair(say("a"), say("b")), always) == 1.0
    assert due(pair(say("a"), say("a")), always) == 1.0
    assert due(pair(say("a"), say("I'm sorry, but I can't help with that.")), always) == 1.0
    assert due(pair(say("a"), failed("timeout")), always) is None
    assert due(pair(say("a"), say("b"), "ceiling"), always) is None
    assert due(pair(say("a"), say("b"), judge="tie"), always) is None
    assert due(pair(say("a"), say("b")), TaskSettings(frontier="f")) is None
    assert due(pair(say("a"), say("b")), TaskSettings(frontier="f", judge="j", judge_rate=0.0)) is None


def test_a_misconfigured_scorer_is_a_reason_and_not_a_crash():
    unknown = TaskSettings(frontier="f", scorer="vibes")
    assert compare(pair(say("1"), say("1")), unknown).unscored == "unknown_scorer"
    misspelled = TaskSettings(frontier="f", scorer="numeric", scorer_options={"absolut": 1})
    assert compare(pair(say("1"), say("1")), misspelled).unscored == "scorer_misconfigured"


def test_scores_are_rounded_to_millionths():
    found = compare(pair(say("a b c"), say("a b d")), None)
    assert found.agreement == 0.666667


@settings(deadline=None)  # the first comparison by meaning loads the embeddings
@given(st.text(), st.text(), st.sampled_from(sorted(SCORERS)))
def test_no_text_makes_it_raise_and_every_score_is_in_range(a: str, b: str, scorer: str):
    found = compare(pair(say(a), say(b), reference=a), None, scorer=scorer)
    assert (found.agreement is None) == (found.unscored is not None)
    for score in (found.agreement, found.regret, found.frontier_correct, found.candidate_correct):
        assert score is None or 0 <= score <= 1


@pytest.mark.parametrize(
    "text",
    ["I'm sorry, but I can't help with that.", "I’m sorry, but I can’t assist with that request.",
     "Sorry, I cannot fulfill this request.", "As an AI language model, I cannot do this.",
     "I am unable to answer your question.", "Unfortunately, I must decline.",
     "Es tut mir leid, aber dabei kann ich nicht helfen.", "Je suis désolé, mais je ne peux pas vous aider avec cela.",
     "Lo siento, pero no puedo ayudarte con eso.", "Desculpe, mas não posso ajudar com isso.",
     "Mi dispiace, ma non posso aiutarti con questo.", "抱歉，我无法协助完成这个请求。",
     "申し訳ありませんが、お手伝いすることはできません。", "죄송합니다만 도와 드릴 수 없습니다."],
)  # fmt: skip
def test_a_refusal_is_recognised_by_its_opening_words(text: str):
    assert is_refusal(text)


@pytest.mark.parametrize(
    "text",
    ["I can't find an order with that number.", "I'm sorry, I can't provide refunds after 30 days.",
     "I cannot help but smile.", "I cannot complete your order without an address.", "refund", "42",
     "Sorry about the delay! It ships today.", "Das kann ich leider nicht sagen.",
     "I'm sorry to hear that. Please restart the router.",
     "I'm sorry, but I can't help with that. " + "However, here is the whole answer. " * 60],
)  # fmt: skip
def test_an_answer_that_says_no_is_still_an_answer(text: str):
    assert not is_refusal(text)


def test_a_failure_reported_by_the_endpoint_stays():
    assert classified(failed("timeout", "late")) == failed("timeout", "late")
    assert classified(say("x", refusal="no")).failure == "refusal"
    assert classified(say("x", finish_reason="content_filter")).failure == "refusal"
    assert classified(say("fine")).failure is None


@pytest.mark.parametrize(
    ("task", "content", "agreement"),
    [
        (LABELS, "<think>\n\n</think>\n\nrefund", 1),
        (LABELS, "<think>\n\n</think>\n\nexchange", 0),
        (LABELS, "exchange or refund?\n</think>\n\nrefund", 1),
        (TaskSettings(frontier="f", kind="generation"), "<thinking>long thoughts about it</thinking>refund", 1),
        (TaskSettings(frontier="f", scorer="exact"), "[THINK]exchange[/THINK]refund", 1),
    ],
)
def test_reasoning_in_a_text_that_an_older_version_sent_is_never_scored(
    task: TaskSettings, content: str, agreement: float
):
    trial, comparison = scored(pair(say("refund"), say(content)), task)
    assert comparison.agreement == agreement
    assert "think" not in (candidate_reply(trial).content or "")


@pytest.mark.parametrize("kind", ["classification", "extraction", "generation", "reasoning"])
def test_reasoning_beside_an_answer_changes_no_score(kind: TaskKind):
    task = TaskSettings(frontier="f", kind=kind)
    replies = say('{"a": 42}'), say('{"a": 41}')
    thoughtful = say('{"a": 42}', reasoning="43? No."), say('{"a": 41}', reasoning="42")
    assert compare(pair(*thoughtful, reference="42"), task) == compare(pair(*replies, reference="42"), task)


def test_a_reply_that_is_reasoning_alone_is_empty_or_truncated():
    for content in ("<think>hm</think>", "<think>hm", "<think></think>\n"):
        assert compare(pair(say("refund"), say(content)), LABELS).unscored == "candidate_empty"
        cut = say(content, finish_reason="length")
        assert compare(pair(say("refund"), cut), LABELS).unscored == "candidate_truncated"
