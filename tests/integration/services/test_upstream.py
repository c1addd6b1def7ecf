"""The upstream client against a real server that answers, fails, or does not answer."""

import asyncio
import json
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest

from shadow.devstack.services.processes import free_port
from shadow.settings import ModelSettings
from shadow.upstream import Endpoint, answers, retry
from shadow.upstream.probe import probe
from tests.support import scripted
from tests.support.scripted import ScriptedEndpoint

ASK = {"messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture
def asked(serve: Callable[[Any], str]):
    """`asked(app, **model)` is an Endpoint whose server is `app`."""

    def endpoint(app: ScriptedEndpoint, **model: Any) -> Endpoint:
        return Endpoint("small", ModelSettings(base_url=serve(app) + "/v1", **model))

    return endpoint


async def test_an_answer_becomes_a_reply_with_usage_cost_status_and_latency(asked):
    app = ScriptedEndpoint([scripted.chat("hi", model="small-0925")])
    async with asked(app, model="org/small", input_usd_per_million=1e6, output_usd_per_million=10e6) as endpoint:
        reply = await endpoint.ask(ASK)
    assert (reply.content, reply.model, reply.finish_reason, reply.status) == ("hi", "small-0925", "stop", 200)
    assert reply.cost_usd == pytest.approx(23.0)
    assert reply.latency_ms is not None
    assert reply.failure is None
    [request] = app.requests
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.json() == {**ASK, "model": "org/small", "stream": False}


async def test_a_request_recorded_through_responses_is_asked_through_responses(asked):
    body = {
        "model": "small",
        "status": "completed",
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "hi"}]}],
    }
    app = ScriptedEndpoint([scripted.whole(json.dumps(body).encode())])
    async with asked(app) as endpoint:
        reply = await endpoint.ask({"input": "hello"}, api="responses")
    assert reply.content == "hi"
    assert app.requests[0].path == "/v1/responses"


async def test_a_model_elsewhere_is_asked_and_probed_through_the_proxy_of_the_environment(serve, monkeypatch, tmp_path):
    app = ScriptedEndpoint([scripted.chat("hi")])
    monkeypatch.setenv("HTTP_PROXY", serve(app).replace("http://", "http://anna:secret@"))
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("SMALL_KEY", "canary-key-123")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine models.example login anna password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    model = ModelSettings(base_url="http://models.example/v1", api_key_env="SMALL_KEY")
    async with Endpoint("small", model) as endpoint:
        assert (await endpoint.ask(ASK)).content == "hi"
    await probe("small", model)
    assert {request.headers["host"] for request in app.requests} == {"models.example"}
    assert {request.headers["authorization"] for request in app.requests} == {"Bearer canary-key-123"}
    assert {request.headers["proxy-authorization"] for request in app.requests} == {"Basic YW5uYTpzZWNyZXQ="}


async def test_a_proxy_sees_no_key_of_a_model_and_no_error_repeats_the_proxys_password(monkeypatch):
    heads = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    monkeypatch.setenv("SMALL_KEY", "canary-key-123")
    monkeypatch.setenv("NO_PROXY", "")
    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://anna:secret@127.0.0.1:{server.sockets[0].getsockname()[1]}")
        model = ModelSettings(base_url="https://models.example/v1", api_key_env="SMALL_KEY", retries=0)
        async with Endpoint("small", model) as endpoint:
            reply = await endpoint.ask(ASK)
        problem = await probe("small", model)
    assert [head.split(b"\r\n")[0] for head in heads] == [b"CONNECT models.example:443 HTTP/1.1"] * 2
    assert b"canary-key-123" not in b"".join(heads)
    for text in (reply.failure_detail, problem):
        assert "407" in str(text)
        assert "secret" not in str(text)


async def test_a_request_that_refers_to_another_server_is_ineligible_and_not_sent(asked):
    app = ScriptedEndpoint([scripted.chat("hi")])
    request = {"input": "and now?", "previous_response_id": "resp_1"}
    async with asked(app) as endpoint:
        reply = await endpoint.ask(request, api="responses")
        assert (reply.failure, reply.ineligible, app.requests) == ("ineligible", "provider_state", [])
        assert "previous_response_id" in str(reply.failure_detail)
        await endpoint.ask(request, api="responses", written_for="same_server")
    assert app.requests[0].json()["previous_response_id"] == "resp_1"


IMAGE = {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/cat.png"}}]}]}


async def test_what_a_model_cannot_serve_is_not_sent(asked):
    app = ScriptedEndpoint([scripted.chat("hi")])
    async with asked(app, context_tokens=1_000, modalities=["text"]) as endpoint:
        replies = [
            await endpoint.ask(IMAGE),
            await endpoint.ask(ASK, prompt_tokens=1_000),
            await endpoint.ask(ASK, prompt_cut=True, written_for="same_model"),
        ]
        assert [reply.ineligible for reply in replies] == ["image_input", "context_length", "prompt_cut"]
        assert {(reply.failure, reply.latency_ms, reply.status) for reply in replies} == {("ineligible", None, None)}
        assert app.requests == []
        assert (await endpoint.ask(ASK, prompt_tokens=999)).failure is None


@pytest.mark.parametrize("trial", [False, True])
@pytest.mark.parametrize(
    ("status", "message", "ineligible"),
    [
        (400, "This model's maximum context length is 4096 tokens. However, you requested 5000.", "context_length"),
        (500, "image input is not supported - hint: you may need to provide the mmproj", "image_input"),
        (404, "No endpoints found that support image input", "image_input"),
        (413, "Request Entity Too Large", "request_too_large"),
        (400, "Unrecognized request argument supplied: seed", "parameter_unsupported"),
    ],
)
async def test_what_an_endpoint_cannot_serve_is_found_out_by_its_error(asked, trial, status, message, ineligible):
    app = ScriptedEndpoint([scripted.error(status, message)])
    async with asked(app) as endpoint:
        reply = await endpoint.ask(IMAGE, trial=trial)
    assert (reply.failure, reply.ineligible, reply.status) == ("ineligible", ineligible, status)
    assert message in str(reply.failure_detail)
    # A parameter that is refused may be one of the delivery, which is then asked for more simply.
    assert len(app.requests) == (2 if trial and ineligible == "parameter_unsupported" else 1)


async def test_a_generic_refusal_stays_a_failure_of_the_model(asked):
    app = ScriptedEndpoint([scripted.error(400, "Invalid value for 'temperature'")])
    async with asked(app) as endpoint:
        reply = await endpoint.ask(IMAGE)
    assert (reply.failure, reply.ineligible) == ("rejected", None)


async def test_an_error_inside_an_answer_can_say_so_too(asked):
    body = {"error": {"code": 400, "message": "This endpoint's maximum context length is 4096 tokens."}}
    app = ScriptedEndpoint([scripted.whole(json.dumps(body).encode())])
    async with asked(app) as endpoint:
        reply = await endpoint.ask(ASK)
    assert (reply.failure, reply.ineligible, reply.status) == ("ineligible", "context_length", 200)


async def test_the_key_goes_into_the_authorization_header_and_nowhere_else(asked, monkeypatch, caplog):
    monkeypatch.setenv("SMALL_KEY", "canary-key-123")
    caplog.set_level("DEBUG")
    app = ScriptedEndpoint([scripted.error(401, "Incorrect API key provided: canary-key-123 or sk-proj-abcdef12")])
    async with asked(app, api_key_env="SMALL_KEY") as endpoint:
        reply = await endpoint.ask(ASK)
    assert app.requests[0].headers["authorization"] == "Bearer canary-key-123"
    assert reply.failure_detail == "HTTP 401: Incorrect API key provided: [key] or [key]"
    assert "canary" not in caplog.text
    assert b"canary" not in app.requests[0].body


async def test_a_key_that_a_model_repeats_in_its_answer_is_in_no_reply(asked, monkeypatch):
    monkeypatch.setenv("SMALL_KEY", "canary-key-123")
    app = ScriptedEndpoint([scripted.chat("you sent canary-key-123")])
    async with asked(app, api_key_env="SMALL_KEY") as endpoint:
        assert (await endpoint.ask(ASK)).content == "you sent [secret]"


async def test_no_key_no_authorization_header(asked):
    app = ScriptedEndpoint([scripted.chat("hi")])
    async with asked(app) as endpoint:
        await endpoint.ask(ASK)
    assert "authorization" not in app.requests[0].headers


async def test_a_transient_failure_is_retried_and_then_answered(asked):
    app = ScriptedEndpoint(
        [
            scripted.error(503, "busy", retry_after="0"),
            scripted.error(429, "busy", retry_after_ms="1"),
            scripted.chat("hi"),
        ]
    )
    async with asked(app, retries=2) as endpoint:
        reply = await endpoint.ask(ASK)
    assert (reply.content, reply.failure, len(app.requests)) == ("hi", None, 3)


async def test_a_storm_of_429_ends_as_rate_limited_within_the_retry_budget(asked):
    app = ScriptedEndpoint([scripted.error(429, "slow down", retry_after="0")])
    async with asked(app, retries=3) as endpoint:
        reply = await endpoint.ask(ASK)
    assert (reply.failure, reply.status, len(app.requests)) == ("rate_limited", 429, 4)
    assert reply.failure_detail == "HTTP 429: slow down"


async def test_an_error_inside_an_answer_with_status_200_is_retried_and_its_detail_shows_no_key(asked):
    failed = json.dumps({"error": {"message": "slow down, sk-proj-abcdef12", "code": 429}}).encode()
    app = ScriptedEndpoint([scripted.whole(failed, retry_after="0"), scripted.chat("hi")])
    async with asked(app, retries=1) as endpoint:
        assert (await endpoint.ask(ASK)).content == "hi"
    app = ScriptedEndpoint([scripted.whole(failed, retry_after="0")])
    async with asked(app, retries=1) as endpoint:
        reply = await endpoint.ask(ASK)
    assert (reply.failure, reply.failure_detail, len(app.requests)) == ("rate_limited", "slow down, [key]", 2)


async def test_an_endpoint_that_asks_for_a_pause_gets_it_and_no_request_is_lost(asked):
    closed_s, deadline_s = 1.5, 0.5
    app = ScriptedEndpoint([scripted.closed_for(closed_s, scripted.chat("hi"))])
    async with asked(app, concurrency=4) as endpoint:
        replies = await asyncio.gather(*(endpoint.ask(ASK, deadline_s=deadline_s) for _ in range(50)))
    assert {reply.content for reply in replies} == {"hi"}
    assert len(app.requests) <= 50 + 4  # those in flight when it asked


@pytest.mark.parametrize("retry_after", ["3600", formatdate(4_000_000_000, usegmt=True)])
async def test_an_endless_pause_is_bounded_and_counts_as_a_retry(asked, monkeypatch, retry_after: str):
    monkeypatch.setattr(retry, "MAX_PAUSE_S", 0.1)
    app = ScriptedEndpoint([scripted.error(429, "come back later", retry_after=retry_after)])
    async with asked(app, retries=1) as endpoint:
        reply = await endpoint.ask(ASK, deadline_s=0.5)
    assert (reply.failure, len(app.requests)) == ("rate_limited", 2)


async def test_a_request_too_old_after_a_pause_expires_without_being_sent(asked):
    app = ScriptedEndpoint([scripted.error(429, "later", retry_after_ms="400"), scripted.chat("hi")])
    async with asked(app, retries=0) as endpoint:
        await endpoint.ask(ASK)
        reply, wanted = await asyncio.gather(endpoint.ask(ASK, fresh_for_s=0.2), endpoint.ask(ASK, fresh_for_s=60))
    assert (reply.failure, wanted.content, len(app.requests)) == ("expired", "hi", 2)


async def test_a_rate_limited_request_that_has_become_too_old_is_not_sent_again(asked):
    app = ScriptedEndpoint([scripted.error(429, "later", retry_after_ms="400"), scripted.chat("hi")])
    async with asked(app, retries=2) as endpoint:
        reply = await endpoint.ask(ASK, fresh_for_s=0.3)
    assert (reply.failure, len(app.requests)) == ("expired", 1)


async def test_a_model_that_is_too_slow_is_a_timeout_and_is_disconnected_from(asked):
    app = ScriptedEndpoint([scripted.after(30, scripted.chat("late"))])
    async with asked(app, retries=5) as endpoint:
        reply = await endpoint.ask(ASK, deadline_s=0.2)
        await app.hung_up.seen()
    assert (reply.failure, len(app.requests)) == ("timeout", 1)
    assert reply.latency_ms is not None
    assert reply.latency_ms >= 200


async def test_an_answer_that_never_ends_is_a_timeout_too(asked):
    app = ScriptedEndpoint([scripted.chunks(b"{", forever=True)])
    async with asked(app) as endpoint:
        reply = await endpoint.ask(ASK, deadline_s=0.2)
    assert reply.failure == "timeout"


async def test_a_refused_connection_is_an_endpoint_error():
    async with Endpoint("gone", ModelSettings(base_url=f"http://127.0.0.1:{free_port()}/v1", retries=1)) as endpoint:
        reply = await endpoint.ask(ASK)
    assert (reply.failure, reply.status, reply.model) == ("endpoint_error", None, "gone")


async def test_a_broken_connection_is_retried(asked):
    app = ScriptedEndpoint([scripted.broken, scripted.chunks(b'{"choices"', cut=True), scripted.chat("hi")])
    async with asked(app, retries=2) as endpoint:
        reply = await endpoint.ask(ASK)
    assert (reply.content, len(app.requests)) == ("hi", 3)


async def test_a_request_the_endpoint_refuses_is_rejected_with_its_message_and_not_repeated(asked):
    app = ScriptedEndpoint([scripted.error(400, "max_tokens is too large")])
    async with asked(app, retries=5) as endpoint:
        reply = await endpoint.ask(ASK)
    assert (reply.failure, reply.failure_detail, len(app.requests)) == (
        "rejected",
        "HTTP 400: max_tokens is too large",
        1,
    )


async def test_a_redirect_is_not_followed_because_the_key_would_follow_too(asked):
    app = ScriptedEndpoint([scripted.whole(b"", status=307, location="/elsewhere")])
    async with asked(app) as endpoint:
        reply = await endpoint.ask(ASK)
    assert (reply.failure, reply.status, len(app.requests)) == ("rejected", 307, 1)


@pytest.mark.parametrize("body", [b"<html>captive portal</html>", b"[" * 100_000, b'{"choices": []}', b"\xff\xfe"])
async def test_a_body_that_is_no_answer_is_malformed(asked, body: bytes):
    async with asked(ScriptedEndpoint([scripted.whole(body)])) as endpoint:
        reply = await endpoint.ask(ASK)
    assert (reply.failure, reply.status) == ("malformed", 200)


async def test_an_endless_answer_is_cut_off_as_malformed(asked, monkeypatch):
    monkeypatch.setattr(answers, "MAX_ANSWER_BYTES", 100_000)
    app = ScriptedEndpoint([scripted.chunks(*[b"x" * 50_000] * 4, forever=True)])
    async with asked(app) as endpoint:
        reply = await endpoint.ask(ASK, deadline_s=10)
    assert reply.failure == "malformed"


async def test_no_more_requests_are_in_flight_than_the_concurrency(asked):
    seen: list[int] = []

    async def answer(receive: Any, send: Any) -> None:
        seen.append(endpoint.in_flight)
        await scripted.after(0.01, scripted.chat("hi"))(receive, send)

    async with asked(ScriptedEndpoint([answer]), concurrency=3) as endpoint:
        replies = await asyncio.gather(*(endpoint.ask(ASK) for _ in range(20)))
    assert {reply.failure for reply in replies} == {None}
    assert len(seen) == 20
    assert max(seen) == 3


async def test_waiting_for_a_slot_counts_neither_towards_the_deadline_nor_the_latency(asked):
    slow, queue_s, deadline_s = scripted.after(1.5, scripted.chat("slow")), 1.5, 1.0
    async with asked(ScriptedEndpoint([slow, scripted.chat("quick")]), concurrency=1) as endpoint:
        first = asyncio.create_task(endpoint.ask(ASK, deadline_s=30))
        await asyncio.sleep(0)
        second = await endpoint.ask(ASK, deadline_s=deadline_s)
        assert (await first).content == "slow"
    assert (second.content, second.failure) == ("quick", None)
    assert second.latency_ms is not None
    assert second.latency_ms < queue_s * 1_000


async def test_cancellation_propagates_and_frees_the_slot(asked):
    app = ScriptedEndpoint([scripted.after(30, scripted.chat("late")), scripted.chat("hi")])
    async with asked(app, concurrency=1) as endpoint:
        asking = asyncio.create_task(endpoint.ask(ASK))
        await app.asked.seen()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert endpoint.in_flight == 0
        assert (await endpoint.ask(ASK)).content == "hi"


async def test_a_request_that_json_cannot_represent_is_rejected_without_being_sent(asked):
    app = ScriptedEndpoint([scripted.chat("hi")])
    async with asked(app) as endpoint:
        reply = await endpoint.ask({"messages": [{"role": "user", "content": "\ud800"}]})
    assert reply.failure == "rejected"
    assert app.requests == []


async def test_a_request_before_the_context_is_entered_raises_an_error_with_the_fix():
    with pytest.raises(RuntimeError, match="async with"):
        await Endpoint("small", ModelSettings(base_url="http://127.0.0.1:1/v1")).ask(ASK)
