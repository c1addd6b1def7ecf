"""Streams pass piece by piece as they come; a stream that ends early is mirrored as interrupted."""

import asyncio
import gc
from typing import Any

import pytest
from openai import APIConnectionError, AsyncOpenAI, OpenAI

from shadow import mirror
from shadow.capture import recorder
from shadow.devstack.services.processes import poll_until
from tests.support import services
from tests.support.capturing import Collected, Upstream

MESSAGES = [{"role": "user", "content": "my invoice is wrong"}]
ASK: dict[str, Any] = {"model": "big", "messages": MESSAGES, "stream": True}


@pytest.fixture
def published():
    return Collected()


@pytest.fixture(scope="module")
def served():
    upstream = Upstream()
    with services.serving(upstream.app) as root:
        yield upstream, f"{root}/v1"
        upstream.hold.set()


@pytest.fixture
def upstream(served):
    served[0].hold.clear()
    yield served[0]
    served[0].hold.set()


@pytest.fixture
def client(served, upstream, published):
    with OpenAI(base_url=served[1], api_key="k", max_retries=0, timeout=10) as client:
        yield mirror(client, task="intent", publisher=published)


@pytest.fixture
async def async_client(served, upstream, published):
    async with AsyncOpenAI(base_url=served[1], api_key="k", max_retries=0, timeout=10) as client:
        yield mirror(client, task="intent", publisher=published)


def test_a_piece_reaches_the_caller_before_the_next_one_is_sent(client, upstream, published):
    stream = client.chat.completions.create(**{**ASK, "model": "held"})
    first, second = next(stream), next(stream)
    assert (first.choices[0].delta.content, second.choices[0].delta.content) == ("", "bil")
    assert published.exchanges == [], "the reply is not known yet"
    upstream.hold.set()
    assert [chunk.choices[0].delta.content for chunk in stream if chunk.choices] == ["ling", None]
    reply = published.only().reply
    assert (reply.content, reply.failure) == ("billing", None)
    assert 0 < reply.ttft_ms < reply.latency_ms


async def test_asynchronous_pieces_too(async_client, upstream, published):
    stream = await async_client.chat.completions.create(**{**ASK, "model": "held"})
    assert (await anext(stream)).choices[0].delta.content == ""
    assert published.exchanges == []
    upstream.hold.set()
    rest = [chunk async for chunk in stream]
    assert len(rest) == 4
    assert published.only().reply.failure is None


def close_early(client):
    stream = client.chat.completions.create(**ASK)
    next(stream), next(stream)
    stream.close()


def leave_the_block(client):
    with client.chat.completions.create(**ASK) as stream:
        next(stream), next(stream)


def break_and_forget(client):
    for seen, _ in enumerate(client.chat.completions.create(**ASK)):
        if seen == 1:
            break
    gc.collect()


def raise_inside(client):
    def fail():
        with client.chat.completions.create(**ASK) as stream:
            next(stream), next(stream)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()


def never_read(client):
    stream = client.chat.completions.create(**ASK)
    del stream
    gc.collect()


def raw_and_left(client):
    with client.chat.completions.with_streaming_response.create(**{**ASK, "model": "held"}) as response:
        next(response.iter_bytes())


@pytest.mark.parametrize(
    "leave", [close_early, leave_the_block, break_and_forget, raise_inside, never_read, raw_and_left]
)
def test_a_stream_that_the_application_leaves_is_interrupted(client, published, leave):
    leave(client)
    reply = published.only().reply
    assert (reply.failure, reply.failure_detail) == (
        "interrupted",
        "the client stopped reading before the end of the answer",
    )
    assert reply.usage is None, "unknown, and not 0"


def test_a_stream_that_breaks_raises_what_it_raised_and_is_interrupted(client, published):
    with pytest.raises(APIConnectionError):
        list(client.chat.completions.create(**{**ASK, "model": "cut"}))
    reply = published.only().reply
    assert reply.failure == "interrupted"
    assert reply.content == "bil"
    assert reply.failure_detail.startswith("the endpoint broke off its answer")


async def test_cancelling_before_the_answer_is_mirrored_and_stays_a_cancellation(async_client, published):
    ask = asyncio.create_task(async_client.chat.completions.create(model="slow", messages=MESSAGES))
    await asyncio.sleep(0.2)
    ask.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ask
    exchange = published.only()
    assert exchange.reply.failure == "interrupted"
    assert exchange.request == {"model": "slow", "messages": MESSAGES}


async def test_cancelling_in_the_middle_of_a_stream_is_mirrored(async_client, upstream, published):
    seen = asyncio.Event()

    async def read():
        async for _ in await async_client.chat.completions.create(**{**ASK, "model": "held"}):
            seen.set()

    reading = asyncio.create_task(read())
    await seen.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await asyncio.to_thread(poll_until, lambda: bool(published.exchanges), timeout=5)
    assert published.only().reply.failure == "interrupted"


async def test_leaving_an_asynchronous_stream_is_mirrored(async_client, published):
    async with await async_client.chat.completions.create(**{**ASK, "model": "held"}) as stream:
        await anext(stream)
    assert published.only().reply.failure == "interrupted"


def test_the_request_is_mirrored_as_it_was_sent_whatever_the_application_does_later(client, published):
    messages = [{"role": "user", "content": "first"}]
    stream = client.chat.completions.create(model="big", messages=messages, stream=True)
    messages[0]["content"] = "changed"
    messages.append({"role": "assistant", "content": "second"})
    list(stream)
    assert published.only().request["messages"] == [{"role": "user", "content": "first"}]


@pytest.mark.parametrize(("coding", "library"), [("gzip", "zlib"), ("br", "brotli"), ("zstd", "backports.zstd")])
def test_a_packed_stream_is_mirrored_as_the_application_read_it(client, published, coding, library):
    pytest.importorskip(library, reason="without it the client never asks for this coding")
    stream = client.chat.completions.create(**{**ASK, "model": f"packed:{coding}"})
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices) == "billing"
    reply = published.only().reply
    assert (reply.content, reply.failure, published.dropped) == ("billing", None, [])


def test_a_stream_that_unpacks_to_more_than_we_keep_is_cut_by_us(client, published, monkeypatch):
    monkeypatch.setattr(recorder, "LIMIT_BYTES", 450)
    assert len(list(client.copy().chat.completions.create(**{**ASK, "model": "zipped"}))) == 5
    exchange = published.only()
    assert exchange.truncated
    assert (exchange.reply.failure, exchange.reply.content) == ("truncated", "bil")


@pytest.mark.parametrize(("model", "failure"), [("garbled", "malformed"), ("big", None)])
def test_an_answer_read_to_its_end_is_judged_as_a_whole(client, published, model, failure):
    ask = {"model": model, "messages": MESSAGES}
    with client.chat.completions.with_streaming_response.create(**ask) as response:
        list(response.iter_bytes(chunk_size=20))
    assert published.only().reply.failure == failure


def test_only_the_beginning_of_an_endless_stream_is_kept(client, published, monkeypatch):
    monkeypatch.setattr(recorder, "LIMIT_BYTES", 300)
    assert len(list(client.copy().chat.completions.create(**ASK))) == 5
    exchange = published.only()
    assert exchange.truncated
    assert exchange.reply.failure == "truncated"
