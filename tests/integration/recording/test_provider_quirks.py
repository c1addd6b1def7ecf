"""What is kept of a provider's answer is what the official client gave the application, however it was asked for.

Each file of `tests/golden/quirks` is asked for through the mirrored client in every way that the client offers, and
through the gateway.
"""

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import msgspec
import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from shadow import mirror
from shadow.gateway.app import build
from shadow.gateway.http import serving
from shadow.records import Reply
from tests.support import gateways, official_client, quirks, services
from tests.support.capturing import Collected
from tests.support.official_client import Got
from tests.support.quirks import Quirk

QUIRKS = quirks.load_all()
#: The gateway does not mirror these, because clients repeat the request.
RETRIED = (408, 409, 429)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with services.serving(quirks.QuirkEndpoint(QUIRKS)) as url:
        yield url


@pytest.fixture(scope="module")
def gateway(endpoint: str) -> Iterator[tuple[str, gateways.RecordingPublisher]]:
    with ExitStack() as stack:
        settings = gateways.settings_for(endpoint)
        publisher = gateways.RecordingPublisher(settings)
        configured = partial(serving.config, settings=settings.gateway)
        url = stack.enter_context(services.serving(build(settings, publisher), configured=configured))
        yield url, publisher


@pytest.fixture(scope="module")
def client(endpoint: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{endpoint}/v1", api_key="k", max_retries=0, timeout=10) as client:
        yield client


@pytest.fixture(scope="module")
def gateways_client(gateway: tuple[str, gateways.RecordingPublisher]) -> Iterator[OpenAI]:
    headers = {"x-shadow-task": "intent"}
    with OpenAI(base_url=f"{gateway[0]}/v1", api_key="k", max_retries=0, timeout=10, default_headers=headers) as client:
        yield client


def resource(client: Any, quirk: Quirk) -> Any:
    return client.chat.completions if quirk.api == "chat" else client.responses


def assembled(answer: Any, quirk: Quirk) -> Got:
    if not quirk.stream:
        return official_client.whole(answer)
    return official_client.chat_stream(answer) if quirk.api == "chat" else official_client.response_stream(answer)


def create(client: Any, quirk: Quirk) -> Got:
    asked = {**quirk.ask(), **({"stream": True} if quirk.stream else {})}
    return assembled(resource(client, quirk).create(**asked), quirk)


def with_raw_response(client: Any, quirk: Quirk) -> Got:
    asked = {**quirk.ask(), **({"stream": True} if quirk.stream else {})}
    return assembled(resource(client, quirk).with_raw_response.create(**asked).parse(), quirk)


def with_streaming_response(client: Any, quirk: Quirk) -> Got:
    asked = {**quirk.ask(), **({"stream": True} if quirk.stream else {})}
    with resource(client, quirk).with_streaming_response.create(**asked) as response:
        return assembled(response.parse(), quirk)


def lines_of_the_raw_stream(client: Any, quirk: Quirk) -> None:
    """Read by the application itself, which the client does not help."""
    asked = {**quirk.ask(), **({"stream": True} if quirk.stream else {})}
    with resource(client, quirk).with_streaming_response.create(**asked) as response:
        for _ in response.iter_bytes():
            pass


def helper(client: Any, quirk: Quirk) -> None:
    """`.stream()` and `.parse()`, whose own assembly fails for some answers that the client itself accepts."""
    if not quirk.stream:
        resource(client, quirk).parse(**quirk.ask())
        return
    with resource(client, quirk).stream(**quirk.ask()) as stream:
        for _ in stream:
            pass


def asked_for(way: Callable[[Any, Quirk], Got | None], client: Any, quirk: Quirk) -> Got:
    try:
        return way(client, quirk) or Got()
    except Exception as error:  # noqa: BLE001 - what the application gets
        return Got(raised=error)


def kept_by(publisher: Collected) -> Reply:
    return without_clock(publisher.only().reply)


def without_clock(reply: Reply) -> Reply:
    return msgspec.structs.replace(reply, latency_ms=None, ttft_ms=None, cost_usd=None)


def check(got: Got, kept: Reply, quirk: Quirk) -> None:
    """What the application got is what was kept, unless the file says otherwise."""
    expected: dict[str, Any] = {
        "content": got.content,
        "reasoning": None,
        "refusal": got.refusal,
        "tool_calls": got.tool_calls,
        "finish_reason": got.finish_reason,
        "model": got.model or quirks.MODEL,
        "prompt_tokens": got.prompt_tokens,
        "completion_tokens": got.completion_tokens,
        "failure": None,
        **quirk.kept,
    }
    expected["tool_calls"] = [tuple(call) for call in expected["tool_calls"]]
    expected["finish_reason"] = expected["finish_reason"] or None
    if isinstance(got.raised, openai.APIStatusError):
        expected["content"] = expected["refusal"] = ""
    found = {
        "content": kept.content or "",
        "reasoning": kept.reasoning,
        "refusal": kept.refusal or "",
        "tool_calls": [(call.name, call.arguments) for call in kept.tool_calls],
        "finish_reason": kept.finish_reason or None,
        "model": kept.model,
        "prompt_tokens": kept.usage.prompt_tokens if kept.usage else None,
        "completion_tokens": kept.usage.completion_tokens if kept.usage else None,
        "failure": kept.failure,
    }
    assert found == expected
    if got.raised is not None:
        assert kept.failure in official_client.failures_of(got.raised)
    if kept.failure in ("malformed", "endpoint_error", "rate_limited", "rejected", "timeout", "interrupted"):
        assert kept.failure_detail, "a fault says what happened"


@pytest.mark.parametrize("quirk", QUIRKS, ids=lambda quirk: quirk.name)
def test_the_mirrored_client_keeps_what_the_application_got(quirk: Quirk, client: OpenAI):
    replies: dict[str, Reply] = {}
    for way in (create, with_raw_response, with_streaming_response, lines_of_the_raw_stream, helper):
        publisher = Collected()
        mirrored = mirror(client, task="intent", publisher=publisher)
        got = asked_for(way, mirrored, quirk)
        if way is helper and got.raised is not None and not isinstance(got.raised, openai.OpenAIError | ValueError):
            continue
        reply = replies[way.__name__] = kept_by(publisher)
        if way not in (lines_of_the_raw_stream, helper):
            check(got, reply, quirk)
    assert len(set(map(repr, replies.values()))) == 1, replies


@pytest.mark.parametrize("quirk", QUIRKS, ids=lambda quirk: quirk.name)
async def test_the_mirrored_asynchronous_client_keeps_what_the_application_got(quirk: Quirk, endpoint: str):
    publisher = Collected()
    async with AsyncOpenAI(base_url=f"{endpoint}/v1", api_key="k", max_retries=0, timeout=10) as client:
        mirrored = mirror(client, task="intent", publisher=publisher)
        asked = {**quirk.ask(), **({"stream": True} if quirk.stream else {})}
        raised: BaseException | None = None
        answer: Any = None
        try:
            answer = await resource(mirrored, quirk).create(**asked)
            if quirk.stream:
                answer = await listed(answer)
        except Exception as error:  # noqa: BLE001 - what the application gets
            raised = error
        got = Got(raised=raised) if raised else assembled(answer, quirk)
    check(got, kept_by(publisher), quirk)


async def listed(stream: AsyncIterator[Any]) -> list[Any]:
    """The events of a stream, with the exception that ends it as one that the list raises."""
    events = Ended()
    try:
        async for event in stream:
            events.append(event)
    except Exception as error:  # noqa: BLE001 - what the application gets
        events.raised = error
    return events


class Ended(list[Any]):
    raised: BaseException | None = None

    def __iter__(self) -> Iterator[Any]:
        yield from super().__iter__()
        if self.raised is not None:
            raise self.raised


@pytest.mark.parametrize("quirk", QUIRKS, ids=lambda quirk: quirk.name)
def test_the_gateway_keeps_what_the_application_got(quirk: Quirk, gateway: Any, gateways_client: OpenAI):
    _, publisher = gateway
    publisher.exchanges.clear()
    got = asked_for(create, gateways_client, quirk)
    if quirk.status >= 500 or quirk.status in RETRIED:
        assert got.raised is not None
        time.sleep(0.02)
        assert publisher.exchanges == []
        return
    check(got, without_clock(publisher.one().reply), quirk)


def test_there_are_quirks_of_every_provider_that_teams_migrate_between():
    assert len(QUIRKS) >= 200
    providers = Counter(quirk.name.partition("-")[0] for quirk in QUIRKS)
    assert len(providers) >= 15, providers
