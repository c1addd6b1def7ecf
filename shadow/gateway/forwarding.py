"""Send a request to its endpoint, and hand back every byte of the answer as it comes."""

import asyncio
from collections.abc import AsyncIterable
from functools import lru_cache
from typing import Final

import aiohttp
import msgspec
import structlog
from multidict import CIMultiDict
from yarl import URL

from shadow.gateway import asgi, headers
from shadow.gateway.asgi import Listener, Send
from shadow.gateway.metrics import HUNG_UP
from shadow.gateway.mirroring import Broken, Copy
from shadow.gateway.routing import Target

#: Idle connections are given up before common servers (uvicorn, so vLLM: 5 s) close them: a
#: request must not meet a connection that is just being closed.
_KEEPALIVE_S: Final = 4.0
_CONNECT_S: Final = 10.0

_log = structlog.get_logger()


class Call(msgspec.Struct, kw_only=True):
    """One request as it goes out. `path` follows the endpoint's `/v1` and includes the query."""

    target: Target
    method: str
    path: str
    headers: CIMultiDict[str]
    body: bytes | AsyncIterable[bytes] | None


class Passed(msgspec.Struct, kw_only=True):
    """What became of a call.

    `status` is what the client saw (499 where it hung up before seeing one), `answered` that
    of the endpoint, None where it gave none.
    """

    status: int = HUNG_UP
    answered: int | None = None
    content_type: str = ""
    content_encoding: str = ""
    broken: Broken | None = None


class Forwarder:
    """The connections to every endpoint. Opened by the first call, inside its event loop."""

    def __init__(self, *, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def forward(self, call: Call, send: Send, listener: Listener, copy: Copy | None = None) -> Passed:
        """Forward `call`, its answer to `send` and into `copy`.

        Endpoint faults become an error answer or, once the answer has begun, a broken one:
        the client must not take a part for the whole. Never raises but for cancellation
        from outside.
        """
        passed = Passed()
        try:
            await self._exchange(call, send, listener, copy, passed)
        except asyncio.CancelledError:
            if not listener.hung_up:
                raise
            _cancelled_by_us()
            passed.broken = "client"
        except (aiohttp.ClientError, OSError, ValueError) as fault:
            await self._failed(call, send, listener, passed, fault)
        finally:
            listener.stop()
        return passed

    async def _exchange(self, call: Call, send: Send, listener: Listener, copy: Copy | None, passed: Passed) -> None:
        url = _url(call.target.model.base_url + call.path)
        session = self._session or self._open()
        async with session.request(
            call.method, url, headers=call.headers, data=call.body, allow_redirects=False
        ) as response:
            passed.status = passed.answered = status = response.status
            passed.content_type = response.headers.get("content-type", "")
            passed.content_encoding = response.headers.get("content-encoding", "")
            fields = headers.answer(response.raw_headers, status)
            await send({"type": "http.response.start", "status": status, "headers": fields})
            content, more = response.content, True
            while more:
                chunk = await content.readany()
                more = not content.at_eof()
                if copy is not None:
                    copy.add(chunk)
                if not more:
                    listener.stop()
                await send({"type": "http.response.body", "body": chunk, "more_body": more})

    async def _failed(self, call: Call, send: Send, listener: Listener, passed: Passed, fault: Exception) -> None:
        if listener.hung_up:
            passed.broken = "client"
            return
        name = call.target.name
        _log.warning("the endpoint failed", action="gateway.endpoint_failed", model=name, fault=repr(fault))
        if passed.answered is not None:
            passed.broken = "endpoint"
            return
        listener.stop()
        if isinstance(fault, TimeoutError):
            passed.status, code = 504, "endpoint_timeout"
            mend = f"It was silent for too long (timeout_s under [gateway] is {self._timeout_s:g})."
        else:
            passed.status, code = 502, "endpoint_unreachable"
            mend = f"Check that it runs, and `base_url` under [models.{name}] in shadow.toml."
        message = f"The gateway got no answer from the endpoint of {name!r} ({type(fault).__name__}). {mend}"
        await asgi.refuse(send, passed.status, code, message)

    def _open(self) -> aiohttp.ClientSession:
        self._session = aiohttp.ClientSession(
            # No limit of connections: a proxy that queues adds latency nobody can see.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("accept", "accept-encoding", "user-agent", "content-type"),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=self._timeout_s),
            max_line_size=64 * 2**10,
            max_field_size=64 * 2**10,
        )
        return self._session


@lru_cache(maxsize=1024)
def _url(address: str) -> URL:
    # As the client wrote it: no quoting, unquoting or normalising on the way.
    return URL(address, encoded=True)


def _cancelled_by_us() -> None:
    """Take back the listener's cancellation, so that the task may go on to its end."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
