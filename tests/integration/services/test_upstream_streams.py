"""Trials are asked for as streams, and in one piece where an endpoint refuses that."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from shadow.settings import ModelSettings
from shadow.upstream import Endpoint, answers
from tests.support import scripted
from tests.support.scripted import STREAMED, Answer, ScriptedEndpoint, chat, chat_events, chunks, error, events, whole

ASK = {"messages": [{"role": "user", "content": "hello"}]}
WITH_TOOLS = {**ASK, "tools": [{"type": "function", "function": {"name": "find"}}]}


@pytest.fixture
def asked(serve: Callable[[Any], str]):
    """`asked(answer, …, **model)` is an Endpoint whose server gives these answers, and the server."""

    def endpoint(*given: Answer, **model: Any) -> tuple[Endpoint, ScriptedEndpoint]:
        app = ScriptedEndpoint(list(given))
        return Endpoint("small", ModelSettings(base_url=serve(app) + "/v1", retries=0, **model)), app

    return endpoint


def deliveries(app: ScriptedEndpoint) -> list[tuple[bool, bool]]:
    """Whether each request asked for a stream, and for log-probabilities."""
    sent = [request.json() for request in app.requests]
    return [(body["stream"], "logprobs" in body or "include" in body) for body in sent]


async def test_a_trial_has_the_time_to_its_first_token_and_its_usage(asked):
    endpoint, app = asked(chunks(*chat_events("hel", "lo"), pause_s=0.1), output_usd_per_million=10e6)
    async with endpoint:
        reply = await endpoint.ask(ASK, trial=True)
    assert (reply.content, reply.finish_reason, reply.failure, reply.status) == ("hello", "stop", None, 200)
    assert reply.usage is not None
    assert reply.usage.completion_tokens == 2
    # The frame with the role alone comes at once, the first text 0.1 s later, the last event 0.4 s after that.
    assert 95 <= reply.ttft_ms < reply.latency_ms - 250
    assert app.requests[0].json() == {**ASK, "model": "small", **STREAMED}


async def test_only_a_trial_is_asked_for_as_a_stream(asked):
    endpoint, app = asked(chat("hi"), logprobs=True)
    async with endpoint:
        await endpoint.ask(ASK)
    assert app.requests[0].json() == {**ASK, "model": "small", "stream": False}


async def test_a_streamed_response_has_the_time_to_its_first_token_and_its_usage(asked):
    item = {"type": "message", "content": [{"type": "output_text", "text": "hi"}]}
    usage = {"input_tokens": 3, "output_tokens": 2}
    done = {"status": "completed", "model": "small", "output": [item], "usage": usage}
    sent = events(
        {"type": "response.created", "response": {"status": "in_progress", "output": []}},
        {"type": "response.output_text.delta", "output_index": 0, "delta": "hi"},
        {"type": "response.completed", "response": done},
        done=False,
    )
    endpoint, app = asked(chunks(*sent, pause_s=0.05))
    async with endpoint:
        reply = await endpoint.ask({"input": "hello"}, api="responses", trial=True)
    assert (reply.content, reply.usage.completion_tokens, reply.failure) == ("hi", 2, None)
    assert 45 <= reply.ttft_ms < reply.latency_ms
    assert app.requests[0].json() == {"input": "hello", "model": "small", "stream": True}


REFUSALS = {
    "streaming, with 400": error(400, "Streaming is not supported by this model"),
    "an unverified organisation": error(400, "Your organization must be verified to stream this model"),
    "stream_options, named in a 422 of FastAPI": whole(
        json.dumps({"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"]}]}).encode(), status=422
    ),
    "a parameter, named beside the message": whole(
        b'{"error": {"message": "Unknown parameter", "param": "stream_options"}}', status=400
    ),
    "something, without naming it": error(400, "Bad request"),
    "streaming, with 501": error(501, "not implemented"),
    "streaming, with 500": error(500, "stream=True is not supported for this deployment"),
    "streaming, inside a 200": whole(b'{"error": {"message": "unsupported: stream", "type": "invalid_request_error"}}'),
    "streaming, with an empty stream": chunks(b""),
    "streaming, with lines that are no events": chunks(b"<html>", b"</html>"),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS.keys())
async def test_an_endpoint_that_refuses_streams_is_asked_once_more_and_then_always_for_a_whole_answer(asked, refusal):
    endpoint, app = asked(refusal, chat("hi"))
    async with endpoint:
        replies = [await endpoint.ask(ASK, trial=True) for _ in range(3)]
    assert [(reply.content, reply.failure, reply.ttft_ms) for reply in replies] == [("hi", None, None)] * 3
    assert deliveries(app) == [(True, False), (False, False), (False, False), (False, False)]


async def test_a_request_that_is_refused_whole_too_is_the_failure_of_the_request(asked):
    endpoint, app = asked(error(400, "temperature must be below 2"))
    async with endpoint:
        reply = await endpoint.ask(ASK, trial=True)
        assert (reply.failure, reply.status) == ("rejected", 400)
        app.answers = [chunks(*chat_events("hi"))]
        assert (await endpoint.ask(ASK, trial=True)).ttft_ms is not None  # nothing was learnt from the refusal
        asked_before = len(app.requests)
        app.answers = [error(400, "temperature must be below 2")]
        assert (await endpoint.ask(ASK, trial=True)).failure == "rejected"
    assert len(app.requests) == asked_before + 1  # it streams, so that this refuses the request


async def test_an_endpoint_that_fails_is_not_taken_for_one_that_refuses_streams(asked):
    endpoint, app = asked(error(503, "upstream connect error, stream reset"), chunks(*chat_events("hi")))
    async with endpoint:
        assert (await endpoint.ask(ASK, trial=True)).failure == "endpoint_error"
        assert (await endpoint.ask(ASK, trial=True)).content == "hi"
    assert deliveries(app) == [(True, False)] * 2


async def test_an_endpoint_that_ignores_the_wish_for_a_stream_is_read_as_it_answers(asked):
    endpoint, app = asked(chat("hi"))
    async with endpoint:
        replies = [await endpoint.ask(ASK, trial=True) for _ in range(2)]
    assert [(reply.content, reply.failure, reply.ttft_ms) for reply in replies] == [("hi", None, None)] * 2
    assert deliveries(app) == [(True, False)] * 2


async def test_a_stream_without_usage_is_given_up_for_a_whole_answer_that_has_it(asked):
    endpoint, app = asked(chunks(*chat_events("hi", usage=False)), chat("hi"))
    async with endpoint:
        first, *others = [await endpoint.ask(ASK, trial=True) for _ in range(3)]
    assert (first.content, first.usage) == ("hi", None)
    assert all(reply.usage.completion_tokens == 2 for reply in others)
    assert deliveries(app) == [(True, False), (False, False), (False, False)]


async def test_an_endpoint_that_never_reports_usage_goes_on_streaming(asked):
    streamed = chunks(*chat_events("hi", usage=False))
    endpoint, app = asked(streamed, chat("hi", usage=None), streamed)
    async with endpoint:
        replies = [await endpoint.ask(ASK, trial=True) for _ in range(4)]
    assert [reply.ttft_ms is not None for reply in replies] == [True, False, True, True]
    assert [stream for stream, _ in deliveries(app)] == [True, False, True, True]


async def test_what_is_refused_with_tools_is_still_asked_for_without(asked):
    endpoint, app = asked(
        error(400, "logprobs is not supported with tools + stream"),
        chat("hi"),
        chunks(*chat_events("hi")),
        logprobs=True,
    )
    async with endpoint:
        await endpoint.ask(WITH_TOOLS, trial=True)
        await endpoint.ask(ASK, trial=True)
    assert deliveries(app) == [(True, True), (False, True), (True, True)]


async def test_log_probabilities_that_are_refused_are_no_failure_and_not_asked_for_again(asked):
    endpoint, app = asked(
        error(400, "You are not allowed to request logprobs from this model"), chunks(*chat_events("hi")), logprobs=True
    )
    async with endpoint:
        replies = [await endpoint.ask(ASK, trial=True) for _ in range(2)]
    assert [(reply.failure, reply.ttft_ms is not None) for reply in replies] == [(None, True)] * 2
    assert deliveries(app) == [(True, True), (True, False), (True, False)]


async def test_a_stream_that_breaks_off_is_asked_for_again_and_is_a_failure_in_the_end(serve):
    parts = chat_events("hel", "lo")
    app = ScriptedEndpoint([chunks(*parts[:2], cut=True), chunks(*parts[:2]), chunks(*parts)])
    async with Endpoint("small", ModelSettings(base_url=serve(app) + "/v1", retries=2)) as endpoint:
        reply = await endpoint.ask(ASK, trial=True)
        assert (reply.content, reply.failure, len(app.requests)) == ("hello", None, 3)
        app.answers = [chunks(*parts[:2])]
        reply = await endpoint.ask(ASK, trial=True)
    assert (reply.content, reply.failure, len(app.requests)) == ("hel", "interrupted", 6)


async def test_a_stream_that_stays_open_after_its_last_event_has_ended(asked):
    endpoint, _ = asked(chunks(*chat_events("hi"), forever=True))
    async with endpoint:
        async with asyncio.timeout(5):
            reply = await endpoint.ask(ASK, trial=True)
    assert (reply.content, reply.failure) == ("hi", None)
    assert reply.latency_ms < 1_000 * answers._MAX_TAIL_S


async def test_a_stream_without_end_is_a_timeout(asked):
    endpoint, _ = asked(chunks(*chat_events("hi")[:2], forever=True))
    async with endpoint:
        reply = await endpoint.ask(ASK, trial=True, deadline_s=0.3)
    assert reply.failure == "timeout"


async def test_a_stream_that_is_too_large_is_malformed(asked, monkeypatch):
    monkeypatch.setattr(answers, "MAX_STREAM_BYTES", 10_000)
    endpoint, _ = asked(chunks(*chat_events(*["word "] * 200)))
    async with endpoint:
        reply = await endpoint.ask(ASK, trial=True)
    assert (reply.failure, reply.failure_detail) == ("malformed", "the answer is larger than 10000 bytes")


async def test_streams_use_a_connection_again(asked):
    endpoint, app = asked(scripted.chunks(*chat_events("hi")))
    async with endpoint:
        for _ in range(5):
            await endpoint.ask(ASK, trial=True)
        assert len(endpoint._session.connector._conns) == 1
    assert len(app.requests) == 5


LOGPROBS = {"content": [{"token": "hi", "logprob": -0.5, "bytes": [104, 105], "top_logprobs": []}]}


async def test_a_model_that_reports_log_probabilities_is_asked_for_them_and_its_reply_has_a_confidence(asked):
    endpoint, app = asked(chunks(*chat_events("hi", logprobs=LOGPROBS)), logprobs=True)
    async with endpoint:
        reply = await endpoint.ask({**ASK, "logprobs": False, "top_logprobs": 20}, trial=True)
    assert reply.confidence == pytest.approx(0.60653, abs=1e-5)
    assert app.requests[0].json() == {**ASK, "model": "small", **STREAMED, "logprobs": True, "top_logprobs": 2}


async def test_a_response_is_asked_for_the_log_probabilities_of_its_text(asked):
    endpoint, app = asked(whole(b'{"model": "small", "output": []}'), logprobs=True)
    async with endpoint:
        await endpoint.ask({"input": "hello", "include": ["reasoning.encrypted_content"]}, api="responses", trial=True)
    wanted = {"include": ["message.output_text.logprobs"], "top_logprobs": 2}
    assert app.requests[0].json() == {"input": "hello", "model": "small", "stream": True, **wanted}


async def test_a_reply_without_the_log_probabilities_that_were_asked_for_has_the_reason(asked):
    endpoint, _ = asked(chunks(*chat_events("hi")), logprobs=True)
    async with endpoint:
        reply = await endpoint.ask(ASK, trial=True)
    assert (reply.confidence, reply.confidence_reason, reply.failure) == (None, "not_reported", None)
    endpoint, _ = asked(error(400, "logprobs is not supported"), chunks(*chat_events("hi")), logprobs=True)
    async with endpoint:
        reply = await endpoint.ask(ASK, trial=True)
    assert (reply.confidence, reply.confidence_reason, reply.failure) == (None, "refused", None)
