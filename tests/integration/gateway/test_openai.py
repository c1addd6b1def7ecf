"""The gateway as the official client sees it: just like the endpoint itself."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.support import gateways, scripted
from tests.support.gateways import Running
from tests.support.scripted import Answer

MESSAGES: list[Any] = [{"role": "user", "content": "hello"}]
HEADERS = {"x-shadow-task": "intent", "x-shadow-segment": "plan=pro", "x-shadow-unit": "u7"}


@pytest.fixture
def gateway() -> Iterator[Callable[..., Running]]:
    with ExitStack() as stack:
        yield lambda *answers, **options: gateways.run(stack, *answers, **options)


def client(running: Running, **options) -> OpenAI:
    options = {"api_key": "sk-client", "max_retries": 0, "default_headers": HEADERS, **options}
    return OpenAI(base_url=f"{running.url}/v1", **options)


def sse(*events: dict[str, Any]) -> list[bytes]:
    return [b"data: " + json.dumps(event).encode() + b"\n\n" for event in events] + [b"data: [DONE]\n\n"]


def chunk(text: str | None = None, finish: str | None = None, **extra) -> dict[str, Any]:
    return {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-x",
        "choices": [{"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}],
        **extra,
    }


STREAM = sse(chunk("hel"), chunk("lo"), chunk(finish="stop"))
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "model": "gpt-x",
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "output": [
        {
            "type": "message",
            "id": "m1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "hello", "annotations": []}],
        }
    ],
    "usage": {
        "input_tokens": 3,
        "output_tokens": 2,
        "total_tokens": 5,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    },
}


def test_a_chat_completion_is_served_and_mirrored_once(gateway):
    running = gateway(scripted.chat("hi", model="gpt-x"), mirror_rate=1.0)
    with client(running) as openai_client:
        got = openai_client.chat.completions.create(
            model="intent-model", messages=MESSAGES, metadata={"locale": "de"}, temperature=0.5
        )
    assert got.choices[0].message.content == "hi"
    exchange = running.publisher.one()
    assert (exchange.task, exchange.api, exchange.served_by, exchange.unit) == ("intent", "chat", "frontier", "u7")
    assert exchange.segment == {"locale": "de", "plan": "pro"}
    assert (exchange.reply.content, exchange.reply.failure, exchange.reply.status) == ("hi", None, 200)
    assert exchange.request["temperature"] == 0.5
    assert exchange.request["model"] == "intent-model"
    assert running.endpoint.requests[0].json()["model"] == "gpt-x"


async def test_the_async_client_streams_and_the_stream_is_mirrored_whole(gateway):
    running = gateway(scripted.chunks(*STREAM, pause_s=0.01))
    async with AsyncOpenAI(base_url=f"{running.url}/v1", api_key="sk-x", default_headers=HEADERS) as openai_client:
        stream = await openai_client.chat.completions.create(model="gpt-x", messages=MESSAGES, stream=True)
        text = [event.choices[0].delta.content async for event in stream]
    assert text == ["hel", "lo", None]
    reply = running.publisher.one().reply
    assert (reply.content, reply.finish_reason, reply.usage, reply.failure) == ("hello", "stop", None, None)
    assert reply.ttft_ms is not None
    assert reply.latency_ms is not None
    assert reply.ttft_ms <= reply.latency_ms


def test_the_sync_client_streams_with_usage(gateway):
    last = {**chunk(), "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}
    running = gateway(scripted.chunks(*sse(chunk("hello"), chunk(finish="stop"), last)))
    with client(running) as openai_client:
        stream = openai_client.chat.completions.create(
            model="gpt-x", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
        assert len(list(stream)) == 3
    usage = running.publisher.one().reply.usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (3, 2)


async def test_a_response_is_served_and_mirrored_streamed_and_not(gateway):
    events = [
        {
            "type": "response.created",
            "sequence_number": 0,
            "response": {**RESPONSE, "status": "in_progress", "output": []},
        },
        {"type": "response.output_text.delta", "sequence_number": 1, "item_id": "m1", "output_index": 0}
        | {"content_index": 0, "delta": "hello", "logprobs": []},
        {"type": "response.completed", "sequence_number": 2, "response": RESPONSE},
    ]
    parts = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]
    running = gateway(scripted.whole(json.dumps(RESPONSE).encode()), scripted.chunks(*parts))
    async with AsyncOpenAI(base_url=f"{running.url}/v1", api_key="sk-x", default_headers=HEADERS) as openai_client:
        whole = await openai_client.responses.create(model="intent-model", input="hello")
        assert whole.output_text == "hello"
        stream = await openai_client.responses.create(model="intent-model", input="hello", stream=True)
        assert [event.type async for event in stream] == [event["type"] for event in events]
    first, second = running.publisher.settled(2)
    assert (first.api, first.reply.content, second.reply.content) == ("responses", "hello", "hello")
    assert first.reply.usage == second.reply.usage
    assert (first.reply.ttft_ms is None, second.reply.ttft_ms is None) == (True, False)


def test_tool_calls_reach_the_caller_and_the_mirror(gateway):
    calls = [{"id": "t1", "type": "function", "function": {"name": "refund", "arguments": '{"id": 7}'}}]
    choice = {"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "tool_calls": calls}}
    running = gateway(scripted.chat("", choices=[choice]))
    tool: Any = {"type": "function", "function": {"name": "refund", "parameters": {"type": "object"}}}
    with client(running) as openai_client:
        got = openai_client.chat.completions.create(model="gpt-x", messages=MESSAGES, tools=[tool])
    assert got.choices[0].message.tool_calls
    [call] = running.publisher.one().reply.tool_calls
    assert (call.name, call.arguments) == ("refund", '{"id": 7}')
    assert running.publisher.one().request["tools"] == [tool]


def test_everything_else_passes_through_and_is_not_mirrored(gateway):
    vectors: Any = {"object": "list", "model": "e", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}]}
    vectors["usage"] = {"prompt_tokens": 1, "total_tokens": 1}
    models = {"object": "list", "data": [{"id": "gpt-x", "object": "model", "created": 1, "owned_by": "x"}]}
    upload = {"id": "f1", "object": "file", "bytes": 3, "created_at": 1, "filename": "a", "purpose": "batch"}
    running = gateway(
        *(scripted.whole(json.dumps(body).encode()) for body in (vectors, models, {**upload, "status": "processed"}))
    )
    content = b"x" * 300_000
    with client(running) as openai_client:
        embedding = openai_client.embeddings.create(model="e", input="a", encoding_format="float")
        assert embedding.data[0].embedding == [0.5]
        assert openai_client.models.list(extra_query={"after": "a b", "x": "ü"}).data[0].id == "gpt-x"
        assert openai_client.files.create(file=("a.jsonl", content), purpose="batch").id == "f1"
    embeddings, listing, file = running.endpoint.requests
    assert (embeddings.path, listing.path, file.path) == ("/v1/embeddings", "/v1/models", "/v1/files")
    assert (listing.method, listing.query) == ("GET", "after=a+b&x=%C3%BC")
    assert content in file.body
    assert running.publisher.exchanges == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ],
)
def test_errors_are_the_endpoints_own_headers_and_all(gateway, status: int, kind: type[openai.APIStatusError]):
    limits = {"x_request_id": "req_7", "retry_after": "3", "x_ratelimit_remaining_requests": "0"}
    running = gateway(scripted.error(status, "the endpoint's words", **limits))
    with client(running) as openai_client, pytest.raises(kind) as raised:
        openai_client.chat.completions.create(model="gpt-x", messages=MESSAGES)
    assert raised.value.request_id == "req_7"
    assert raised.value.response.headers["retry-after"] == "3"
    assert raised.value.response.headers["x-ratelimit-remaining-requests"] == "0"
    assert "the endpoint's words" in raised.value.message


def test_a_user_request_that_the_client_retries_is_mirrored_once(gateway):
    busy: Answer = scripted.error(429, "busy", retry_after_ms="1")
    running = gateway(busy, scripted.error(503, "busy", retry_after_ms="1"), scripted.chat("hi"))
    with client(running, max_retries=3) as openai_client:
        openai_client.chat.completions.create(model="gpt-x", messages=MESSAGES)
    assert len(running.endpoint.requests) == 3
    assert running.publisher.one().reply.content == "hi"


def test_a_request_that_the_endpoint_refuses_for_good_is_mirrored_as_rejected(gateway):
    running = gateway(scripted.error(400, "context too long"))
    with client(running) as openai_client, pytest.raises(openai.BadRequestError):
        openai_client.chat.completions.create(model="gpt-x", messages=MESSAGES)
    reply = running.publisher.one().reply
    assert (reply.failure, reply.status) == ("rejected", 400)


def test_the_clients_key_passes_and_nothing_of_it_is_mirrored(gateway):
    running = gateway(scripted.chat("hi"))
    with client(running, api_key="canary-client-key", default_headers={**HEADERS, "x-team": "canary"}) as openai_client:
        openai_client.chat.completions.create(model="gpt-x", messages=MESSAGES)
    seen = running.endpoint.requests[0].headers
    assert seen["authorization"] == "Bearer canary-client-key"
    assert seen["x-team"] == "canary"
    assert not [name for name in seen if name.startswith("x-shadow")]
    assert "canary" not in repr(running.publisher.one())


def test_the_gateways_own_key_replaces_the_clients(gateway, monkeypatch):
    monkeypatch.setenv("TEST_FRONTIER_KEY", "canary-gateway-key")
    running = gateway(scripted.chat("hi"))
    with client(running, api_key="canary-client-key") as openai_client:
        openai_client.chat.completions.create(model="gpt-x", messages=MESSAGES)
    assert running.endpoint.requests[0].headers["authorization"] == "Bearer canary-gateway-key"
    assert "canary" not in repr(running.publisher.one())


def test_sampled_out_requests_are_served_counted_and_not_mirrored(gateway):
    running = gateway(scripted.chat("hi"), mirror_rate=0.0)
    with client(running) as openai_client:
        openai_client.chat.completions.create(model="gpt-x", messages=MESSAGES)
    assert running.publisher.settled(1) == []
    assert running.publisher.sampled_out == {"intent": 1}


def test_one_unit_is_always_sampled_alike_and_the_probability_is_kept(gateway):
    running = gateway(scripted.chat("hi"), mirror_rate=0.5)
    with client(running, default_headers={"x-shadow-task": "intent"}) as openai_client:
        for unit in [f"u{number}" for number in range(12)] * 2:
            openai_client.chat.completions.create(model="gpt-x", messages=MESSAGES, user=unit)
    units = [exchange.unit for exchange in running.publisher.settled(24)]
    assert 0 < len(set(units)) < 12
    assert sorted(units) == sorted([*set(units)] * 2)
    assert {exchange.inclusion_probability for exchange in running.publisher.exchanges} == {0.5}
    assert running.publisher.sampled_out["intent"] == 24 - len(units)
