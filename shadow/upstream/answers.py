"""Read an endpoint's answer from the network: in one piece, or as a stream, with the time to its first token."""

import asyncio
import contextlib
import time
from typing import Final

import aiohttp
import msgspec

from shadow.openai_api import replies
from shadow.openai_api.stream_reader import TimedStream
from shadow.records import Api, Reply

#: Larger answers are malformed.
MAX_ANSWER_BYTES: Final = 16 * 2**20
#: A stream takes several hundred bytes for each token, of which only the text stays in memory.
MAX_STREAM_BYTES: Final = 8 * MAX_ANSWER_BYTES
#: Seconds to wait for the end of the body after a stream's last event, so that the connection can be used again.
_MAX_TAIL_S: Final = 0.2


async def read_whole(
    response: aiohttp.ClientResponse, api: Api, *, model: str, started: float, received: bytes = b""
) -> Reply:
    """The reply in an answer in one piece, which begins with `received`."""
    content = await read_body(response, MAX_ANSWER_BYTES, received)
    reply = _too_large(model, MAX_ANSWER_BYTES) if content is None else replies.read_bytes(api, content, model=model)
    return _with_latency(reply, started, time.perf_counter())


async def read_streamed(response: aiohttp.ClientResponse, api: Api, *, model: str, started: float) -> Reply:
    """The reply in an answer for which a stream was asked, with the time to its first token.

    `started` is the time of the request (seconds of `time.perf_counter()`). As the official client does, reads events
    whatever the content type is. But an endpoint that ignores the wish sends JSON, which is read as `read_whole` does.
    """
    piece = b""
    while not piece.lstrip() and (more := await response.content.readany()):
        piece += more
    if piece.lstrip()[:1] in (b"{", b"["):
        return await read_whole(response, api, model=model, started=started, received=piece)
    stream = TimedStream(api, started=started, model=model)
    size = 0
    while piece:
        at = time.perf_counter()
        size += len(piece)
        if size > MAX_STREAM_BYTES:
            response.close()
            return _with_latency(_too_large(model, MAX_STREAM_BYTES), started, at)
        stream.feed(piece, at)
        if stream.closed:
            await _read_tail(response)
            return _with_latency(stream.finish()[0], started, at)
        piece = await response.content.readany()
    return _with_latency(stream.finish()[0], started, time.perf_counter())


async def read_body(response: aiohttp.ClientResponse, limit: int, received: bytes = b"") -> bytes | None:
    """The whole body, which begins with `received`; None for one larger than `limit` bytes, whose rest is not read."""
    content = bytearray(received)
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > limit:
            response.close()
            return None
    return bytes(content)


def error_message(body: bytes) -> str:
    """The endpoint's error message: `error.message` of the OpenAI format, else the start of the body."""
    try:
        error = msgspec.json.decode(body)["error"]
        return str(error["message"] if isinstance(error, dict) else error)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, LookupError, TypeError):
        return body.decode("utf-8", "replace")


def _too_large(model: str, limit: int) -> Reply:
    return replies.failed(model, "malformed", f"the answer is larger than {limit} bytes", status=200)


def _with_latency(reply: Reply, started: float, ended: float) -> Reply:
    return msgspec.structs.replace(reply, latency_ms=(ended - started) * 1_000)


async def _read_tail(response: aiohttp.ClientResponse) -> None:
    """Read the body's last bytes, unless the endpoint keeps it open."""
    with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(_MAX_TAIL_S):
            while await response.content.readany():
                pass
