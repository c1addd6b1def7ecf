"""Promises of reading answers: both APIs, whole or streamed, and nothing strange ever raises."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.openai_api import replies
from shadow.openai_api.error_bodies import failure_of_status
from shadow.openai_api.json_text import repaired, without_halves
from shadow.openai_api.stream_reader import StreamReader
from shadow.records import ToolCall, Usage

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def chat(message=None, finish="stop", **more):
    return {
        "model": "m",
        "choices": [{"index": 0, "message": message or {"content": "hi"}, "finish_reason": finish}],
        **more,
    }


def chunk(delta=None, finish=None, **more):
    return {"model": "m", "choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish}], **more}


def streamed(api, events):
    reader = StreamReader(api)
    for event in events:
        reader.feed(event)
    return reader.reply()


def test_a_chat_answer_is_read_whole():
    reply = replies.read("chat", chat(usage={"prompt_tokens": 5, "completion_tokens": 7}))
    assert (reply.model, reply.content, reply.finish_reason, reply.failure) == ("m", "hi", "stop", None)
    assert reply.usage == Usage(prompt_tokens=5, completion_tokens=7)


def test_a_streamed_chat_answer_reads_like_a_whole_one():
    whole = replies.read("chat", chat({"content": "hello"}, usage={"prompt_tokens": 1, "completion_tokens": 2}))
    parts = [chunk({"role": "assistant", "content": ""}), chunk({"content": "hel"}), chunk({"content": "lo"})]
    end = [chunk(finish="stop"), {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}]
    assert streamed("chat", [*parts, *end]) == whole


def test_streamed_tool_calls_are_put_together_by_index():
    def call(index, name="", arguments=""):
        return chunk({"tool_calls": [{"index": index, "function": {"name": name, "arguments": arguments}}]})

    events = [
        call(1, "b"),
        call(0, "a", '{"x"'),
        call(0, arguments=":1}"),
        call(1, arguments="{}"),
        chunk(finish="tool_calls"),
    ]
    reply = streamed("chat", events)
    assert reply.tool_calls == (ToolCall(name="a", arguments='{"x":1}'), ToolCall(name="b", arguments="{}"))
    assert reply.failure is None


def test_a_stream_that_breaks_off_is_interrupted_and_its_usage_unknown():
    reply = streamed("chat", [chunk({"content": "hal"})])
    assert (reply.failure, reply.content, reply.usage) == ("interrupted", "hal", None)


def test_an_error_event_in_a_stream_is_the_endpoints_fault():
    reply = streamed("chat", [chunk({"content": "hal"}), {"error": {"message": "overloaded"}}])
    assert (reply.failure, reply.failure_detail) == ("endpoint_error", "overloaded")


def test_the_first_token_starts_the_stream_and_a_role_alone_does_not():
    reader = StreamReader("chat")
    reader.feed(chunk({"role": "assistant", "content": ""}))
    assert not reader.started
    reader.feed(chunk({"content": "x"}))
    assert reader.started


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        (chat({"content": None, "refusal": "no"}), "refusal"),
        (chat({"content": "x"}, finish="content_filter"), "refusal"),
        (chat({"content": "half a"}, finish="length"), "truncated"),
        (chat({"content": ""}), "empty"),
        ({"choices": []}, "malformed"),
        ([], "malformed"),
        ("text", "malformed"),
    ],
)
def test_an_answer_without_a_readable_reply_has_a_failure(body, failure):
    assert replies.read("chat", body).failure == failure


def test_choices_after_the_first_are_ignored():
    other = {"choices": [{"index": 1, "delta": {"content": "second"}, "finish_reason": "stop"}]}
    assert streamed("chat", [chunk({"content": "first"}), other, chunk(finish="stop")]).content == "first"


RESPONSE = {
    "model": "m",
    "status": "completed",
    "output": [
        {"type": "reasoning", "content": None},
        {"type": "message", "content": [{"type": "output_text", "text": "hi"}]},
        {"type": "function_call", "name": "f", "arguments": "{}"},
    ],
    "usage": {"input_tokens": 5, "output_tokens": 7},
}


def test_a_responses_answer_is_read_whole():
    reply = replies.read("responses", RESPONSE)
    assert (reply.content, reply.tool_calls) == ("hi", (ToolCall(name="f", arguments="{}"),))
    assert reply.usage == Usage(prompt_tokens=5, completion_tokens=7)
    assert reply.failure is None


def test_a_streamed_responses_answer_is_the_one_it_completes_with():
    events = [
        {"type": "response.created", "response": {"model": "m"}},
        {"type": "response.output_text.delta", "delta": "hi"},
        {"type": "response.completed", "response": RESPONSE},
    ]
    assert streamed("responses", events) == replies.read("responses", RESPONSE)
    assert streamed("responses", events[:2]).failure == "interrupted"
    assert streamed("responses", events[:2]).content == "hi"


def test_a_truncated_or_failed_response_has_that_failure():
    cut = {**RESPONSE, "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    assert replies.read("responses", cut).failure == "truncated"
    broken = {"model": "m", "status": "failed", "error": {"message": "boom"}, "output": []}
    assert replies.read("responses", broken).failure == "endpoint_error"


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (429, "rate_limited"),
        (408, "timeout"),
        (504, "timeout"),
        (500, "endpoint_error"),
        (503, "endpoint_error"),
        (400, "rejected"),
    ],
)
def test_a_status_maps_to_a_failure(status, failure):
    assert failure_of_status(status) == failure


@given(JSON, st.sampled_from(["chat", "responses"]))
def test_any_json_at_all_is_read_without_raising(body, api):
    replies.read(api, body)
    replies.read_bytes(api, json.dumps(body).encode())
    streamed(api, [body, chunk({"content": body}), {"type": "response.completed", "response": body}])


@given(st.binary(max_size=60), st.sampled_from(["chat", "responses"]))
def test_any_bytes_at_all_are_read_without_raising(body, api):
    assert replies.read_bytes(api, body).failure == "malformed"


def test_wildly_nested_bytes_are_malformed_not_a_crash():
    assert replies.read_bytes("chat", b"[" * 1_000_000).failure == "malformed"


LEGACY = {"function_call": {"name": "f", "arguments": '{"x":1}'}}
CUSTOM = {"id": "c1", "type": "custom", "custom": {"name": "sql", "input": "select 1"}}


@pytest.mark.parametrize(
    ("message", "call"),
    [
        ({"content": None, **LEGACY}, ToolCall(name="f", arguments='{"x":1}')),
        ({"content": None, "tool_calls": [CUSTOM]}, ToolCall(name="sql", arguments="select 1")),
    ],
)
def test_every_kind_of_call_in_a_chat_answer_is_a_tool_call(message, call):
    reply = replies.read("chat", chat(message, finish="tool_calls"))
    assert (reply.tool_calls, reply.failure) == ((call,), None)


def test_a_streamed_custom_call_reads_like_a_whole_one():
    def part(**custom):
        return chunk({"tool_calls": [{"index": 0, "custom": custom}]})

    opened = chunk({"tool_calls": [{"index": 0, "id": "c1", "type": "custom", "custom": {"name": "sql", "input": ""}}]})
    events = [opened, part(input="select"), part(input=" 1"), chunk(finish="tool_calls")]
    assert streamed("chat", events) == replies.read("chat", chat({"tool_calls": [CUSTOM]}, finish="tool_calls"))


def test_a_streamed_legacy_call_reads_like_a_whole_one():
    def part(**call):
        return chunk({"function_call": call})

    events = [
        part(name="f", arguments=""),
        part(arguments='{"x"'),
        part(arguments=":1}"),
        chunk(finish="function_call"),
    ]
    assert streamed("chat", events) == replies.read("chat", chat(LEGACY, finish="function_call"))


@pytest.mark.parametrize(
    ("item", "call"),
    [
        (
            {"type": "custom_tool_call", "name": "sql", "input": "select 1"},
            ToolCall(name="sql", arguments="select 1"),
        ),
        (
            {"type": "computer_call", "action": {"type": "click", "x": 1, "y": 2}},
            ToolCall(name="computer", arguments='{"action":{"type":"click","x":1,"y":2}}'),
        ),
        (
            {"type": "computer_call", "actions": [{"type": "wait"}]},
            ToolCall(name="computer", arguments='{"actions":[{"type":"wait"}]}'),
        ),
        (
            {"type": "shell_call", "action": {"commands": ["ls"]}},
            ToolCall(name="shell", arguments='{"action":{"commands":["ls"]}}'),
        ),
    ],
)
def test_every_kind_of_call_that_a_response_leaves_to_the_application_is_a_tool_call(item, call):
    reply = replies.read("responses", {"model": "m", "status": "completed", "output": [{"id": "i1", **item}]})
    assert (reply.tool_calls, reply.failure) == ((call,), None)


def test_a_call_that_the_endpoint_itself_carries_out_is_no_answer():
    searched = {"type": "web_search_call", "id": "w1", "status": "completed", "action": {"query": "x"}}
    assert replies.read("responses", {"status": "completed", "output": [searched]}).failure == "empty"


@pytest.mark.parametrize("status", ["queued", "in_progress", "cancelled", "incomplete"])
@pytest.mark.parametrize("output", [None, [], RESPONSE["output"]])
def test_a_response_that_is_not_finished_is_never_taken_for_an_answer(status, output):
    reply = replies.read("responses", {**RESPONSE, "status": status, "output": output})
    assert (reply.failure, reply.finish_reason) == ("interrupted", None)
    assert status in (reply.failure_detail or "")


PIECES = st.lists(st.characters(categories=["Cs"]) | st.sampled_from(["\\", "u", "d83d", "a", "😀", '"']))


@given(PIECES.map("".join))
def test_half_characters_are_replaced_and_nothing_else_is(text: str):
    escaped = json.dumps(text).encode()
    mended = without_halves(escaped)
    expected = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    assert json.loads(repaired(escaped)) == expected
    try:
        found = msgspec.json.decode(mended)
    except msgspec.DecodeError:  # after a backslash that looks like the escape of a first half
        assert "\\" in text
    else:
        assert found == expected
