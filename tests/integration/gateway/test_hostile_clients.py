"""What one client sends, or does not send, costs the gateway bounded memory, and no other client notices."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress

import pytest

from tests.support import gateways, scripted
from tests.support.gateways import Running

BODY = b'{"model": "gpt-x", "messages": [{"role": "user", "content": "hi"}]}'
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nx-shadow-task: intent\r\n"
GET = b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n"


@pytest.fixture
def gateway() -> Iterator[Callable[..., Running]]:
    with ExitStack() as stack:
        yield lambda **options: gateways.run(stack, scripted.whole(b"{}"), gateway=options)


@asynccontextmanager
async def connected(running: Running) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(*running.url.removeprefix("http://").split(":"))
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def send_all(writer: asyncio.StreamWriter, parts: Iterator[bytes]) -> None:
    """Send until the gateway takes no more."""
    with suppress(OSError):
        for part in parts:
            writer.write(part)
            await writer.drain()


async def answer_to(running: Running, *parts: bytes) -> tuple[int, str | None]:
    """Status and error code of the only answer, after which the connection ends. (0, None): none came."""
    async with connected(running) as (reader, writer):
        sending = asyncio.ensure_future(send_all(writer, iter(parts)))
        answer = b""
        with suppress(ConnectionError):
            answer = await asyncio.wait_for(reader.read(), 10)
        sending.cancel()
    return parsed(answer)


def parsed(answer: bytes) -> tuple[int, str | None]:
    if not answer:
        return 0, None
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in head
    assert b"HTTP/1.1" not in body, "one answer"
    return int(head.split()[1]), json.loads(body)["error"]["code"]


async def works(running: Running) -> bool:
    async with connected(running) as (reader, writer):
        writer.write(GET)
        return b"200 OK" in await asyncio.wait_for(reader.readuntil(b"}"), 5)


@pytest.mark.parametrize(
    "parts",
    [
        [HEAD + b"a: ", *[b"x" * 60_000] * 40],
        [HEAD, *[b"name-%d: value\r\n" % n for n in range(20_000)]],
        [b"GET /v1/" + b"x" * 200_000 + b" HTTP/1.1\r\n"],
        [HEAD + b"x" * 200_000 + b": y\r\n\r\n"],
    ],
    ids=["one long value", "many fields", "a long path", "a long name"],
)
async def test_headers_beyond_the_limit_are_refused_while_they_come(gateway, parts: list[bytes]):
    running = gateway()
    assert await answer_to(running, *parts) == (431, "headers_too_large")
    assert running.endpoint.requests == []
    assert await works(running)


async def test_headers_within_the_limit_pass(gateway):
    running = gateway(max_header_bytes=10_000)
    async with connected(running) as (reader, writer):
        writer.write(HEAD + b"a: " + b"x" * 9_000 + b"\r\ncontent-length: %d\r\n\r\n" % len(BODY) + BODY)
        assert b" 200 " in await reader.readline()
    assert await answer_to(running, HEAD + b"a: " + b"x" * 10_001 + b"\r\n\r\n") == (431, "headers_too_large")


@pytest.mark.parametrize("begun", [b"", b"\r\n", b"GET /v1/models", HEAD + b"a: b\r\n"])
async def test_a_head_that_does_not_come_in_time_ends_the_connection(gateway, begun: bytes):
    running = gateway(receive_timeout_s=0.3)
    expected = (408, "request_timeout") if begun else (0, None)
    assert await answer_to(running, begun) == expected


async def test_a_head_that_drips_ends_all_the_same(gateway):
    running = gateway(receive_timeout_s=0.5)
    async with connected(running) as (reader, writer):

        async def drip() -> None:
            with suppress(OSError):
                for n in range(200):
                    writer.write(HEAD[n % len(HEAD) : n % len(HEAD) + 1])
                    await asyncio.sleep(0.05)

        dripping = asyncio.ensure_future(drip())
        assert parsed(await asyncio.wait_for(reader.read(), 5)) == (408, "request_timeout")
        dripping.cancel()


async def test_a_body_that_drips_ends_and_a_slow_one_passes(gateway):
    running = gateway(receive_timeout_s=0.4)
    declared = HEAD + b"content-length: %d\r\n\r\n"
    async with connected(running) as (reader, writer):
        writer.write(declared % 1_000)
        for _ in range(3):
            writer.write(b"x")
            await asyncio.sleep(0.1)
        assert parsed(await asyncio.wait_for(reader.read(), 5)) == (408, "request_timeout")
    body = BODY + b" " * 2_000
    async with connected(running) as (reader, writer):
        writer.write(declared % len(body))
        for start in range(0, len(body), 200):  # 2,000 bytes a second
            writer.write(body[start : start + 200])
            await asyncio.sleep(0.1)
        assert b" 200 " in await asyncio.wait_for(reader.readline(), 5)
    assert running.endpoint.requests[-1].body == body


async def test_trailers_never_become_headers(gateway):
    running = gateway()
    async with connected(running) as (reader, writer):
        writer.write(HEAD + b"transfer-encoding: chunked\r\n\r\n")
        writer.write(
            b"%x\r\n%b\r\n0\r\nauthorization: Bearer stolen\r\nx-shadow-unit: other\r\n\r\n" % (len(BODY), BODY)
        )
        assert b" 200 " in await reader.readline()
    [request] = running.endpoint.requests
    assert request.body == BODY
    assert "stolen" not in str(request.headers)
    assert running.publisher.one().unit != "other"


@pytest.mark.parametrize("begun", [b"2\r\n{}\r\n0\r\nlong: ", b"1;", b'1;a="'], ids=["trailers", "extension", "quoted"])
async def test_trailers_and_chunk_extensions_have_the_limit_of_headers(gateway, begun: bytes):
    running = gateway()
    start = HEAD + b"transfer-encoding: chunked\r\n\r\n"
    assert await answer_to(running, start + begun, *[b"x" * 60_000] * 40) == (431, "headers_too_large")
    assert await works(running)


async def test_pipelined_requests_beyond_a_few_end_the_connection_after_their_answers(gateway):
    running = gateway()
    async with connected(running) as (reader, writer):
        writer.write(GET * 500)  # few enough that the gateway reads all: closing before would reset the connection
        answers = await asyncio.wait_for(reader.read(), 10)
    assert 1 <= answers.count(b"HTTP/1.1 200 OK") < 20
    assert answers.count(b"connection: close") == 1
    assert await works(running)


@pytest.mark.parametrize(
    ("host", "answered"),
    [
        (b"localhost:8080", True),
        (b"127.0.0.1", True),
        (b"[::1]:80", True),
        (b"10.1.2.3:8080", True),
        (b"LocalHost.", True),
        (b"gateway.internal", True),
        (b"a.b.example.org:80", True),
        (b"evil.example.com", False),
        (b"example.org", False),
        (b"127.0.0.1.evil.com", False),
        (b"localhost.evil.com:80", False),
        (b"notlocalhost", False),
        (b"xexample.org", False),
        (b":80", False),
        (b"", False),
    ],
)
async def test_only_known_names_are_answered(gateway, host: bytes, answered: bool):
    running = gateway(allowed_hosts=["gateway.internal", "*.example.org"])
    async with connected(running) as (reader, writer):
        writer.write(b"GET /livez HTTP/1.1\r\nhost: " + host + b"\r\n\r\n")
        status = int((await reader.readline()).split()[1])
    assert status == (200 if answered else 421)


async def test_two_host_headers_are_refused(gateway):
    sent = b"GET /livez HTTP/1.1\r\nhost: localhost\r\nhost: evil.com\r\n\r\n"
    assert await answer_to(gateway(), sent) == (400, "invalid_request")


async def test_a_websocket_is_refused_with_the_reason(gateway):
    running = gateway()
    upgrade = b"GET /v1/realtime HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"
    assert await answer_to(running, upgrade) == (501, "websocket_unsupported")
    assert await answer_to(running, b"CONNECT a:1 HTTP/1.1\r\nhost: localhost\r\n\r\n") == (501, "method_unsupported")
    assert running.endpoint.requests == []


async def test_an_offer_of_http2_changes_nothing(gateway):
    running = gateway()
    offer = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAAAAIAAAAB\r\n"
    request = HEAD + offer + b"content-length: %d\r\n\r\n" % len(BODY) + BODY
    async with connected(running) as (reader, writer):
        for cut in (len(request), len(request) - 20, len(HEAD) + 5):
            writer.write(request[:cut])
            await asyncio.sleep(0.05)
            writer.write(request[cut:])
            assert b" 200 " in await asyncio.wait_for(reader.readline(), 5)
            await asyncio.wait_for(reader.readuntil(b"{}"), 5)
    assert [each.body for each in running.endpoint.requests] == [BODY] * 3
    assert "upgrade" not in str(running.endpoint.requests[0].headers)


async def test_an_earlier_request_gets_its_answer_before_a_broken_one_ends_the_connection(gateway):
    running = gateway()
    async with connected(running) as (reader, writer):
        writer.write(HEAD + b"content-length: %d\r\n\r\n" % len(BODY) + BODY + b"nonsense\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 5)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(b"{}")


async def test_bodies_of_all_clients_together_have_a_limit(gateway):
    running = gateway(max_bodies_bytes=300_000)
    declared = HEAD + b"content-length: 250000\r\n\r\n"
    async with connected(running) as (_, first), connected(running) as (reader, second):
        first.write(declared + b" " * 200_000)
        await asyncio.sleep(0.3)
        second.write(declared + b" " * 250_000)
        assert parsed(await asyncio.wait_for(reader.read(), 5)) == (503, "too_many_bodies")
    async with connected(running) as (reader, writer):
        writer.write(declared + b" " * 250_000)
        assert b" 200 " in await asyncio.wait_for(reader.readline(), 5)


async def test_what_compressed_bodies_unpack_to_counts_too():
    body = json.dumps({"model": "intent-model", "messages": [], "x": "y" * 250_000}).encode()
    packed = gzip.compress(body)
    assert len(packed) < 1_000

    async def slow(_receive, send) -> None:
        await asyncio.sleep(1)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"{}"})

    with ExitStack() as stack:
        running = gateways.run(stack, slow, gateway={"max_bodies_bytes": 300_000})
        request = HEAD + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed) + packed
        async with connected(running) as (served, first), connected(running) as (refused, second):
            first.write(request)
            await asyncio.to_thread(running.endpoint.asked.wait, 5)
            second.write(request)
            assert parsed(await asyncio.wait_for(refused.read(), 5)) == (503, "too_many_bodies")
            assert b" 200 " in await asyncio.wait_for(served.readline(), 5)
        async with connected(running) as (reader, writer):
            writer.write(request)
            assert b" 200 " in await asyncio.wait_for(reader.readline(), 5), "what was held is given back"
