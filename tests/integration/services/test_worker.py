"""The shadow worker against a real broker and real endpoints."""

import asyncio
import secrets
import urllib.request
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec
import psutil

from consumers import worker
from consumers.kafka.messages import MAX_PAYLOAD, IncomingMessage
from consumers.kafka.producer import EventProducer
from consumers.runtime.health import ConsumerHealth
from consumers.worker import Worker
from shadow import wire
from shadow.devstack.model_servers.models import echo_app
from shadow.publisher.truncate import encode_within
from shadow.records import CaptureCounts, DeadLetter, Reply, ToolCall, Trial, Usage
from shadow.settings import Settings
from shadow.upstream import Endpoint
from tests.support.consuming import (
    an_exchange,
    at_least,
    committed,
    produce,
    put_exchanges,
    read,
    read_until,
    running,
    settings_for,
    until,
)
from tests.support.scripted import STREAMED, ScriptedEndpoint, chat


def incompressible():
    """A text of 2.4 MB in short words, which compresses to more than a topic accepts."""
    return " ".join(secrets.token_urlsafe(4) for _ in range(350_000))


def ids(records):
    return Counter(record.exchange.id for record in records)


async def test_every_exchange_becomes_a_trial_and_is_then_committed(broker, topics, serve):
    settings = settings_for(broker, topics, candidate_url=serve(echo_app()) + "/v1")
    await put_exchanges(broker, topics, [an_exchange(number) for number in range(200)])
    async with running(settings, worker.build(settings)):
        trials = await read_until(broker, topics.trials, Trial, at_least(200))
    assert ids(trials) == {f"exchange-{number}": 1 for number in range(200)}
    assert {(trial.kind, trial.candidate, trial.reply.failure) for trial in trials} == {("shadow", "small", None)}
    assert all(trial.reply.content == trial.exchange.reply.content for trial in trials)
    assert await committed(broker, f"{settings.kafka.group_prefix}-worker", topics.exchanges) == 200


async def test_a_committed_exchange_is_not_asked_again(broker, topics, serve):
    endpoint = echo_app()
    settings = settings_for(broker, topics, candidate_url=serve(endpoint) + "/v1")
    for start in (0, 20):
        await put_exchanges(broker, topics, [an_exchange(number) for number in range(start, start + 20)])
        async with running(settings, worker.build(settings)):
            await read_until(broker, topics.trials, Trial, at_least(start + 20))
    assert endpoint.requests == 40


@asynccontextmanager
async def working(settings: Settings):
    """A worker without its consumer group: `handle` what it is given, on real endpoints and topics."""
    health = ConsumerHealth("worker")
    producer = EventProducer(settings.kafka, source="test", report_problem=partial(health.set_problem, "producer"))
    await producer.start()
    try:
        async with AsyncExitStack() as stack:
            endpoints = {
                name: await stack.enter_async_context(Endpoint(name, model)) for name, model in settings.models.items()
            }
            yield Worker(settings, endpoints, producer, health)
    finally:
        await producer.stop()


async def trials_of(exchange, settings):
    message = wire.encode(exchange, source="test")
    async with working(settings) as one:
        await one.handle(IncomingMessage(topic="t", partition=0, offset=0, key=message.key, value=message.value))
    return await read(settings.kafka.bootstrap_servers, settings.kafka.topics.trials, Trial)


async def test_several_candidates_and_the_ceiling_answer_the_same_exchange(broker, topics, serve):
    url = serve(echo_app()) + "/v1"
    settings = settings_for(
        broker,
        topics,
        models={name: {"base_url": url} for name in ("big", "small", "tiny")},
        tasks={"intent": {"frontier": "big", "candidates": ["small", "tiny"], "ceiling_rate": 1}},
    )
    trials = await trials_of(an_exchange(1), settings)
    assert {(trial.kind, trial.candidate, trial.reply.model) for trial in trials} == {
        ("shadow", "small", "small"),
        ("shadow", "tiny", "tiny"),
        ("ceiling", "big", "big"),
    }


async def test_only_the_ceiling_gets_the_parameters_that_the_frontier_alone_understands(broker, topics, serve):
    frontier, candidate = ScriptedEndpoint([chat("x")]), ScriptedEndpoint([chat("x")])
    settings = settings_for(
        broker,
        topics,
        models={"big": {"base_url": serve(frontier) + "/v1"}, "small": {"base_url": serve(candidate) + "/v1"}},
        tasks={"intent": {"frontier": "big", "candidates": ["small"], "ceiling_rate": 1}},
    )
    request = {"messages": [{"role": "developer", "content": "Be brief"}], "logit_bias": {"1": -100}}
    await trials_of(msgspec.structs.replace(an_exchange(1), request=request), settings)
    assert [sent.json() for sent in frontier.requests] == [{**request, "model": "big", **STREAMED}]
    system = [{"role": "system", "content": "Be brief"}]
    assert [sent.json() for sent in candidate.requests] == [{"messages": system, "model": "small", **STREAMED}]


async def test_an_exchange_served_by_the_candidate_is_asked_of_the_frontier(broker, topics, serve):
    settings = settings_for(
        broker,
        topics,
        candidate_url=serve(echo_app()) + "/v1",
        tasks={"intent": {"frontier": "big", "candidates": ["small"], "regret_rate": 1}},
    )
    served = Reply(model="small", content="x", finish_reason="stop")
    (trial,) = await trials_of(an_exchange(1, served_by="candidate", reply=served), settings)
    assert (trial.kind, trial.candidate, trial.reply.model) == ("reverse", "small", "big")


async def test_tools_are_offered_and_a_call_is_recorded_but_never_made(broker, topics, serve):
    call = {"id": "call-1", "type": "function", "function": {"name": "wipe", "arguments": '{"disk": 1}'}}
    answered = {"role": "assistant", "content": None, "tool_calls": [call]}
    choices = [{"index": 0, "finish_reason": "tool_calls", "message": answered}]
    endpoint = ScriptedEndpoint([chat("", choices=choices)])
    settings = settings_for(broker, topics, candidate_url=serve(endpoint) + "/v1")
    tools = [{"type": "function", "function": {"name": "wipe", "parameters": {"type": "object"}}}]
    request = {"messages": [{"role": "user", "content": "tidy up"}], "tools": tools}
    (trial,) = await trials_of(an_exchange(1, request=request), settings)
    assert trial.reply.tool_calls == (ToolCall(name="wipe", arguments='{"disk": 1}'),)
    (asked,) = endpoint.requests  # there is no second request with a tool's result
    assert asked.json()["tools"] == tools


async def test_an_endpoint_that_is_away_is_a_failure_and_not_a_disagreement(broker, topics):
    (trial,) = await trials_of(an_exchange(1), settings_for(broker, topics))
    assert trial.reply.failure == "endpoint_error"
    assert trial.reply.content is None


async def test_an_exchange_that_is_too_old_expires_without_a_call(broker, topics, serve):
    endpoint = echo_app()
    settings = settings_for(broker, topics, candidate_url=serve(endpoint) + "/v1")
    (trial,) = await trials_of(an_exchange(1, at=datetime.now(UTC) - timedelta(days=2)), settings)
    assert trial.reply.failure == "expired"
    assert endpoint.requests == 0


async def test_an_exchange_that_failed_in_production_is_not_asked(broker, topics, serve):
    endpoint = echo_app()
    settings = settings_for(broker, topics, candidate_url=serve(endpoint) + "/v1")
    (trial,) = await trials_of(an_exchange(1, reply=Reply(model="big", failure="timeout")), settings)
    assert (trial.reply.failure, trial.reply.failure_detail) == ("not_asked", "served_timeout")
    assert endpoint.requests == 0


async def test_a_prompt_that_was_cut_is_not_asked(broker, topics, serve):
    endpoint = echo_app()
    settings = settings_for(broker, topics, candidate_url=serve(endpoint) + "/v1")
    (trial,) = await trials_of(an_exchange(1, truncated=True, cut=("request",)), settings)
    assert (trial.reply.failure, trial.reply.ineligible) == ("ineligible", "prompt_cut")
    (old,) = [
        trial for trial in await trials_of(an_exchange(2, truncated=True), settings) if trial.exchange.id[-1] == "2"
    ]
    assert old.reply.ineligible == "prompt_cut"
    assert endpoint.requests == 0


async def test_a_prompt_of_two_hundred_thousand_tokens_is_asked_whole(broker, topics, serve):
    app = ScriptedEndpoint([chat("42")])
    settings = settings_for(broker, topics, candidate_url=serve(app) + "/v1")
    text = " ".join(f"row {number}: {number * number % 9_973}" for number in range(60_000)) + " What is the total?"
    exchange = an_exchange(1, request={"messages": [{"role": "user", "content": text}]})
    message = encode_within(exchange, source="test", limit=settings.publisher.max_message_bytes)
    assert len(text) > settings.publisher.max_message_bytes > len(message.value)
    incoming = IncomingMessage(
        topic=topics.exchanges, partition=0, offset=0, value=message.value, headers=message.headers
    )
    async with working(settings) as working_worker:
        await working_worker.handle(incoming)
    (trial,) = await read(broker, topics.trials, Trial)
    assert (trial.exchange, trial.reply.content) == (exchange, "42")
    (asked,) = app.requests
    assert asked.json()["messages"] == exchange.request["messages"]


async def test_a_prompt_longer_than_the_candidates_context_is_not_asked(broker, topics, serve):
    endpoint = echo_app()
    settings = settings_for(broker, topics, candidate_url=serve(endpoint) + "/v1")
    small = settings.models["small"].model_copy(update={"context_tokens": 4_096})
    settings = settings.model_copy(update={"models": {**settings.models, "small": small}})
    served = Reply(model="big", content="a", usage=Usage(prompt_tokens=5_000, completion_tokens=1))
    (trial,) = await trials_of(an_exchange(1, reply=served), settings)
    assert trial.reply.ineligible == "context_length"
    assert endpoint.requests == 0


async def test_secrets_a_model_makes_up_do_not_reach_the_topic(broker, topics, serve):
    settings = settings_for(broker, topics, candidate_url=serve(echo_app(content="write to jane@example.com")) + "/v1")
    (trial,) = await trials_of(an_exchange(1), settings)
    assert trial.reply.content == "write to [email]"


async def test_the_reasoning_of_a_trial_is_kept_apart_and_redacted(broker, topics, serve):
    endpoint = ScriptedEndpoint([chat("<think>jane@example.com writes</think>\n\nrefund")])
    (trial,) = await trials_of(an_exchange(1), settings_for(broker, topics, candidate_url=serve(endpoint) + "/v1"))
    assert (trial.reply.content, trial.reply.reasoning, trial.reply.failure) == ("refund", "[email] writes", None)


async def test_a_trial_whose_reasoning_is_too_large_for_its_topic_goes_without_it(broker, topics, serve):
    endpoint = ScriptedEndpoint([chat(f"<think>{incompressible()}</think>refund")])
    (trial,) = await trials_of(an_exchange(1), settings_for(broker, topics, candidate_url=serve(endpoint) + "/v1"))
    assert (trial.reply.content, trial.reply.reasoning, trial.reply.failure) == ("refund", None, None)


async def test_a_trial_too_large_for_its_topic_becomes_a_dead_letter(broker, topics, serve):
    settings = settings_for(broker, topics, candidate_url=serve(echo_app(content=incompressible())) + "/v1")
    assert await trials_of(an_exchange(1), settings) == []
    (letter,) = await read(broker, topics.deadletters, DeadLetter)
    assert (letter.id, letter.reason, letter.task) == ("exchange-1", "too_large", "intent")


def an_encoded(changes):
    return msgspec.json.encode({**msgspec.json.decode(wire.encode(an_exchange(1), source="test").value), **changes})


POISON = {
    "bad JSON": (b"{not json", "not_json"),
    "no value": (None, "not_json"),
    "another version": (an_encoded({"v": 99}), "wrong_version"),
    "a version that is none": (an_encoded({"v": None}), "wrong_version"),
    "another shape": (b'{"v":1,"id":7}', "wrong_shape"),
    "a NUL in the id": (an_encoded({"id": "a\0b"}), "wrong_shape"),
    "a lone surrogate": (an_encoded({"id": "SURROGATE"}).replace(b"SURROGATE", rb"\ud800"), "not_json"),
    "not UTF-8": (an_encoded({"id": "BYTES"}).replace(b"BYTES", b"\xff\xfe"), "not_json"),
    "an unknown task": (an_encoded({"task": "other"}), "unknown_task"),
    "deep nesting": (b'{"v":1,"request":{"a":' + b"[" * 100_000, "not_json"),
}


#: Kafka takes any number for a message's time: here microseconds, nanoseconds, and none that was meant.
NO_TIMES = (1_790_000_000_000_000, 1_790_000_000_000_000_000, -(2**60))


async def test_each_poison_message_becomes_one_dead_letter_and_the_partition_goes_on(broker, topics, serve):
    settings = settings_for(broker, topics, candidate_url=serve(echo_app()) + "/v1")
    counts = CaptureCounts(source="here", at=datetime.now(UTC), counts={"intent": {"accepted": 1}})
    await produce(broker, topics.exchanges, [(b"poison", value) for value, _ in POISON.values()])
    for timestamp_ms in NO_TIMES:
        await produce(broker, topics.exchanges, [(b"poison", b"{not json")], timestamp_ms=timestamp_ms)
    await produce(broker, topics.exchanges, [wire.encode(counts, source="test")])
    await put_exchanges(broker, topics, [an_exchange(number) for number in range(20)])
    poison = [*POISON.values(), *[POISON["bad JSON"]] * len(NO_TIMES)]
    total = len(poison) + 1 + 20
    async with running(settings, worker.build(settings)) as health:
        await until(lambda: health.messages.labels(topics.exchanges)._value.get() == total)
    letters = await read(broker, topics.deadletters, DeadLetter)
    assert sorted(letter.reason for letter in letters) == sorted(reason for _, reason in poison)
    places = {f"{letter.topic}/{letter.partition}/{letter.offset}" for letter in letters}
    assert {letter.id for letter in letters if letter.reason != "unknown_task"} < places
    assert len(places) == len(poison)
    assert {letter.payload for letter in letters} == {(value or b"")[:MAX_PAYLOAD] for value, _ in POISON.values()}
    assert len(await read(broker, topics.trials, Trial)) == 20
    assert await committed(broker, f"{settings.kafka.group_prefix}-worker", topics.exchanges) == total


async def test_nothing_but_the_health_port_listens(broker, topics):
    settings = settings_for(broker, topics)

    def listening():
        connections = psutil.Process().net_connections()
        return {connection.laddr for connection in connections if connection.status == psutil.CONN_LISTEN}

    before = listening()
    async with running(settings, worker.build(settings)) as health:
        await until(lambda: not health.problems)
        (opened,) = listening() - before
        assert opened.ip == "127.0.0.1"
        ready, metrics = await asyncio.gather(*(asyncio.to_thread(get, opened.port, p) for p in ("readyz", "metrics")))
    assert ready == "ok\n"
    assert "shadow_worker_concurrency 128.0" in metrics


def get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as response:
        return response.read().decode()


async def test_two_workers_share_the_partitions_and_ask_each_exchange_once(broker, topics, serve):
    endpoint = echo_app()
    settings = settings_for(broker, topics, candidate_url=serve(endpoint) + "/v1")

    def handled(*workers):
        return [health.messages.labels(topics.exchanges)._value.get() for health in workers]

    async with running(settings, worker.build(settings)) as first:
        await until(lambda: not first.problems)
        async with running(settings, worker.build(settings)) as second:
            await until(lambda: not second.problems and not first.problems)
            await put_exchanges(broker, topics, [an_exchange(number) for number in range(200)])
            trials = await read_until(broker, topics.trials, Trial, at_least(200))
            await until(lambda: sum(handled(first, second)) >= 200)  # counted a moment after it was done
    # Both have ended: no more can come.
    assert ids(trials) == {f"exchange-{number}": 1 for number in range(200)}
    assert sum(handled(first, second)) == 200
    assert all(handled(first, second))
