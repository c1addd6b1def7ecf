"""What passes through the gateway is, byte for byte, what came from the endpoint."""

import asyncio
import gzip
import json
import sys
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial

import aiohttp
import brotli  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import settings as checking
from hypothesis import strategies as st
from yarl import URL

from shadow.devstack.services.processes import free_port, poll_until
from shadow.gateway.app import build
from shadow.gateway.http import serving
from shadow.gateway.http.asgi import App
from shadow.recording import body_buffer
from shadow.settings import Settings
from tests.support import gateways, scripted, services
from tests.support.gateways import RecordingPublisher, Running, settings_for
from tests.support.scripted import Signal

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BODY = b'{"model": "gpt-x", "messages": [{"role": "user", "content": "hi"}]}'
HEADERS = {"x-shadow-task": "intent", "content-type": "application/json"}
PATH = "/v1/chat/completions"


@pytest.fixture
def gateway() -> Iterator[Callable[..., Running]]:
    with ExitStack() as stack:
        yield lambda *answers, **options: gateways.run(stack, *answers, **options)


@pytest.fixture(scope="module")
def shared() -> Iterator[Running]:
    with ExitStack() as stack:
        yield gateways.run(stack, scripted.whole(b""))


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session


async def raw(
    url: str, body: bytes = BODY, *, path: str = PATH, headers: Mapping[str, str] | None = None
) -> tuple[int, Mapping[str, str], bytes]:
    """Status, headers and raw body of a POST, on a connection of its own."""
    async with (
        aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=["accept-encoding"]) as session,
        session.post(url + path, data=body, headers={**HEADERS, **(headers or {})}) as response,
    ):
        return response.status, response.headers, await response.read()


def recorded_gateway(settings: Settings) -> App:
    """A gateway whose exchanges are kept, for tests that do not look at them."""
    return build(settings, RecordingPublisher(settings))


@checking(max_examples=40, deadline=None)
@given(
    parts=st.lists(st.binary(max_size=3_000), max_size=5),
    status=st.sampled_from([200, 201, 400, 404, 429, 500]),
    streamed=st.booleans(),
)
def test_any_body_of_any_status_passes_byte_for_byte(shared, parts: list[bytes], status: int, streamed: bool):
    body = b"".join(parts)
    shared.endpoint.answers[:] = [scripted.chunks(*parts) if streamed else scripted.whole(body, status=status)]

    async def both():
        return await raw(shared.direct), await raw(shared.url)

    direct, through = asyncio.run(both())
    assert through[2] == direct[2] == body
    assert through[0] == direct[0]
    for name in ("content-type", "content-length"):
        assert through[1].get(name) == direct[1].get(name)


async def test_the_request_reaches_the_endpoint_byte_for_byte(gateway):
    running = gateway(scripted.chat("hi"))
    odd = b'{ "model":"gpt-x",\n"messages" : [ ],"n":1.0, "a":"\\u00fc", "a":2 }\r\n'
    await raw(running.url, odd)
    await raw(running.url, odd, path="/v1/completions?q=%20a+b&q=1")
    assert [request.body for request in running.endpoint.requests[-2:]] == [odd, odd]
    assert running.endpoint.requests[-1].query == "q=%20a+b&q=1"


@pytest.mark.parametrize("own_key", [True, False])
async def test_a_key_that_the_endpoint_repeats_reaches_the_client_and_no_record(gateway, monkeypatch, own_key: bool):
    keys = "gatewayskey12345", "clientskey12345", "clientscookie12345"
    if own_key:
        monkeypatch.setenv("TEST_FRONTIER_KEY", keys[0])
    error = json.dumps({"error": {"message": f"Incorrect API key provided: {' '.join(keys)}"}}).encode()
    running = gateway(scripted.whole(error, status=401))
    headers = {"authorization": f"Bearer {keys[1]}", "cookie": f"session={keys[2]}"}
    status, _, body = await raw(running.url, headers=headers)
    assert (status, body) == (401, error)
    kept = str(await asyncio.to_thread(running.publisher.one))
    assert "Incorrect API key provided" in kept
    assert not [key for key in keys[not own_key :] if key in kept]


async def test_every_chunk_is_forwarded_when_it_comes_and_none_is_waited_for(gateway, http):
    release = [asyncio.Event() for _ in range(3)]
    loop = asyncio.get_running_loop()

    async def answer(_receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for number, gate in enumerate(release):
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(gate.wait(), loop))
            await send({"type": "http.response.body", "body": b"data: %d\n\n" % number, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    running = gateway(answer)
    # The headers arrive before the first chunk exists, and each chunk before the next exists.
    async with http.post(running.url + PATH, data=BODY, headers=HEADERS) as response:
        assert response.status == 200
        for number, gate in enumerate(release):
            gate.set()
            assert await response.content.readany() == b"data: %d\n\n" % number
        assert await response.content.read() == b""


async def test_a_short_answer_that_comes_in_one_piece_goes_on_in_one_piece():
    left = asyncio.Event()
    whole = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"

    async def endpoint(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(BODY)
        writer.write(whole)
        await reader.read()
        writer.close()
        await writer.wait_closed()
        left.set()

    async with await asyncio.start_server(endpoint, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        settings = settings_for(f"http://127.0.0.1:{port}")
        app = recorded_gateway(settings)
        with services.serving(app, configured=partial(serving.config, settings=settings.gateway)) as url:
            reader, writer = await asyncio.open_connection(*url.removeprefix("http://").split(":"))
            head = f"POST {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(BODY)}\r\n\r\n"
            writer.write(head.encode() + BODY)
            assert await reader.read(100_000) == whole
            writer.close()
            await writer.wait_closed()
        await left.wait()


@pytest.mark.parametrize("accepted", ["gzip, br", "gzip", None])
async def test_a_compressed_answer_passes_compressed_and_is_mirrored_readable(gateway, accepted):
    packed = gzip.compress(json.dumps(scripted.chat_body("hello")).encode())
    running = gateway(scripted.whole(packed, content_encoding="gzip"))
    _, headers, body = await raw(running.url, headers={"accept-encoding": accepted} if accepted else {})
    assert (headers["content-encoding"], body) == ("gzip", packed)
    asked = running.endpoint.requests[0].headers["accept-encoding"]
    assert asked == ("gzip" if accepted else "identity")
    assert running.publisher.one().reply.content == "hello"


@pytest.mark.parametrize(
    "path", ["/v1//chat/completions", "/v1/chat/completions/", "/v1/chat//completions?x=1", "/v1//responses/"]
)
async def test_a_path_with_a_stray_slash_reaches_the_endpoint_as_it_came_and_is_mirrored(gateway, path: str):
    running = gateway(scripted.chat("hi"))
    status, _, _ = await raw(running.url, path=path)
    [request] = running.endpoint.requests
    assert (status, request.path) == (200, path.partition("?")[0])
    assert running.publisher.one().api == ("responses" if "responses" in path else "chat")


async def test_a_redirected_request_is_counted_and_not_mirrored(gateway, http):
    running = gateway(scripted.whole(b"", status=307, location="/v1/chat/completions"))
    url = running.url + "/v1/chat/completions/"
    async with http.post(url, data=BODY, headers=HEADERS, allow_redirects=False) as response:
        assert (response.status, response.headers["location"]) == (307, "/v1/chat/completions")
    assert b'shadow_gateway_unmirrored_total{reason="redirected"} 1.0' in await _get(running.url + "/metrics")
    assert (running.publisher.exchanges, running.publisher.sampled_out) == ([], {})


COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstd.compress,
    "GZIP , identity": gzip.compress,
    "gzip, zstd": lambda body: zstd.compress(gzip.compress(body, mtime=0)),
}


@pytest.mark.parametrize("encodings", COMPRESSED)
async def test_a_compressed_request_under_an_alias_reaches_the_endpoint_renamed_and_is_mirrored(gateway, encodings):
    running = gateway(scripted.chat("hi"))
    packed = COMPRESSED[encodings](b'{"model": "intent-model", "seed":1.0, "messages": []}')
    await raw(running.url, packed, headers={"content-encoding": encodings})
    [request] = running.endpoint.requests
    assert request.body == b'{"model":"gpt-x","seed":1.0,"messages":[]}'
    assert "content-encoding" not in request.headers
    exchange = running.publisher.one()
    assert (exchange.request["model"], exchange.reply.content) == ("intent-model", "hi")


@pytest.mark.parametrize("encodings", COMPRESSED)
async def test_a_compressed_request_in_which_nothing_is_renamed_stays_compressed_and_is_mirrored(gateway, encodings):
    running = gateway(scripted.chat("hi"))
    packed = COMPRESSED[encodings](BODY)
    await raw(running.url, packed, headers={"content-encoding": encodings})
    [request] = running.endpoint.requests
    assert (request.body, request.headers["content-encoding"]) == (packed, encodings)
    assert running.publisher.one().request == json.loads(BODY)


@pytest.mark.parametrize(
    ("encodings", "body", "reason"),
    [
        ("gzip", b"not gzip", "bad_json"),
        ("gzip", gzip.compress(BODY, mtime=0)[:30], "bad_json"),
        ("gzip", gzip.compress(b"not JSON", mtime=0), "bad_json"),
        ("aes128gcm", b"\x00\x01", "unknown_encoding"),
        ("gzip," * 50 + "gzip", gzip.compress(BODY, mtime=0), "unknown_encoding"),
    ],
    ids=["not compressed", "cut off", "not JSON", "unknown", "fifty times"],
)
async def test_a_compressed_request_that_cannot_be_read_goes_out_as_it_came_and_is_counted(
    gateway, encodings: str, body: bytes, reason: str
):
    running = gateway(scripted.chat("hi"))
    status, _, _ = await raw(running.url, body, headers={"content-encoding": encodings})
    [request] = running.endpoint.requests
    assert (status, request.body, request.headers["content-encoding"]) == (200, body, encodings)
    metrics = await _get(running.url + "/metrics")
    assert f'shadow_gateway_unmirrored_total{{reason="{reason}"}} 1.0'.encode() in metrics
    assert running.publisher.exchanges == []


@pytest.mark.parametrize("encodings", COMPRESSED)
async def test_a_request_that_decompresses_to_more_than_the_limit_is_refused_and_never_sent_on(gateway, encodings):
    running = gateway(scripted.chat("hi"), gateway={"max_body_bytes": 10_000})
    bomb = COMPRESSED[encodings](b'{"model": "intent-model", "messages": "%s"}' % (b"x" * 1_000_000))
    assert len(bomb) < 10_000
    status, _, answered = await raw(running.url, bomb, headers={"content-encoding": encodings})
    error = json.loads(answered)["error"]
    assert (status, error["code"]) == (413, "request_too_large")
    assert "decompresses to more than 10000 bytes" in error["message"]
    assert running.endpoint.requests == []


async def test_on_other_paths_even_the_accepted_encodings_pass_untouched(gateway):
    running = gateway(scripted.whole(b"{}"))
    await raw(running.url, path="/v1/embeddings", headers={"accept-encoding": "br, zstd"})
    assert running.endpoint.requests[0].headers["accept-encoding"] == "br, zstd"


async def test_a_stream_that_the_endpoint_breaks_off_is_broken_off_for_the_client_too(gateway, http):
    parts = [b'data: {"choices":[{"index":0,"delta":{"content":"hel"}}]}\n\n', b"data: {"]
    running = gateway(scripted.chunks(*parts, pause_s=0.05, cut=True))
    async with http.post(running.url + PATH, data=BODY, headers=HEADERS) as response:
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.content.read()
    reply = running.publisher.one().reply
    assert (reply.failure, reply.content, reply.status) == ("interrupted", "hel", 200)


@pytest.mark.parametrize("begun", [False, True])
async def test_a_client_that_hangs_up_cancels_the_endpoint_and_is_mirrored_as_interrupted(gateway, begun: bool):
    first = b'data: {"choices":[{"index":0,"delta":{"content":"hel"}}]}\n\n'
    running = gateway(scripted.chunks(first, forever=True) if begun else scripted.after(60, scripted.chat("late")))
    async with aiohttp.ClientSession() as session:
        asking = asyncio.ensure_future(session.post(running.url + PATH, data=BODY, headers=HEADERS))
        await running.endpoint.asked.seen()
        if begun:
            response = await asking
            assert await response.content.readany() == first
            response.close()
        else:
            asking.cancel()
    await running.endpoint.hung_up.seen()
    reply = await asyncio.to_thread(lambda: running.publisher.one().reply)
    assert (reply.failure, reply.content) == ("interrupted", "hel" if begun else None)


async def test_an_endpoint_that_is_down_is_named_with_what_to_do():
    settings = settings_for(f"http://127.0.0.1:{free_port()}")
    publisher = RecordingPublisher(settings)
    app = build(settings, publisher)
    with services.serving(app, configured=partial(serving.config, settings=settings.gateway)) as url:
        status, headers, body = await raw(url)
        metrics = await _get(url + "/metrics")
    error = json.loads(body)["error"]
    assert (status, error["code"], headers["content-type"]) == (502, "endpoint_unreachable", "application/json")
    assert "[models.big]" in error["message"]
    assert publisher.exchanges == []
    assert b'shadow_gateway_unmirrored_total{reason="no_answer"} 1.0' in metrics


async def test_an_endpoint_that_is_silent_for_too_long_is_given_up_with_504(gateway):
    running = gateway(scripted.after(60, scripted.chat("late")), gateway={"timeout_s": 0.2})
    status, _, body = await raw(running.url)
    assert (status, json.loads(body)["error"]["code"]) == (504, "endpoint_timeout")
    await running.endpoint.hung_up.seen()


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_over_the_limit_is_refused_and_never_sent_on(gateway, announced: bool):
    running = gateway(scripted.chat("hi"), gateway={"max_body_bytes": 10_000})

    async def unannounced():
        for _ in range(20):
            yield b"x" * 1_000

    async with aiohttp.ClientSession() as session:
        data = b"x" * 15_000 if announced else unannounced()
        async with session.post(running.url + PATH, data=data, headers=HEADERS) as response:
            assert response.status == 413
            assert (await response.json())["error"]["code"] == "request_too_large"
    assert running.endpoint.requests == []


async def test_a_broken_body_gets_the_endpoints_own_error_and_is_counted(gateway):
    running = gateway(scripted.error(400, "We could not parse the JSON body of your request."))
    status, _, body = await raw(running.url, b'{"model": ')
    assert (status, b"could not parse" in body) == (400, True)
    assert running.endpoint.requests[0].body == b'{"model": '
    assert running.publisher.exchanges == []
    assert b'shadow_gateway_unmirrored_total{reason="bad_json"} 1.0' in await _get(running.url + "/metrics")


async def test_a_response_made_in_the_background_is_served_counted_and_not_mirrored(gateway):
    running = gateway(scripted.whole(b'{"id": "resp_1", "status": "queued", "output": []}'))
    sent = b'{"model": "gpt-x", "input": "hi", "background": true}'
    status, _, body = await raw(running.url, sent, path="/v1/responses")
    assert (status, json.loads(body)["status"]) == (200, "queued")
    assert b'shadow_gateway_unmirrored_total{reason="background"} 1.0' in await _get(running.url + "/metrics")
    assert (running.publisher.exchanges, running.publisher.sampled_out) == ([], {})


async def test_an_endpoint_that_falls_silent_in_the_middle_of_its_answer_is_mirrored_as_a_timeout(gateway, http):
    first = b'data: {"choices":[{"index":0,"delta":{"content":"hel"}}]}\n\n'
    running = gateway(scripted.chunks(first, forever=True), gateway={"timeout_s": 0.3})
    async with http.post(running.url + PATH, data=BODY, headers=HEADERS) as response:
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.content.read()
    reply = await asyncio.to_thread(lambda: running.publisher.one().reply)
    assert (reply.failure, reply.content) == ("timeout", "hel")


async def test_a_compressed_reply_that_unpacks_to_more_than_the_mirror_limit_is_mirrored_truncated(gateway):
    packed = gzip.compress(json.dumps(scripted.chat_body("x" * 20_000)).encode())
    running = gateway(scripted.whole(packed, content_encoding="gzip"), gateway={"mirror_body_bytes": 5_000})
    _, _, body = await raw(running.url, headers={"accept-encoding": "gzip"})
    assert body == packed
    exchange = running.publisher.one()
    assert (exchange.truncated, exchange.reply.failure) == (True, "truncated")


async def test_a_reply_over_the_mirror_limit_is_forwarded_whole_and_mirrored_truncated(gateway):
    running = gateway(scripted.chat("x" * 20_000), gateway={"mirror_body_bytes": 5_000})
    _, _, body = await raw(running.url)
    assert json.loads(body)["choices"][0]["message"]["content"] == "x" * 20_000
    exchange = running.publisher.one()
    assert exchange.truncated
    assert exchange.reply.failure == "truncated"
    # Exactly what may be kept, and what keeping a piece costs beside it.
    pieces, rest = divmod(running.publisher.sizes[0] - len(BODY) - 5_000, body_buffer._PIECE_BYTES)
    assert rest == 0
    assert 1 <= pieces <= 5


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_for_whose_copy_there_is_no_room_is_forwarded_whole_and_counted(gateway, stream: bool):
    running = gateway(scripted.chunks(*[b"data: x\n\n" * 1_000] * 4) if stream else scripted.chat("x" * 40_000))
    running.publisher.room = 20_000
    for _ in range(2):
        _, _, body = await raw(running.url)
        assert len(body) >= 36_000
    poll_until(lambda: running.publisher.refused == {("intent", "byte_budget"): 2}, timeout=10.0)
    assert running.publisher.room == 20_000
    assert not running.publisher.exchanges


@pytest.mark.parametrize("path", ["/v1/%2e%2e/admin", "/v1/x/..%2f../admin", "/admin", "/"])
async def test_a_path_that_climbs_out_of_v1_goes_nowhere(gateway, path: str):
    running = gateway(scripted.chat("hi"))
    async with aiohttp.ClientSession() as session, session.get(URL(running.url + path, encoded=True)) as response:
        assert response.status == 404
    assert running.endpoint.requests == []


async def test_health_and_metrics_answer_without_any_broker(gateway):
    running = gateway(scripted.chat("hi"))
    await raw(running.url, headers={"x-shadow-task": "made-up-by-a-client"})
    await raw(running.url)
    assert await _get(running.url + "/livez") == b'{"alive":true}'
    ready = json.loads(await _get(running.url + "/readyz"))
    assert ready == {"ready": True, "tasks": ["intent"], "capture": {"intent": {"accepted": 1, "mirrored": 1}}}
    metrics = (await _get(running.url + "/metrics")).decode()
    assert 'shadow_gateway_requests_total{arm="frontier",status="200",task="intent"} 1.0' in metrics
    assert 'shadow_gateway_requests_total{arm="frontier",status="200",task="none"} 1.0' in metrics
    assert 'shadow_gateway_unmirrored_total{reason="unknown_task"} 1.0' in metrics
    assert 'shadow_capture_exchanges_total{outcome="mirrored",task="intent"} 1.0' in metrics
    assert "shadow_gateway_in_flight 0.0" in metrics
    assert "made-up" not in metrics


async def test_an_upload_streams_through_as_it_comes(gateway, http):
    running = gateway(scripted.whole(b"{}"))

    async def parts():
        for number in range(50):
            yield b"%d" % number * 5_000
            await asyncio.sleep(0)

    async with http.post(running.url + "/v1/files", data=parts()) as response:
        assert await response.read() == b"{}"
    [request] = running.endpoint.requests
    assert request.body == b"".join(b"%d" % number * 5_000 for number in range(50))
    assert request.headers["transfer-encoding"] == "chunked"


async def test_a_client_that_hangs_up_during_an_upload_cancels_it(gateway, http):
    seen = Signal()

    async def endpoint(scope, receive, send):
        while (message := await receive())["type"] == "http.request":
            assert message["more_body"]
        seen.set()

    with (
        services.serving(endpoint) as direct,
        services.serving(recorded_gateway(settings_for(direct))) as url,
    ):
        sending = asyncio.Event()

        async def parts():
            yield b"x" * 100_000
            sending.set()
            await asyncio.Event().wait()

        asking = asyncio.ensure_future(http.post(url + "/v1/files", data=parts()))
        await sending.wait()
        await asyncio.sleep(0.1)
        asking.cancel()
        await seen.seen()


async def test_an_endpoint_may_refuse_an_upload_before_its_end(http):
    async def endpoint(scope, receive, send):
        await receive()
        await send({"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"no"})

    with (
        services.serving(endpoint) as direct,
        services.serving(recorded_gateway(settings_for(direct))) as url,
    ):

        async def parts():
            for _ in range(20):
                yield b"x" * 100_000
                await asyncio.sleep(0.01)

        async with http.post(url + "/v1/files", data=parts()) as response:
            assert (response.status, await response.read()) == (401, b"no")


async def test_head_and_delete_pass_through(gateway, http):
    running = gateway(scripted.whole(b"", content_length="7"), scripted.whole(b'{"deleted":true}'))
    async with http.head(running.url + "/v1/files/f1") as response:
        assert (response.status, response.headers["content-length"]) == (200, "7")
    async with http.delete(running.url + "/v1/files/f1") as response:
        assert await response.json() == {"deleted": True}
    assert [request.method for request in running.endpoint.requests] == ["HEAD", "DELETE"]


async def _get(url: str) -> bytes:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return await response.read()
