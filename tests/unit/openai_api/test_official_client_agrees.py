"""Whatever the events of a stream are, what is kept of it is what the official client gives the application."""

import json
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.openai_api.stream_reader import read_stream
from tests.support import official_client
from tests.support.official_client import Got

LEFT_OUT: Any = object()


def mapping(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not LEFT_OUT}


def optional(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from([LEFT_OUT, None, *values])


PARTS: Any = (
    [{"type": "text", "text": "p"}, "s"],
    [{"type": "refusal", "refusal": "no"}],
    [{"text": "untyped"}],
    [None],
    [],
)
CALLS = st.builds(
    lambda index, arguments: {"index": index, "function": {"arguments": arguments}},
    st.sampled_from([0, 1]),
    st.sampled_from(["{", "}", '"a": 1', "", None]),
)
DELTAS = st.builds(
    mapping,
    content=optional("hello", "h", "", "é😀", *PARTS, {"a": 1}, 7),
    refusal=optional("", "sorry"),
    role=optional("assistant"),
    tool_calls=st.just(LEFT_OUT) | st.lists(CALLS, max_size=2),
    audio=optional({"transcript": "tr"}, {"data": "x"}),
    name=optional("n"),
)
CHOICES = st.builds(
    mapping,
    index=st.sampled_from([0, 0, 0, 1, 2, "0", LEFT_OUT, None, 0.0]),
    delta=st.just(None) | DELTAS | DELTAS | DELTAS,
    finish_reason=optional("", "stop", "length", "content_filter", "tool_calls", "eos", "error"),
    logprobs=optional(),
)
USAGE = optional({}, {"prompt_tokens": 1, "completion_tokens": 2}, {"prompt_tokens": "4", "completion_tokens": 2.0})
CHUNKS = st.builds(
    mapping,
    model=optional("", "m1", "m2"),
    choices=st.lists(CHOICES, max_size=2) | st.lists(CHOICES, min_size=1, max_size=1) | st.just(None),
    usage=USAGE,
    error=st.sampled_from([LEFT_OUT] * 5 + [None, {}, "", False]),
)
ERRORS = st.sampled_from([{"error": {"message": "x", "code": 429}}, {"error": "boom"}, {"error": True, "choices": []}])
FRAMES = st.sampled_from(
    [b": c", b"event: x\ndata: {}", b"data: null", b"data: 3", b"data: {}", b"foo: bar", b"data :x"]
)
LAST = st.sampled_from((
    *(b"", b"data: [DONE]\n\n", b"data: [DONE]", b"data:[DONE] x\n\n", b"data:  [DONE]\n\n", b"data: nope\n\n"),
    *(b"data:\n\n", b"data\n\n", b"event: x\n\n", b"id: 1\n\n\n", b"retry: 1\n\n", b": \xff\n\n", b'data: "\xff"\n\n'),
    b'data: {"choices": [{"index": 0, "delta": {"content": "tail"}, "finish_reason": "stop"}]}\n',
))  # fmt: skip


def data(event: Any) -> bytes:
    return b"data: " + json.dumps(event).encode()


EVENTS = CHUNKS.map(data) | CHUNKS.map(data) | CHUNKS.map(data) | FRAMES
ENDS = st.sampled_from([b"\n\n", b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\n\n"])
BODIES = st.builds(
    lambda events, error, last: b"".join(event + end for event, end in events) + error + last,
    st.lists(st.tuples(EVENTS, ENDS), max_size=6),
    st.just(b"") | st.just(b"") | ERRORS.map(lambda error: data(error) + b"\n\n"),
    LAST,
)


@pytest.fixture(scope="module")
def served():
    """The official client, which gets whatever body is in this list."""
    body = [b""]
    headers = {"content-type": "text/event-stream"}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, headers=headers, content=body[0]))
    with httpx2.Client(transport=transport) as http:
        client = openai.OpenAI(base_url="http://server/v1", api_key="k", max_retries=0, http_client=http)
        list(client.chat.completions.create(model="gpt-x", messages=[], stream=True))  # the first request is slow
        yield body, client


@given(body=BODIES)
def test_any_stream_is_kept_as_the_application_got_it(served: tuple[list[bytes], openai.OpenAI], body: bytes):
    answer, client = served
    answer[0] = body
    got = official_client.chat_stream(client.chat.completions.create(model="gpt-x", messages=[], stream=True))
    kept, complete = read_stream("chat", [(body, 1.0)], started=0.0, model="gpt-x")
    assert (kept.content or "", kept.refusal or "") == (got.content, got.refusal)
    assert (kept.finish_reason or None, kept.model) == (got.finish_reason or None, got.model or "gpt-x")
    if len(got.tool_calls) < 2:  # without names, the arguments of two calls are those of one
        assert [(call.name, call.arguments) for call in kept.tool_calls] == got.tool_calls
    counts = (kept.usage.prompt_tokens, kept.usage.completion_tokens) if kept.usage else (None, None)
    assert counts == (got.prompt_tokens, got.completion_tokens)
    check_failure(kept.failure, got)
    assert complete == (kept.failure != "interrupted")


def check_failure(failure: str | None, got: Got) -> None:
    """A failure of the kind that the client raised; without one, only what the answer itself shows."""
    if got.raised is not None:
        assert failure in official_client.failures_of(got.raised)
    elif failure is None:
        assert got.content or got.tool_calls
    else:
        assert failure in ("interrupted", "empty", "refusal", "truncated", "endpoint_error")
