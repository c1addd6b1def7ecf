"""Whatever task, thread, greenlet or process a request is made in, it is mirrored once and costs the caller nothing."""

import asyncio
import contextvars
import gc
import os
import signal
import subprocess
import sys
from functools import cached_property
from typing import Any

import greenlet
import httpx2
import pytest
from openai import AsyncOpenAI, OpenAI

from shadow import context, mirror
from shadow.devstack.services.processes import free_port
from shadow.publisher import Publisher
from shadow.settings import KafkaSettings, Settings
from tests.support.capturing import Collected, Upstream
from tests.support.services import serving

ASK: dict[str, Any] = {"model": "big", "messages": [{"role": "user", "content": "my invoice is wrong"}]}


@pytest.fixture(scope="module")
def address():
    with serving(Upstream().app) as root:
        yield f"{root}/v1"


@pytest.fixture
def published():
    return Collected()


def made(kind, address, **options):
    return kind(base_url=address, api_key="k", max_retries=0, timeout=10, **options)


class Deadline(AsyncOpenAI):
    async def request(self, *args, **kwargs):
        return await asyncio.wait_for(super().request(*args, **kwargs), 10)


class Plain(AsyncOpenAI):
    def request(self, *args, **kwargs):
        return super().request(*args, **kwargs)


@pytest.mark.parametrize("kind", [AsyncOpenAI, Deadline, Plain])
async def test_a_request_that_is_given_to_another_task_is_mirrored_once(kind, address, published):
    async with made(kind, address) as client:
        await mirror(client, task="intent", publisher=published).chat.completions.create(**ASK)
    assert published.only().reply.failure is None
    assert published.dropped == []


@pytest.mark.parametrize("kind", [AsyncOpenAI, Deadline])
async def test_an_answer_that_cannot_be_parsed_is_mirrored_once_whatever_task_reads_it(kind, address, published):
    async with made(kind, address) as client:
        mirrored = mirror(client, task="intent", publisher=published)
        with pytest.raises(Exception, match=r".*"):
            await mirrored.chat.completions.create(**{**ASK, "model": "garbled"})
    assert published.only().reply.failure == "malformed"


async def test_a_request_that_is_given_up_from_another_context_raises_nothing(published):
    async def never(_):
        await asyncio.sleep(60)

    client = AsyncOpenAI(
        api_key="k",
        base_url="http://x/v1",
        http_client=httpx2.AsyncClient(transport=httpx2.MockTransport(never)),
    )
    coroutine = mirror(client, task="intent", publisher=published).chat.completions.create(**ASK)
    contextvars.copy_context().run(coroutine.send, None)
    coroutine.close()  # in the context of this test, which is not the one it ran in
    assert published.only().reply.failure == "interrupted"


def test_greenlets_of_one_thread_do_not_take_each_others_requests(published):
    def switching(request):
        greenlet.getcurrent().parent.switch()  # as a patched socket does where it would block
        return httpx2.Response(200, json={"id": request.url.path, "choices": []})

    client = OpenAI(
        api_key="k",
        base_url="http://x/v1",
        http_client=httpx2.Client(transport=httpx2.MockTransport(switching)),
    )
    mirrored = mirror(client, task="intent", publisher=published)
    first = greenlet.greenlet(lambda: mirrored.chat.completions.create(**ASK))
    second = greenlet.greenlet(lambda: mirrored.responses.create(model="big", input="hello"))
    for switched in (first, second, first, second):
        switched.switch()
    assert sorted(exchange.api for exchange in published.exchanges) == ["chat", "responses"]
    assert published.dropped == []


def test_a_block_in_a_generator_that_a_web_server_steps_through_costs_nothing(address, published):
    mirrored = mirror(made(OpenAI, address), task="intent", publisher=published)

    def answer():
        with context(segment={"locale": "de"}):
            yield from mirrored.chat.completions.create(stream=True, **ASK)

    steps = answer()
    chunks = iter(lambda: contextvars.copy_context().run(next, steps, None), None)
    assert len(list(chunks)) == 5
    assert published.only().segment == {"locale": "de"}


async def test_a_block_decorates_functions_synchronous_or_not_and_refuses_generators(address, published):
    @context(segment={"locale": "de"})
    def ask(client):
        return client.chat.completions.create(**ASK)

    @context(segment={"locale": "fr"})
    async def ask_later(client):
        return await client.chat.completions.create(**ASK)

    with made(OpenAI, address) as client:
        ask(mirror(client, task="intent", publisher=published))
    async with made(AsyncOpenAI, address) as client:
        await ask_later(mirror(client, task="intent", publisher=published))
    assert [exchange.segment for exchange in published.exchanges] == [{"locale": "de"}, {"locale": "fr"}]
    with pytest.raises(TypeError, match="inside it"):

        @context(segment={"locale": "it"})
        def steps():
            yield


class Tenant(OpenAI):
    __slots__ = ("tenant",)
    tenant: str | None

    def with_options(self, *, tenant=None, **options):
        other = self.copy(**options)
        other.tenant = tenant
        return other

    @cached_property
    def session(self):
        return object()


def test_a_class_of_the_applications_own_keeps_what_it_has(address, published):
    client = made(Tenant, address)
    client.tenant, session = "a", client.session
    mirrored = mirror(client, task="intent", publisher=published)
    assert (mirrored.tenant, mirrored.session) == ("a", session)
    other = mirrored.with_options(tenant="b", timeout=3)
    assert (other.tenant, other.timeout) == ("b", 3)
    other.chat.completions.create(**ASK)
    published.only()


def test_a_request_that_cannot_be_written_is_no_failure_of_the_endpoint(address, published):
    mirrored = mirror(made(OpenAI, address), task="intent", publisher=published)
    with pytest.raises(TypeError):
        mirrored.chat.completions.create(model="big", messages=[{"role": "user", "content": object()}])
    assert published.exchanges == []
    assert published.dropped == ["application_error"]


def test_a_stream_that_was_open_at_a_fork_is_mirrored_by_the_parent_only(address):
    publisher = Publisher(Settings(kafka=KafkaSettings(bootstrap_servers=f"127.0.0.1:{free_port()}")))
    mirrored = mirror(made(OpenAI, address), task="intent", publisher=publisher)
    stream = mirrored.chat.completions.create(stream=True, **ASK)
    next(stream)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        del stream
        gc.collect()
        os.write(writing, str(publisher.counts().counts).encode())
        os._exit(0)
    os.waitpid(child, 0)
    list(stream)
    assert os.read(reading, 1_000) == b"{}"
    assert publisher.counts().counts["intent"]["accepted"] == 1
    publisher.close(0)


def test_streams_under_way_count_against_the_budget(address):
    settings = Settings(kafka=KafkaSettings(bootstrap_servers=f"127.0.0.1:{free_port()}"))
    settings = settings.model_copy(
        update={"publisher": settings.publisher.model_copy(update={"queue_bytes": 3 * 2**13})}
    )
    publisher = Publisher(settings)
    mirrored = mirror(made(OpenAI, address), task="intent", publisher=publisher)
    streams = [mirrored.chat.completions.create(stream=True, **ASK) for _ in range(5)]
    for stream in streams:
        next(stream)
    assert publisher.snapshot().bytes == 3 * 2**13
    for stream in streams:
        assert len(list(stream)) == 4, "the caller gets all of each"
    counts = publisher.counts().counts["intent"]
    assert counts["accepted"] == 5
    assert counts["dropped:byte_budget"] == 2
    publisher.close(0)
    assert publisher.snapshot().bytes == 0


OPEN_STREAM = """
import os, signal, sys
from openai import OpenAI
from shadow import mirror
from shadow.publisher import Publisher
from shadow.settings import KafkaSettings, Settings
publisher = Publisher(Settings(kafka=KafkaSettings(bootstrap_servers="127.0.0.1:9")))
client = mirror(OpenAI(base_url=sys.argv[1], api_key="k"), task="intent", publisher=publisher)
stream = client.chat.completions.create(model="big", messages=[], stream=True)
next(stream)
print("streaming", flush=True)
{end}
"""


@pytest.mark.parametrize("end", ["", "sys.exit(0)", "os.kill(os.getpid(), signal.SIGINT)"])
def test_a_process_whose_first_answer_still_streams_ends_on_a_signal(address, end):
    script = [sys.executable, "-c", OPEN_STREAM.format(end=end), address]
    with subprocess.Popen(script, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            printed, _ = process.communicate(timeout=30)
        finally:
            process.kill()
    assert printed == "streaming\n"
    assert process.returncode in (0, -signal.SIGINT, 1, 130)
