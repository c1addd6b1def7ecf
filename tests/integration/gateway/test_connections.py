"""The gateway's own HTTP client, against servers that speak HTTP in every way they may, and badly."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from shadow.devstack.services.processes import free_port
from shadow.gateway.http import connections
from shadow.gateway.http.connections import Pool, ReadTimeout, RemoteProtocolError, origin_of
from tests.support.certificate import CERTIFICATE, KEY

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
ASK = b"GET /v1/x HTTP/1.1\r\nhost: localhost\r\n\r\n"


@asynccontextmanager
async def server(handle: Handle, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the test is over
        finally:
            writer.close()

    async with await asyncio.start_server(once, "127.0.0.1", 0, ssl=tls) as running:
        port = running.sockets[0].getsockname()[1]
        yield f"http{'s' if tls else ''}://127.0.0.1:{port}/v1"


def sending(*answers: bytes, then_close: bool = True, pause_s: float = 0.0) -> Handle:
    """Answers the requests of one connection in turn."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
            await asyncio.sleep(pause_s)
        if not then_close:
            await reader.read()

    return handle


async def ask(pool: Pool, url: str, *, bodiless: bool = False) -> tuple[int, bytes, bool]:
    """Status, body, and whether the connection was kept."""
    connection = await pool.acquire(origin_of(url))
    try:
        connection.write(ASK, bodiless=bodiless)
        await connection.head()
        body = b""
        while not connection.ended:
            body += await connection.chunk()
        return connection.status, body, connection.reusable
    finally:
        pool.release(connection)


@pytest.fixture
def pool() -> Pool:
    return Pool(timeout_s=5.0)


@pytest.mark.parametrize(
    ("answer", "expected", "kept"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", (200, b"hi"), True),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1;x=y\r\ni\r\n0\r\nT: 1\r\n\r\n",
            (200, b"hi"),
            True,
        ),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", (200, b"until the end"), False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", (200, b"hi"), False),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi", (200, b"hi"), False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", (204, b""), True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", (304, b""), True),
        (b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", (200, b"hi"), True),
    ],
    ids=["length", "chunked", "until-close", "http-1.0", "close", "204", "304", "103"],
)
async def test_answers_are_read_however_they_end(pool: Pool, answer: bytes, expected: tuple[int, bytes], kept: bool):
    async with server(sending(answer, then_close=b"until" in answer)) as url:
        assert await ask(pool, url) == (*expected, kept)


@pytest.mark.parametrize("status", [600, 999])
async def test_a_status_that_may_not_be_sent_on_is_an_error(pool: Pool, status: int):
    async with server(sending(b"HTTP/1.1 %d Odd\r\nContent-Length: 2\r\n\r\nhi" % status)) as url:
        with pytest.raises(RemoteProtocolError, match=str(status)):
            await ask(pool, url)


async def test_a_connection_whose_request_was_not_sent_whole_is_not_used_again(pool: Pool):
    async def refuse_unread(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 2\r\n\r\nhi")
        await writer.drain()
        await asyncio.sleep(5)

    async with server(refuse_unread) as url:
        connection = await pool.acquire(origin_of(url))
        size = 64 * 2**20  # more than the system's buffers take
        connection.write(b"POST /v1/x HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % size, b" " * size)
        await connection.head()
        assert (connection.status, await connection.chunk(), connection.ended) == (429, b"hi", True)
        assert not connection.reusable
        connection.close()


async def test_answers_may_come_byte_by_byte(pool: Pool):
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for byte in answer:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    async with server(handle) as url:
        assert await ask(pool, url) == (200, b"hi", True)


async def test_a_connection_is_used_again_and_a_head_answer_leaves_none(pool: Pool):
    peers: list[object] = []
    inner = sending(*[b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"] * 3, then_close=False)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.append(writer.get_extra_info("peername"))
        await inner(reader, writer)

    async with server(handle) as url:
        assert [await ask(pool, url) for _ in range(3)] == [(200, b"hi", True)] * 3
        assert len(peers) == 1
        pool.close()
        status, body, kept = await ask(pool, url, bodiless=True)
    assert (status, body, kept) == (200, b"", False)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
        b"not HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nhi",
    ],
    ids=["nothing", "half-a-head", "short", "no-last-chunk", "not-http", "two-lengths"],
)
async def test_an_answer_that_is_not_whole_is_never_taken_for_one(pool: Pool, answer: bytes):
    async with server(sending(answer)) as url:
        with pytest.raises(RemoteProtocolError):
            await ask(pool, url)


@pytest.mark.parametrize("size", [200_000, 400_000], ids=["read before it is asked for", "held back in between"])
async def test_every_byte_before_a_break_is_returned_before_the_error(pool: Pool, size: int):
    async with server(sending(b"HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n" + b"x" * size)) as url:
        connection = await pool.acquire(origin_of(url))
        connection.write(ASK)
        await connection.head()
        await asyncio.sleep(0.3)  # the break has come by now, or waits behind what is held back
        received: list[int] = []

        async def read_on() -> None:
            while True:
                received.append(len(await connection.chunk()))

        with pytest.raises(RemoteProtocolError):
            await read_on()
        assert sum(received) == size
        pool.release(connection)


async def test_surplus_bytes_close_the_connection_and_leave_the_answer_intact(pool: Pool):
    twice = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi" * 2
    async with server(sending(twice, then_close=False)) as url:
        assert await ask(pool, url) == (200, b"hi", False)


async def test_a_read_timeout_is_not_a_broken_connection():
    async with server(sending(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi", then_close=False)) as url:
        with pytest.raises(ReadTimeout):
            await ask(Pool(timeout_s=0.1), url)


async def test_an_endpoint_faster_than_the_reader_has_to_wait(pool: Pool):
    total = 64 * 2**20
    sent = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        while sent < total:
            writer.write(b"x" * 2**20)
            await writer.drain()
            sent += 2**20

    async with server(handle) as url:
        connection = await pool.acquire(origin_of(url))
        connection.write(ASK)
        await connection.head()
        await asyncio.sleep(0.3)
        assert sent < total / 2
        read = 0
        while not connection.ended:
            read += len(await connection.chunk())
        pool.release(connection)
    assert read == total


async def test_an_idle_connection_that_the_server_closed_is_not_used_again(pool: Pool):
    async with server(sending(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", pause_s=0.02)) as url:
        assert await ask(pool, url) == (200, b"hi", True)
        await asyncio.sleep(0.2)
        assert await ask(pool, url) == (200, b"hi", True)


async def test_idle_connections_are_given_up_before_servers_do(pool: Pool, monkeypatch):
    monkeypatch.setattr(connections, "_KEEPALIVE_S", 0.0)
    answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"] * 2
    async with server(sending(*answers, then_close=False)) as url:
        first = await pool.acquire(origin_of(url))
        first.write(ASK)
        await first.head()
        while not first.ended:
            await first.chunk()
        pool.release(first)
        assert await pool.acquire(origin_of(url)) is not first


async def test_tls_is_verified_and_works(pool: Pool, tmp_path, monkeypatch):
    (tmp_path / "cert.pem").write_text(CERTIFICATE)
    (tmp_path / "key.pem").write_text(KEY)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    big = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3_000_000
    async with server(sending(big, then_close=False), tls=tls) as url:
        with pytest.raises(ssl.SSLCertVerificationError):
            await ask(pool, url)
        connections._ssl_context.cache_clear()
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        status, body, _ = await ask(pool, url)
        connections._ssl_context.cache_clear()
    assert (status, len(body)) == (200, 3_000_000)


async def test_a_port_without_a_listener_is_a_refused_connection(pool: Pool):
    with pytest.raises(ConnectionRefusedError):
        await ask(pool, f"http://127.0.0.1:{free_port()}/v1")


def test_an_origin_keeps_host_port_and_prefix():
    origin = origin_of("https://proxy.example:8443/openai/v1")
    assert (origin.secure, origin.host, origin.port) == (True, "proxy.example", 8443)
    assert (origin.host_header, origin.prefix) == (b"proxy.example:8443", b"/openai/v1")
    assert (origin_of("http://[::1]/v1").host, origin_of("http://[::1]/v1").host_header) == ("::1", b"[::1]")
    assert origin_of("https://bücher.example/v1").host_header == b"xn--bcher-kva.example"
