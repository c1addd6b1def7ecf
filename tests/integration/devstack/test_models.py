"""The simulated servers against the official client: what it accepts, real servers send."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import aiohttp
import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from shadow.devstack.model_servers.models import Fault, SimulatedServer, echo_app, simulated_app
from shadow.devstack.model_servers.openai_format import FINGERPRINT
from shadow.devstack.services.processes import poll_until
from shadow.devstack.simulation.world import World
from shadow.openai_api import replies
from shadow.settings import ModelSettings
from shadow.upstream import Endpoint

Serve = Callable[[Any], str]

NOW = datetime(2026, 9, 22, 12, tzinfo=UTC)
WORLD = World(now=NOW)
HELLO: list[Any] = [{"role": "user", "content": "Hello, this is more than one piece of a stream."}]
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
}


def _client(url: str, **options: Any) -> OpenAI:
    return OpenAI(base_url=f"{url}/v1", api_key="unused", timeout=10, **{"max_retries": 0, **options})


def test_the_server_answers_with_the_replies_of_the_world(serve: Serve) -> None:
    with _client(serve(simulated_app("candidate", WORLD, time_scale=0))) as client:
        for index in range(20):
            ask = WORLD.ask(index, NOW)
            completion = client.chat.completions.create(**ask.body)
            expected = WORLD.reply_of("candidate", ask.body, NOW, attempt=str(index + 1))
            assert completion.choices[0].message.content == expected.content
            assert completion.choices[0].finish_reason == expected.finish_reason
            assert completion.usage is not None
            assert expected.usage is not None
            assert completion.usage.completion_tokens == expected.usage.completion_tokens


def test_every_answer_is_marked_as_simulated(serve: Serve) -> None:
    with _client(serve(simulated_app("frontier", WORLD, time_scale=0))) as client:
        raw = client.chat.completions.with_raw_response.create(model="m", messages=HELLO)
        assert raw.headers["x-shadow-simulated"] == "true"
        assert raw.headers["x-request-id"] == "simulated-1"
        parsed = raw.parse()
        assert parsed.system_fingerprint == FINGERPRINT
        assert parsed.model == "simulated-frontier"
        assert [model.id for model in client.models.list()] == ["simulated-frontier"]


def test_a_chat_stream_carries_the_same_text_and_its_usage_last(serve: Serve) -> None:
    with _client(serve(echo_app())) as client:
        stream = client.chat.completions.create(
            model="m", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
        chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == HELLO[0]["content"]
    assert len(chunks) > 4
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_a_chat_stream_without_usage_has_none(serve: Serve) -> None:
    with _client(serve(echo_app())) as client:
        chunks = list(client.chat.completions.create(model="m", messages=HELLO, stream=True))
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_whole_and_streamed_responses_have_the_same_content(serve: Serve) -> None:
    with _client(serve(echo_app())) as client:
        whole = client.responses.create(model="m", input="Hello, this is more than one piece of a stream.")
        with client.responses.stream(model="m", input="Hello, this is more than one piece of a stream.") as stream:
            deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
            final = stream.get_final_response()
    assert whole.output_text == final.output_text == "".join(deltas)
    assert len(deltas) > 1
    assert whole.usage is not None
    assert whole.usage.output_tokens > 0


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_on_offer_is_called_and_its_result_is_then_used(serve: Serve, stream: bool) -> None:
    tool: Any = {"type": "function", "function": {"name": "weather", "parameters": WEATHER}}
    with _client(serve(echo_app())) as client:
        if stream:
            with client.chat.completions.stream(model="m", messages=HELLO, tools=[tool]) as events:
                message: Any = events.get_final_completion().choices[0].message
        else:
            message = client.chat.completions.create(model="m", messages=HELLO, tools=[tool]).choices[0].message
        call = message.tool_calls[0]
        assert call.function.name == "weather"
        assert json.loads(call.function.arguments) == {"city": "example", "days": 1}

        result: Any = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
        after = client.chat.completions.create(model="m", messages=[*HELLO, result], tools=[tool])
        assert after.choices[0].message.tool_calls is None


def test_a_response_calls_a_tool_too(serve: Serve) -> None:
    tool: Any = {"type": "function", "name": "weather", "parameters": WEATHER, "strict": False}
    with _client(serve(echo_app())) as client:
        whole: Any = client.responses.create(model="m", input="hi", tools=[tool])
        with client.responses.stream(model="m", input="hi", tools=[tool]) as stream:
            streamed: Any = stream.get_final_response()
    for answer in (whole, streamed):
        assert answer.output[0].type == "function_call"
        assert json.loads(answer.output[0].arguments) == {"city": "example", "days": 1}


def test_a_required_schema_is_followed(serve: Serve) -> None:
    shape: Any = {"type": "json_schema", "json_schema": {"name": "w", "schema": WEATHER}}
    with _client(serve(echo_app())) as client:
        completion = client.chat.completions.create(model="m", messages=HELLO, response_format=shape)
    assert json.loads(completion.choices[0].message.content or "") == {"city": "example", "days": 1}


async def test_the_async_client_is_served_whole_and_streamed(serve: Serve) -> None:
    async with AsyncOpenAI(base_url=f"{serve(echo_app())}/v1", api_key="unused", max_retries=0) as client:
        whole = await client.chat.completions.create(model="m", messages=HELLO)
        stream = await client.chat.completions.create(model="m", messages=HELLO, stream=True)
        pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert whole.choices[0].message.content == "".join(pieces) == HELLO[0]["content"]


def test_a_rate_limit_says_when_to_come_back(serve: Serve) -> None:
    server = echo_app(fault=Fault(kind="rate_limited", every=2, retry_after_s=0.01))
    url = serve(server)
    with _client(url) as client:
        client.chat.completions.create(model="m", messages=HELLO)
        with pytest.raises(openai.RateLimitError) as refused:
            client.chat.completions.create(model="m", messages=HELLO)
        assert refused.value.response.headers["retry-after"] == "0.01"
    with _client(url, max_retries=2) as client:
        client.chat.completions.create(model="m", messages=HELLO)
        client.chat.completions.create(model="m", messages=HELLO)
    assert server.requests == 5


def test_an_error_is_an_error(serve: Serve) -> None:
    with (
        _client(serve(echo_app(fault=Fault(kind="error")))) as client,
        pytest.raises(openai.InternalServerError, match="simulated failure"),
    ):
        client.chat.completions.create(model="m", messages=HELLO)


def test_a_cut_stream_ends_without_a_finish_reason(serve: Serve) -> None:
    chunks: list[Any] = []
    with _client(serve(echo_app(fault=Fault(kind="cut")))) as client:
        stream = client.chat.completions.create(model="m", messages=HELLO, stream=True)
        with pytest.raises(openai.APIConnectionError):
            chunks.extend(iter(stream))
        with pytest.raises(openai.APIConnectionError):
            client.chat.completions.create(model="m", messages=HELLO)
    assert all(chunk.choices[0].finish_reason is None for chunk in chunks)


async def test_a_cut_answer_is_a_broken_connection_and_a_malformed_one_is_not_json(serve: Serve) -> None:
    body = {"model": "m", "messages": HELLO}
    async with aiohttp.ClientSession() as session:
        cut = serve(echo_app(fault=Fault(kind="cut")))
        with pytest.raises(aiohttp.ClientError):
            async with session.post(f"{cut}/v1/chat/completions", json=body) as answer:
                await answer.read()
        malformed = serve(echo_app(fault=Fault(kind="malformed")))
        async with session.post(f"{malformed}/v1/chat/completions", json=body) as answer:
            assert answer.status == 200
            assert replies.read_bytes("chat", await answer.read()).failure == "malformed"


def test_a_client_gives_up_a_silent_server(serve: Serve) -> None:
    server = echo_app(fault=Fault(kind="silent"))
    with _client(serve(server)) as client, pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.2).chat.completions.create(model="m", messages=HELLO)
    poll_until(lambda: server.hang_ups == 1, timeout=10.0)


def test_a_client_that_leaves_a_stream_is_noticed(serve: Serve) -> None:
    server = echo_app(content="word " * 5_000, latency_ms=60_000)
    server_url = serve(server)
    with _client(server_url) as client:
        stream = client.chat.completions.create(model="m", messages=HELLO, stream=True)
        stream.close()
    poll_until(lambda: server.hang_ups == 1, timeout=10.0)


def test_the_last_requests_are_kept_for_tests_to_look_at(serve: Serve) -> None:
    server = echo_app(keep=2)
    with _client(serve(server)) as client:
        for _ in range(3):
            client.chat.completions.create(model="m", messages=HELLO, extra_headers={"X-Mine": "yes"})
    assert server.requests == 3
    assert len(server.seen) == 2
    assert server.seen[-1].path == "/v1/chat/completions"
    assert server.seen[-1].headers["x-mine"] == "yes"
    assert json.loads(server.seen[-1].body)["messages"] == HELLO


async def test_what_it_does_not_know_it_refuses_politely(serve: Serve) -> None:
    url = serve(echo_app())
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{url}/v1/chat/completions", data=b"not json") as answer:
            assert answer.status == 400
            assert "not JSON" in (await answer.json())["error"]["message"]
        async with session.get(f"{url}/v1/embeddings") as answer:
            assert answer.status == 404


async def test_our_own_reader_reads_every_answer_as_the_reply_it_was_made_from(serve: Serve) -> None:
    server: SimulatedServer = simulated_app("candidate", WORLD, time_scale=0)
    url = serve(server)
    async with aiohttp.ClientSession() as session:
        for index in range(400):
            ask = WORLD.ask(index, NOW)
            async with session.post(f"{url}/v1/chat/completions", json=ask.body) as answer:
                read = replies.read_bytes("chat", await answer.read())
            made = WORLD.reply_of("candidate", ask.body, NOW, attempt=str(index + 1))
            assert (read.content, read.refusal, read.failure, read.usage, read.finish_reason) == (
                made.content,
                made.refusal,
                made.failure,
                made.usage,
                made.finish_reason,
            )


async def test_the_candidates_log_probabilities_give_the_confidence_that_it_was_made_with(serve: Serve) -> None:
    model = ModelSettings(base_url=serve(simulated_app("candidate", WORLD, time_scale=0)) + "/v1", logprobs=True)
    async with Endpoint("simulated-7b", model) as endpoint:
        for index in range(60):
            ask = WORLD.ask(index, NOW)
            reply = await endpoint.ask(ask.body, trial=True)
            made = WORLD.reply_of("candidate", ask.body, NOW, attempt=str(index + 1))
            assert reply.content == made.content
            if reply.failure is None:
                assert made.confidence is not None
                assert reply.confidence == pytest.approx(made.confidence, abs=1e-4)
