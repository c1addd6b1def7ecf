"""Promises of reading what servers really send: the reply is what the official client gives the application."""

import json
from collections.abc import Iterable
from typing import Any

import httpx2
import msgspec
import openai
import pytest

from shadow.openai_api import replies
from shadow.openai_api.stream_reader import read_stream
from shadow.records import Reply, ToolCall

DONE = b"data: [DONE]\n\n"
ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def chunk(delta: dict[str, Any], finish: str | None = None, index: int = 0) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def call(arguments: str, *, name: str | None = None, **fields: Any) -> dict[str, Any]:
    """A chunk with a piece of a tool call; `fields` are its `index` and `id`."""
    function = {"arguments": arguments} if name is None else {"name": name, "arguments": arguments}
    return chunk({"tool_calls": [{"type": "function", "function": function, **fields}]})


def sse(*events: Any, done: bool = True) -> bytes:
    lines = [event if isinstance(event, bytes) else b"data: %s\n\n" % json.dumps(event).encode() for event in events]
    return b"".join(lines) + (DONE if done else b"")


def streamed(body: bytes, api: Any = "chat") -> Reply:
    """The reply in a stream, which is the same wherever its bytes are cut."""
    whole, complete = read_stream(api, [(body, 1.0)], started=1.0)
    in_bytes, _ = read_stream(api, [(body[i : i + 1], 1.0) for i in range(len(body))], started=1.0)
    assert in_bytes == whole
    assert complete == (whole.failure != "interrupted")
    return whole


def official_chunks(body: bytes) -> Iterable[Any]:
    """What the official client gives the application for this stream."""
    headers = {"content-type": "text/event-stream"}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, headers=headers, content=body))
    with httpx2.Client(transport=transport) as http:
        client = openai.OpenAI(base_url="http://server/v1", api_key="k", max_retries=0, http_client=http)
        yield from client.chat.completions.create(**ASK, stream=True)


def official(body: bytes) -> tuple[str, list[tuple[str, str]]]:
    """The content and the tool calls of choice 0 that an application puts together, as OpenAI's guide shows it."""
    text = ""
    calls: dict[int, list[str]] = {}
    for each in official_chunks(body):
        for choice in getattr(each, "choices", None) or []:
            if choice.index != 0:
                continue
            text += choice.delta.content or ""
            for part in choice.delta.tool_calls or []:
                found = calls.setdefault(part.index, ["", ""])
                found[0] += part.function.name or ""
                found[1] += part.function.arguments or ""
    text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text, [(name, arguments) for _, (name, arguments) in sorted(calls.items())]


def raw(text: bytes) -> bytes:
    return sse(chunk({"content": "TEXT"}), done=False).replace(b"TEXT", text)


BOTH = {**chunk({}), "choices": [chunk({"content": who}, index=i)["choices"][0] for i, who in ((1, "B"), (0, "A"))]}


@pytest.mark.parametrize(
    "body",
    [
        sse(chunk({"content": "hello"}), chunk({"content": " world"}), chunk({}, "stop")),
        sse(chunk({"content": "hello"})),
        sse(chunk({"content": "hello"}, "")),
        sse(chunk({"content": "hello"}, "stop"), done=False),
        sse(chunk({"content": "hello"}), b"data:[DONE] \n\n", chunk({"content": " after the end"})),
        sse(b": ping\n\n", b"data: null\n\n", chunk({"content": "x"}), b"data: 3\r\n\r\n"),
        sse(raw(b"approved "), raw(rb"\ud83d"), raw(rb"\ude00 but only"), chunk({}, "stop")),
        sse(raw(rb"half \ud83d"), raw(rb"and \ude00 half"), chunk({}, "stop")),
        sse(b'data: {"choices": [{"index": 0, "delta": {"content": "x"}, "score": NaN}]}\n\n'),
        sse(BOTH, chunk({}, "stop", index=1), chunk({}, "stop")),
        sse(call("", name="f", index=0, id="a"), call('{"x":', index=0), call("1}", index=0), chunk({}, "tool_calls")),
        sse(call("{}", name="g", index=1, id="b"), call("{}", name="f", index=0, id="a"), chunk({}, "tool_calls")),
        sse(call("{", name="f", index=0, id="a"), call("}", index=0, id="another"), chunk({}, "tool_calls")),
        sse(call("", name="get_", index=0, id="a"), call("{}", name="time", index=0), chunk({}, "tool_calls")),
    ],
)
def test_a_stream_has_the_content_and_the_calls_that_the_official_client_gives(body: bytes):
    reply = streamed(body)
    text, calls = official(body)
    assert (reply.content or "", [(made.name, made.arguments) for made in reply.tool_calls]) == (text, calls)
    assert reply.failure is None


WEATHER, TIME = ToolCall(name="get_weather", arguments='{"city": "Bonn"}'), ToolCall(name="get_time", arguments="{}")


@pytest.mark.parametrize("index", [{"index": 0}, {"index": None}, {}])
@pytest.mark.parametrize("ids", [({"id": "a"}, {"id": "b"}), ({}, {}), ({"id": ""}, {"id": ""})])
def test_parallel_calls_with_the_same_index_or_none_are_told_apart(index: dict[str, Any], ids: tuple[Any, Any]):
    first, second = ids
    opened = call('{"city": ', name="get_weather", **index, **first)
    rest = call('"Bonn"}', **index)
    events = [opened, rest, call("{}", name="get_time", **index, **second), chunk({}, "tool_calls")]
    assert streamed(sse(*events)).tool_calls == (WEATHER, TIME)


def test_parallel_calls_whose_pieces_alternate_are_told_apart_by_id():
    opened = [call("", name=name, index=0, id=name) for name in ("get_weather", "get_time")]
    pieces = [call('{"city": ', index=0, id="get_weather"), call("{", index=0, id="get_time")]
    ends = [call('"Bonn"}', index=None, id="get_weather"), call("}", id="get_time"), chunk({}, "tool_calls")]
    assert streamed(sse(*opened, *pieces, *ends)).tool_calls == (WEATHER, TIME)


@pytest.mark.parametrize("call_id", [{"id": "a"}, {}])
def test_a_tool_name_repeated_in_each_piece_counts_once(call_id: dict[str, str]):
    pieces = [call(part, name="get_weather", index=0, **call_id) for part in ('{"city"', ': "Bonn"', "}")]
    assert streamed(sse(*pieces, chunk({}, "tool_calls"))).tool_calls == (WEATHER,)


def test_a_stream_that_says_done_is_complete_and_without_an_answer_empty():
    assert streamed(sse(chunk({"role": "assistant"}))).failure == "empty"
    assert streamed(sse(chunk({"content": "hal"}), done=False)).failure == "interrupted"


PARTS = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "hel"}, "lo"]


def test_content_as_a_list_of_parts_is_its_text_without_the_thoughts():
    whole = {"model": "m", "choices": [{"message": {"content": PARTS}, "finish_reason": "stop"}]}
    parts = [chunk({"content": [part]}) for part in PARTS]
    for reply in (replies.read("chat", whole), streamed(sse(*parts, chunk({}, "stop")))):
        assert (reply.content, reply.failure) == ("hello", None)
    refusal = {"message": {"content": [{"type": "refusal", "refusal": "no"}]}, "finish_reason": "stop"}
    assert replies.read("chat", {"choices": [refusal]}).failure == "refusal"


ERRORS = [
    ({"error": {"message": "slow down", "code": 429}}, "rate_limited"),
    ({"error": {"message": "slow down", "code": "429"}}, "rate_limited"),
    ({"error": {"message": "slow down", "code": "rate_limit_exceeded", "type": "requests"}}, "rate_limited"),
    ({"error": {"message": "no more money", "code": "insufficient_quota"}}, "rate_limited"),
    ({"error": {"message": "too slow", "code": 504}}, "timeout"),
    ({"error": {"message": "too slow", "type": "timeout_error"}}, "timeout"),
    ({"error": {"message": "too long", "code": 400}}, "rejected"),
    ({"error": {"message": "too long", "type": "invalid_request_error"}}, "rejected"),
    ({"error": {"message": "down", "code": 502}}, "endpoint_error"),
    ({"error": {"message": "down"}}, "endpoint_error"),
    ({"error": "Too Many Requests"}, "rate_limited"),
    ({"error": "out of memory"}, "endpoint_error"),
    ({"object": "error", "message": "too long", "type": "BadRequestError", "code": 400}, "rejected"),
    ({"object": "error", "message": "down", "type": "InternalServerError", "code": 500}, "endpoint_error"),
]


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize(("body", "failure"), ERRORS)
def test_an_error_inside_an_answer_is_the_endpoints_failure(api: Any, body: dict[str, Any], failure: str):
    message = body["error"] if isinstance(body.get("error"), str) else (body.get("error") or body)["message"]
    for reply in (replies.read(api, body), streamed(sse(body), api)):
        assert (reply.failure, reply.failure_detail) == (failure, message)


def test_a_choice_that_ended_with_an_error_is_the_endpoints_failure_and_keeps_what_came():
    choice = {"finish_reason": "error", "error": {"code": 429, "message": "slow down"}}
    whole = {"choices": [{"message": {"content": "hal"}, **choice}]}
    event = chunk({"content": "hal"})
    event["choices"][0] |= choice
    for reply in (replies.read("chat", whole), streamed(sse(event))):
        assert (reply.failure, reply.failure_detail, reply.content) == ("rate_limited", "slow down", "hal")
    assert streamed(sse(chunk({"content": "hal"}, "error"))).failure == "endpoint_error"


def test_an_error_beside_an_answer_that_came_to_its_end_is_a_note():
    body = {"choices": [{"message": {"content": "hello"}, "finish_reason": "stop"}], "error": "cache was down"}
    assert replies.read("chat", body).failure is None
    assert replies.read("chat", {**body, "choices": [{"message": {"content": ""}}]}).failure == "endpoint_error"


def response_events(*events: dict[str, Any], **final: Any) -> bytes:
    ended = {"type": "response.completed", "response": {"model": "m", "status": "completed", "output": [], **final}}
    return sse(*events, ended, done=False)


TEXT = {"type": "response.output_text.delta", "item_id": "i", "output_index": 0, "delta": "hello"}
CALL = {"type": "function_call", "id": "f1", "name": "get_time", "arguments": "{}"}
ADDED = {"type": "response.output_item.added", "output_index": 1, "item": {**CALL, "arguments": ""}}
ARGUMENTS = [
    {"type": "response.function_call_arguments.delta", "item_id": "f1", "output_index": 1, "delta": part}
    for part in "{}"
]


@pytest.mark.parametrize(
    "events", [[TEXT, ADDED, *ARGUMENTS], [TEXT, {**ADDED, "type": "response.output_item.done", "item": CALL}]]
)
def test_a_streamed_response_with_an_empty_end_has_the_items_seen_on_the_way(events: list[dict[str, Any]]):
    reply = streamed(response_events(*events), "responses")
    assert (reply.content, reply.tool_calls, reply.failure) == ("hello", (TIME,), None)
    at_done = streamed(sse(*events), "responses")
    assert (at_done.content, at_done.tool_calls, at_done.failure) == ("hello", (TIME,), None)


def test_the_end_of_a_streamed_response_counts_where_it_has_an_output():
    message = {"type": "message", "content": [{"type": "output_text", "text": "final"}]}
    assert streamed(response_events(TEXT, output=[message]), "responses").content == "final"
    cut = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    reply = streamed(response_events(TEXT, **cut), "responses")
    assert (reply.content, reply.failure) == ("hello", "truncated")


@pytest.mark.parametrize(
    "event", [b"data: {broken\n\n", b'data: {"choices": [{"delta": "\xff"}]}\n\n', b"data: ping\n\n"]
)
def test_an_event_that_is_not_json_makes_the_reply_malformed(event: bytes):
    body = sse(chunk({"content": "hello"}), event, chunk({"content": " unread"}, "stop"))
    reply = streamed(body)
    assert (reply.content, reply.failure) == ("hello", "malformed")
    assert "not JSON" in (reply.failure_detail or "")
    with pytest.raises(ValueError, match=r"Expecting|decode"):
        list(official_chunks(body))


def test_an_event_cut_off_by_the_end_of_the_stream_is_interrupted_and_not_malformed():
    body = sse(chunk({"content": "hello"}), b'data: {"choices": [{"ind', done=False)
    assert (streamed(body).content, streamed(body).failure) == ("hello", "interrupted")


def test_half_characters_never_leave_the_reader():
    half = rb'"\ud83d"'
    action = b'{"status": "completed", "output": [{"type": "shell_call", "action": {"commands": [%s]}}]}' % half
    chat = b'{"model": %s, "choices": [{"message": {"content": %s, "refusal": %s}, "finish_reason": %s}]}'
    for reply in (
        replies.read_bytes("responses", action),
        replies.read_bytes("chat", chat % (half, half, half, half)),
        replies.read_bytes("chat", b'{"model": %s, "error": {"message": %s}}' % (half, half)),
        streamed(b"data: %s\n\n" % (b'{"model": %s, "error": %s}' % (half, half))),
    ):
        assert b"\\ud83d" not in msgspec.json.encode(reply)


def test_a_whole_answer_is_decoded_as_the_client_decodes_it():
    body = '{"choices": [{"message": {"content": "hellö"}, "finish_reason": "stop", "score": NaN}]}'
    for data in (body.encode(), body.encode("utf-8-sig"), body.encode("utf-16")):
        assert replies.read_bytes("chat", data).content == "hellö"
