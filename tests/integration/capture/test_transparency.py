"""The caller of a mirrored client gets the very objects, chunks, timing and exceptions it would have got."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from openai import APIStatusError, AsyncOpenAI, AzureOpenAI, LengthFinishReasonError, OpenAI, OpenAIError
from openai.types.chat import ChatCompletion
from pydantic import BaseModel

from shadow import mirror
from tests.support import services
from tests.support.capturing import Collected, Upstream

ASK: dict[str, Any] = {"model": "big", "messages": [{"role": "user", "content": "my invoice is wrong"}]}
ASK_RESPONSES: dict[str, Any] = {"model": "big", "input": "my invoice is wrong"}


class Label(BaseModel):
    label: str


@pytest.fixture(scope="module")
def served():
    """One server for all: it holds no state but its count of attempts."""
    upstream = Upstream()
    with services.serving(upstream.app) as root:
        yield upstream, f"{root}/v1"


@pytest.fixture
def upstream(served):
    served[0].attempts = 0
    return served[0]


@pytest.fixture
def address(served):
    return served[1]


@pytest.fixture
def client(address):
    with OpenAI(base_url=address, api_key="key-of-the-app", max_retries=2, timeout=5) as client:
        yield client


@pytest.fixture
async def async_client(address):
    async with AsyncOpenAI(base_url=address, api_key="key-of-the-app", max_retries=2, timeout=5) as client:
        yield client


def chat_raw(client):
    raw = client.chat.completions.with_raw_response.create(**ASK)
    return raw.headers["x-request-id"], raw.parse(), raw.status_code


def chat_raw_stream(client):
    return list(client.chat.completions.with_raw_response.create(stream=True, **ASK).parse())


def chat_streaming_response(client):
    with client.chat.completions.with_streaming_response.create(**ASK) as response:
        return list(response.iter_lines()), response.request_id


def chat_stream_lines(client):
    with client.chat.completions.with_streaming_response.create(stream=True, **ASK) as response:
        return list(response.iter_lines())


def chat_stream_helper(client):
    with client.chat.completions.stream(**ASK, response_format=Label) as stream:
        return [event.type for event in stream]


def responses_stream_helper(client):
    with client.responses.stream(**ASK_RESPONSES, text_format=Label) as stream:
        return [event.type for event in stream], stream.get_final_response().output_parsed


def with_block(client):
    with client.chat.completions.create(stream=True, **ASK) as stream:
        return (
            [chunk.model_dump() for chunk in stream],
            stream.response.status_code,
            stream.response.elapsed is not None,
        )


WAYS: dict[str, Callable[[Any], Any]] = {
    "create": lambda c: c.chat.completions.create(**ASK),
    "create, streamed": lambda c: list(c.chat.completions.create(stream=True, **ASK)),
    "create, zipped": lambda c: c.chat.completions.create(**{**ASK, "model": "zipped"}),
    "create, streamed and zipped": lambda c: list(c.chat.completions.create(stream=True, **{**ASK, "model": "zipped"})),
    "stream as context manager": with_block,
    "parse": lambda c: c.chat.completions.parse(**ASK, response_format=Label),
    "raw response": chat_raw,
    "raw response, streamed": chat_raw_stream,
    "streaming response": chat_streaming_response,
    "streaming response, streamed": chat_stream_lines,
    "stream helper": chat_stream_helper,
    "with_options": lambda c: c.with_options(timeout=3, max_retries=0).chat.completions.create(**ASK),
    "client.with_raw_response": lambda c: c.with_raw_response.chat.completions.create(**ASK).parse(),
    "after retries": lambda c: c.chat.completions.create(**{**ASK, "model": "twice-down"}),
    "responses": lambda c: c.responses.create(**ASK_RESPONSES),
    "responses, streamed": lambda c: list(c.responses.create(stream=True, **ASK_RESPONSES)),
    "responses, parsed": lambda c: c.responses.parse(**ASK_RESPONSES, text_format=Label),
    "responses, stream helper": responses_stream_helper,
    "a plain post": lambda c: c.post("/chat/completions", body=ASK, cast_to=object),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_ask_gives_what_it_gave_and_is_mirrored_once(client, upstream, way):
    published = Collected()
    expected = WAYS[way](client)
    upstream.attempts = 0
    got = WAYS[way](mirror(client, task="intent", publisher=published))
    assert type(got) is type(expected)
    assert got == expected
    exchange = published.only()
    assert exchange.task == "intent"
    assert exchange.reply.failure is None
    assert "bil" in (exchange.reply.content or "")
    assert exchange.reply.usage is not None
    assert (exchange.reply.usage.prompt_tokens, exchange.reply.usage.completion_tokens) == (10, 2)
    assert exchange.reply.latency_ms > 0


async def collect(stream):
    return [chunk async for chunk in stream]


async def async_streaming_response(client):
    async with client.chat.completions.with_streaming_response.create(**ASK) as response:
        return await response.json()


async def async_stream_helper(client):
    async with client.chat.completions.stream(**ASK, response_format=Label) as stream:
        return [event.type async for event in stream]


async def async_raw(client):
    return (await client.chat.completions.with_raw_response.create(**ASK)).parse()


async def async_streamed(client, **more):
    return await collect(await client.chat.completions.create(stream=True, **{**ASK, **more}))


async def async_responses_streamed(client):
    return await collect(await client.responses.create(stream=True, **ASK_RESPONSES))


ASYNC_WAYS: dict[str, Callable[[Any], Any]] = {
    "create": lambda c: c.chat.completions.create(**ASK),
    "create, streamed": async_streamed,
    "create, streamed and zipped": lambda c: async_streamed(c, model="zipped"),
    "parse": lambda c: c.chat.completions.parse(**ASK, response_format=Label),
    "raw response": async_raw,
    "streaming response": async_streaming_response,
    "stream helper": async_stream_helper,
    "with_options": lambda c: c.with_options(timeout=3).chat.completions.create(**ASK),
    "after retries": lambda c: c.chat.completions.create(**{**ASK, "model": "twice-down"}),
    "responses": lambda c: c.responses.create(**ASK_RESPONSES),
    "responses, streamed": async_responses_streamed,
}


@pytest.mark.parametrize("way", ASYNC_WAYS)
async def test_every_way_to_ask_asynchronously_too(async_client, upstream, way):
    published = Collected()
    expected = await ASYNC_WAYS[way](async_client)
    upstream.attempts = 0
    got = await ASYNC_WAYS[way](mirror(async_client, task="intent", publisher=published))
    assert got == expected
    exchange = published.only()
    assert exchange.reply.failure is None
    assert exchange.reply.usage is not None


@pytest.mark.parametrize(
    ("model", "failure", "status"),
    [("busy", "rate_limited", 429), ("down", "endpoint_error", 503), ("wrong", "rejected", 400)],
)
def test_the_callers_exception_is_the_sdks_own_and_the_failure_is_mirrored(client, upstream, model, failure, status):
    published = Collected()
    with pytest.raises(APIStatusError) as expected:
        client.chat.completions.create(**{**ASK, "model": model})
    with pytest.raises(APIStatusError) as got:
        mirror(client, task="intent", publisher=published).chat.completions.create(**{**ASK, "model": model})
    assert type(got.value) is type(expected.value)
    assert str(got.value) == str(expected.value)
    assert got.value.response.status_code == status
    reply = published.only().reply
    assert (reply.failure, reply.status) == (failure, status)
    assert reply.content is None


def test_retries_are_the_sdks_business_and_mirrored_as_one_request(client, upstream):
    published = Collected()
    mirror(client, task="intent", publisher=published).chat.completions.create(**{**ASK, "model": "twice-down"})
    assert upstream.attempts == 3
    assert published.only().reply.failure is None


def test_a_timeout_is_raised_and_mirrored_as_one(client):
    published = Collected()
    impatient = mirror(client, task="intent", publisher=published).with_options(timeout=0.05, max_retries=0)
    with pytest.raises(OpenAIError):
        impatient.chat.completions.create(**{**ASK, "model": "slow"})
    exchange = published.only()
    assert exchange.reply.failure == "timeout"
    assert exchange.request["messages"] == ASK["messages"]


def test_a_refused_connection_is_mirrored_as_an_endpoint_error():
    published = Collected()
    with (
        OpenAI(base_url="http://127.0.0.1:9/v1", api_key="k", max_retries=0) as unreachable,
        pytest.raises(OpenAIError),
    ):
        mirror(unreachable, task="intent", publisher=published).chat.completions.create(**ASK)
    assert published.only().reply.failure == "endpoint_error"


def test_an_answer_that_is_no_json_is_malformed(client):
    published = Collected()
    with pytest.raises(ValueError, match="Expecting"):
        mirror(client, task="intent", publisher=published).chat.completions.create(**{**ASK, "model": "garbled"})
    assert published.only().reply.failure == "malformed"


def test_what_the_sdk_cannot_parse_is_still_mirrored_as_it_was(client):
    published = Collected()
    with pytest.raises(LengthFinishReasonError):
        mirror(client, task="intent", publisher=published).chat.completions.parse(
            **{**ASK, "model": "long"}, response_format=Label
        )
    reply = published.only().reply
    assert (reply.failure, reply.content) == ("truncated", '{"label": "bil')


def test_a_mirrored_client_is_still_an_openai_client_and_the_original_is_untouched(client):
    published = Collected()
    completions, before = client.chat.completions, dict(vars(client))
    mirrored = mirror(client, task="intent", publisher=published)
    assert isinstance(mirrored, OpenAI)
    assert type(mirrored).__name__ == "OpenAI"
    assert mirrored.api_key == client.api_key
    assert vars(client) == before
    assert client.chat.completions is completions
    client.chat.completions.create(**ASK)
    assert published.exchanges == []


def test_mirroring_a_mirrored_client_mirrors_once(client):
    first, second = Collected(), Collected()
    twice = mirror(mirror(client, task="one", publisher=first), task="intent", publisher=second)
    twice.chat.completions.create(**ASK)
    assert first.exchanges == []
    assert second.only().task == "intent"


def test_a_request_from_within_another_of_the_same_client_keeps_to_itself(client):
    published = Collected()
    mirrored = mirror(client, task="intent", publisher=published)
    asking = False

    def ask_too(_request):
        nonlocal asking
        if not asking:
            asking = True
            mirrored.chat.completions.create(**{**ASK, "model": "inner"})
            list(mirrored.models.list())

    client._client.event_hooks["request"].append(ask_too)
    mirrored.chat.completions.create(**ASK)
    assert [exchange.request["model"] for exchange in published.exchanges] == ["inner", "big"]
    inner, outer = (exchange.reply for exchange in published.exchanges)
    assert inner.content == outer.content == "billing"
    assert 0 < inner.latency_ms < outer.latency_ms


def test_threads_that_share_a_client_keep_to_themselves(client):
    published = Collected()
    mirrored = mirror(client, task="intent", publisher=published)

    def ask(number):
        try:
            mirrored.chat.completions.create(**{**ASK, "model": "wrong" if number % 3 == 0 else f"m{number}"})
        except APIStatusError:
            return

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(60)))
    served = {exchange.request["model"]: exchange.reply for exchange in published.exchanges}
    assert len(published.exchanges) == 60
    assert len(served) == 41
    assert all((reply.content == "billing") == (name != "wrong") for name, reply in served.items())


def test_a_body_given_as_bytes_is_mirrored_as_it_was_sent(client):
    published = Collected()
    mirrored = mirror(client, publisher=published)
    body = b'{"model": "big", "messages": [], "metadata": {"shadow_task": "by-body"}}'
    with_task = {"content-type": "application/json", "x-shadow-task": "intent"}
    mirrored.post("/chat/completions", cast_to=ChatCompletion, content=body, options={"headers": with_task})
    assert published.only().request == json.loads(body)


def test_a_client_whose_request_the_application_replaced_keeps_the_replacement(client):
    published, asked = Collected(), []
    own = client.request

    def request(cast_to, options, **kwargs):
        asked.append(options.url)
        return own(cast_to, options, **kwargs)

    client.request = request
    again = mirror(mirror(client, task="intent", publisher=published), task="intent", publisher=published)
    assert again.chat.completions.create(**ASK).choices[0].message.content == "billing"
    assert asked == ["/chat/completions"]
    assert published.dropped == ["nothing_to_mirror"], "the loss of the answer is counted"


def test_azure_clients_are_mirrored_too(address):
    published = Collected()
    root = address.removesuffix("/v1")
    with AzureOpenAI(azure_endpoint=root, api_version="2024-10-21", api_key="k") as azure:
        mirror(azure, task="intent", publisher=published).chat.completions.create(**ASK)
    assert published.only().reply.content == "billing"


def test_other_requests_pass_unmirrored(client):
    published = Collected()
    mirrored = mirror(client, task="intent", publisher=published)
    assert list(mirrored.models.list()) == []
    assert published.exchanges == []


def test_a_request_in_the_background_has_no_reply_to_mirror_yet(client):
    published = Collected()
    mirror(client, task="intent", publisher=published).responses.create(**ASK_RESPONSES, background=True)
    assert published.exchanges == []
