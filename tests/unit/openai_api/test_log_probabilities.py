"""Promises of the confidence of a reply: only the answer's tokens count, and what is not known is not a number."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.openai_api import replies
from shadow.openai_api.stream_reader import read_stream
from shadow.records import Reply, TokenProbabilities

DONE = b"data: [DONE]\n\n"


def entry(text: str, p: float, *others: float) -> dict[str, Any]:
    """A token as vLLM and OpenAI report it, with the probabilities of the most probable tokens of its place."""
    top = [{"token": str(number), "logprob": math.log(other)} for number, other in enumerate(others)]
    return {"token": text, "logprob": math.log(p), "bytes": list(text.encode()), "top_logprobs": top}


def choice(message: dict[str, Any], logprobs: Any, finish: str = "stop") -> dict[str, Any]:
    return {"index": 0, "message": {"role": "assistant", **message}, "logprobs": logprobs, "finish_reason": finish}


def whole(message: dict[str, Any], logprobs: Any, finish: str = "stop") -> Reply:
    return replies.read("chat", {"model": "m", "choices": [choice(message, logprobs, finish)]})


def content(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"content": list(entries), "refusal": None}


def text_of(entries: list[dict[str, Any]]) -> str:
    return "".join(each["token"] for each in entries)


def streamed(pieces: Sequence[tuple[dict[str, Any], list[dict[str, Any]] | None]], finish: str = "stop") -> Reply:
    """The reply of a stream of (delta, its tokens)."""
    choices: list[dict[str, Any]] = [
        {"index": 0, "delta": delta, "logprobs": None if entries is None else {"content": entries}}
        for delta, entries in pieces
    ]
    choices.append({"index": 0, "delta": {}, "finish_reason": finish, "logprobs": None})
    events = [b"data: " + json.dumps({"model": "m", "choices": [each]}).encode() + b"\n\n" for each in choices]
    return read_stream("chat", [(b"".join(events) + DONE, 1.0)], started=1.0)[0]


REFUND = [entry("ref", 0.9, 0.9, 0.05), entry("und", 0.4, 0.5, 0.4)]


def test_confidence_is_the_geometric_mean_of_the_answers_tokens_with_quantiles_and_the_least_margin():
    reply = whole({"content": "refund"}, content(*REFUND))
    assert reply.confidence == pytest.approx(math.sqrt(0.9 * 0.4), rel=1e-5)
    assert reply.token_probabilities == TokenProbabilities(n=2, q0=0.4, q10=0.4, q25=0.4, q50=0.4, least_margin=0.1)
    assert reply.confidence_reason is None


def test_a_stream_has_the_confidence_of_the_whole_answer():
    one_by_one = streamed([({"role": "assistant"}, None), *(({"content": e["token"]}, [e]) for e in REFUND)])
    together = streamed([({"content": "refund"}, REFUND)])
    expected = whole({"content": "refund"}, content(*REFUND))
    for reply in (one_by_one, together):
        assert (reply.confidence, reply.token_probabilities) == (expected.confidence, expected.token_probabilities)


def test_quantiles_are_probabilities_of_actual_tokens():
    entries = [entry(f"w{i} ", i / 20) for i in range(1, 21)]
    found = whole({"content": text_of(entries)}, content(*entries)).token_probabilities
    assert found is not None
    assert (found.n, found.q0, found.q10, found.q25, found.q50) == pytest.approx((20, 0.05, 0.1, 0.25, 0.5))
    assert found.least_margin is None  # the second most probable tokens are unknown


def test_the_end_of_the_answer_is_no_part_of_it():
    for end in ("<|im_end|>", "</s>", "<｜end▁of▁sentence｜>", "<end_of_turn>", ""):
        reply = whole({"content": "refund"}, content(*REFUND, entry(end, 0.001)))
        assert reply.token_probabilities is not None
        assert reply.token_probabilities.n == 2, end


REASONED = [
    *(entry(text, 0.2) for text in ("<think>", "Let", " me", " think", ": refund", "?", "</think>", "\n\n")),
    *REFUND,
    entry("<|im_end|>", 0.99),
]


@pytest.mark.parametrize(
    "message",
    [
        {"content": "refund", "reasoning_content": "Let me think: refund?"},  # vLLM with a reasoning parser
        {"content": "\n\nrefund", "reasoning": "Let me think: refund?"},
        {"content": "refund"},  # a server that leaves the reasoning out of the answer, but not out of the tokens
    ],
)
def test_tokens_of_reasoning_do_not_count(message: dict[str, Any]):
    reply = whole(message, content(*REASONED))
    assert reply.confidence == pytest.approx(0.6, rel=1e-5)
    assert reply.token_probabilities is not None
    assert reply.token_probabilities.n == 2


def test_reasoning_inside_the_text_does_not_count_either():
    text = text_of(REASONED).removesuffix("<|im_end|>")
    assert whole({"content": text}, content(*REASONED)).confidence == pytest.approx(0.6, rel=1e-5)
    pieces = [({"content": each["token"]}, [each]) for each in REASONED[:-1]]
    assert streamed(pieces).confidence == pytest.approx(0.6, rel=1e-5)


def test_an_answer_that_cannot_be_found_among_tokens_of_reasoning_has_no_confidence():
    reply = whole({"content": "another text"}, content(*REASONED))
    assert (reply.confidence, reply.confidence_reason, reply.token_probabilities) == (None, "not_aligned", None)


def test_tokens_that_are_written_otherwise_than_the_text_all_count_where_there_is_nothing_else():
    entries = [entry("▁Guten", 0.5), entry("▁Tag", 0.5), entry("<0x21>", 0.5), entry("</s>", 0.001)]
    assert whole({"content": "Guten Tag!"}, content(*entries)).confidence == pytest.approx(0.5)


@pytest.mark.parametrize("wrong", [[10**30], [-1], [1.5], ["a"], "hi", {}, [True]])
def test_bytes_that_are_none_are_replaced_by_the_text(wrong: Any):
    entries = [{**each, "bytes": wrong} for each in REFUND]
    assert whole({"content": "refund"}, content(*entries)).confidence == pytest.approx(0.6, rel=1e-5)


def test_characters_divided_between_tokens_are_found_by_their_bytes():
    euro = "€".encode()
    entries = [
        {"token": "�", "bytes": list(part), "logprob": math.log(0.5), "top_logprobs": []}
        for part in (euro[:1], euro[1:])
    ]
    reasoning = entry("<think></think>", 0.01)
    assert whole({"content": "€"}, content(reasoning, *entries)).confidence == pytest.approx(0.5)


ARGUMENTS = [entry('{"city":', 0.8), entry(' "Ber', 0.5), entry('lin"}', 0.5)]
CALL_TEXT = [entry("<tool_call>", 0.01), entry('{"name": "weather", "arguments": ', 0.01), *ARGUMENTS]
CALLED = [*CALL_TEXT, entry("}\n</tool_call>", 0.01), entry("<|im_end|>", 0.01)]


def call(name: str, arguments: str) -> dict[str, Any]:
    return {"id": "1", "type": "function", "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize(
    "arguments", ['{"city": "Berlin"}', '{"city":"Berlin"}', '{ "city" : "Berlin" }'], ids=["same", "compact", "spaced"]
)
def test_of_a_tool_call_only_the_tokens_of_the_arguments_count(arguments: str):
    message = {"content": None, "tool_calls": [call("weather", arguments)]}
    reply = whole(message, content(*CALLED), "tool_calls")
    assert reply.confidence == pytest.approx((0.8 * 0.5 * 0.5) ** (1 / 3), rel=1e-5)
    assert reply.token_probabilities is not None
    assert reply.token_probabilities.n == 3


def test_arguments_of_parallel_calls_count_together_each_at_its_own_place():
    entries = [
        entry('{"name": "a", "arguments": ', 0.01), entry("{}", 0.9), entry('}\n{"name": "b", "arguments": ', 0.01),
        entry('{"x": 1}', 0.4), entry("}", 0.01),
    ]  # fmt: skip
    message = {"content": "I look.", "tool_calls": [call("a", "{}"), call("b", '{"x": 1}')]}
    assert whole(message, content(*entries)).confidence == pytest.approx(0.6, rel=1e-5)


def test_drafts_of_a_call_in_the_reasoning_do_not_count():
    draft = [entry(text, 0.01) for text in ("<think>", 'weather {"city": "Berlin"}', "?", "</think>")]
    message = {"content": None, "reasoning": "…", "tool_calls": [call("weather", '{"city": "Berlin"}')]}
    found = whole(message, content(*draft, *CALLED)).confidence
    assert found == pytest.approx((0.8 * 0.5 * 0.5) ** (1 / 3), rel=1e-5)


@pytest.mark.parametrize(
    ("generated", "arguments"),
    [
        (['{"name": "f", "parameters": ', '{"a": "\\u00fc", "b": [1, {"c": {}}]}', "}"], '{"a":"ü","b":[1,{"c":{}}]}'),
        (["[TOOL_CALLS][", '{"name": "f", "arguments": ', '{"n": 1.50}', "}]"], '{"n": 1.5}'),
        (["<function=f>", "{}", "</function>"], "{}"),
        (["call:f", "{ }", "<end>"], "{}"),
    ],
    ids=["Llama", "Mistral", "empty", "empty, spaced"],
)
def test_arguments_are_found_in_the_markup_of_every_template_that_writes_json(generated: list[str], arguments: str):
    entries = [entry(text, 0.25 if text.startswith("{") and "name" not in text else 0.01) for text in generated]
    message = {"content": None, "tool_calls": [call("f", arguments)]}
    assert whole(message, content(*entries)).confidence == pytest.approx(0.25)


def test_arguments_that_are_not_among_the_tokens_have_no_confidence():
    message = {"content": None, "tool_calls": [call("weather", '{"city": "Rome"}')]}
    assert whole(message, content(*CALLED)).confidence_reason == "not_aligned"
    xml = content(entry("<function=weather><parameter=city>Rome</parameter></function>", 0.5))
    assert whole(message, xml).confidence_reason == "not_aligned"


def test_a_tool_call_without_reported_tokens_has_no_confidence():
    """OpenAI sends `"logprobs": {"content": null}` with tool calls."""
    message = {"content": None, "tool_calls": [call("weather", "{}")]}
    for logprobs in (None, {"content": None, "refusal": None}):
        reply = whole(message, logprobs, "tool_calls")
        assert (reply.confidence, reply.token_probabilities) == (None, None)


@pytest.mark.parametrize(
    "logprob",
    [None, "-0.1", True, 0.5, float("nan"), float("inf"), float("-inf"), -9999.0, -(10**400), 10**400],
    ids=[
        "null",
        "text",
        "boolean",
        "positive",
        "NaN",
        "infinite",
        "minus infinity",
        "unknown to the server",
        "too large a number",
        "too large a positive number",
    ],
)
def test_a_log_probability_that_is_none_leaves_the_reply_without_confidence_and_never_with_0(logprob: Any):
    reply = whole({"content": "refund"}, content(REFUND[0], {**REFUND[1], "logprob": logprob}))
    assert (reply.confidence, reply.confidence_reason, reply.content) == (None, "invalid", "refund")
    assert reply.failure is None


@pytest.mark.parametrize("broken", [[1], [None], ["x"], [{}], [{"logprob": -1.0}], [{"token": 3, "logprob": -1.0}]])
def test_entries_of_another_shape_are_invalid_and_no_failure(broken: list[Any]):
    reply = whole({"content": "refund"}, {"content": broken})
    assert (reply.confidence, reply.confidence_reason, reply.failure) == (None, "invalid", None)


@given(st.recursive(st.none() | st.integers() | st.text(max_size=3) | st.floats(), st.lists, max_leaves=6))
def test_whatever_stands_in_logprobs_the_answer_is_read(anything: Any):
    for logprobs in (anything, {"content": anything}, {"token_logprobs": anything, "tokens": anything}):
        assert whole({"content": "refund"}, logprobs).content == "refund"


@given(st.lists(st.tuples(st.text(min_size=1, max_size=5), st.floats(-50, 0)), min_size=1, max_size=30))
def test_confidence_and_quantiles_are_probabilities_in_order(tokens: list[tuple[str, float]]):
    entries = [{"token": text, "logprob": logprob, "top_logprobs": []} for text, logprob in tokens]
    reply = whole({"content": "".join(text for text, _ in tokens)}, {"content": entries})
    if reply.confidence is None:
        return
    found = reply.token_probabilities
    assert found is not None
    assert 0 <= found.q0 <= found.q10 <= found.q25 <= found.q50 <= 1
    assert found.q0 <= reply.confidence <= 1
    assert msgspec.json.decode(msgspec.json.encode(reply), type=Reply) == reply


def test_the_arrays_of_older_servers_are_read():
    arrays = {
        "tokens": ["ref", "und"],
        "token_logprobs": [math.log(0.9), math.log(0.4)],
        "top_logprobs": [{"ref": math.log(0.9), "x": math.log(0.05)}, {"x": math.log(0.5), "und": math.log(0.4)}],
    }
    assert whole({"content": "refund"}, arrays) == whole({"content": "refund"}, content(*REFUND))


def test_llama_cpps_entries_are_read():
    """They have an id, and the top tokens may lack the one that was chosen."""
    entries = [{"id": number, **each} for number, each in enumerate(REFUND)]
    assert whole({"content": "refund"}, {"content": entries}) == whole({"content": "refund"}, content(*REFUND))


def responses_output(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    part = {"type": "output_text", "text": text_of(entries), "annotations": [], "logprobs": entries}
    return [{"type": "reasoning", "summary": []}, {"type": "message", "role": "assistant", "content": [part]}]


def test_a_responses_tokens_are_read_whole_and_streamed():
    done = {"model": "m", "status": "completed", "output": responses_output(REFUND)}
    found = replies.read("responses", done)
    assert found.confidence == pytest.approx(0.6, rel=1e-5)
    deltas = [
        {"type": "response.output_text.delta", "output_index": 1, "delta": each["token"], "logprobs": [each]}
        for each in REFUND
    ]
    for output in (done["output"], []):  # vLLM leaves the output of the last event empty
        events = [*deltas, {"type": "response.completed", "response": {**done, "output": output}}]
        body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
        streamed_reply = read_stream("responses", [(body, 1.0)], started=1.0)[0]
        assert streamed_reply.confidence == found.confidence
        assert streamed_reply.token_probabilities == found.token_probabilities


def test_a_reply_without_log_probabilities_has_neither_confidence_nor_a_reason():
    reply = replies.read("chat", {"model": "m", "choices": [choice({"content": "refund"}, None)]})
    assert (reply.confidence, reply.confidence_reason, reply.token_probabilities) == (None, None, None)


def test_a_recorded_answer_of_llama_cpp_has_the_same_confidence_whole_and_streamed():
    """Recorded from llama.cpp with SmolLM2-135M; 20 tokens of usage, of which the last one ends the answer."""
    folder = Path(__file__).parents[2] / "golden" / "log_probabilities"
    found = replies.read_bytes("chat", (folder / "llama_cpp_whole.json").read_bytes())
    stream = (folder / "llama_cpp_stream.txt").read_bytes()
    reply, complete = read_stream("chat", [(stream, 1.0)], started=1.0)
    assert (complete, reply.content, reply.usage) == (True, found.content, found.usage)
    assert reply.confidence == found.confidence == pytest.approx(0.454081)
    assert reply.token_probabilities == found.token_probabilities
    assert found.token_probabilities is not None
    assert found.token_probabilities.n == 19
