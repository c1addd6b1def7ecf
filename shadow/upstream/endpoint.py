"""An OpenAI-compatible endpoint that is asked, within a deadline, and never raises for its faults."""

import asyncio
import math
import re
import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Self

import aiohttp
import msgspec
import structlog

from shadow import prices
from shadow.backoff import backoff_s
from shadow.openai_api import replies
from shadow.records import Api, Failure, Reply
from shadow.settings import ModelSettings
from shadow.upstream import request as requests
from shadow.upstream import retry

#: An answer larger than this is not one a model meant to give.
MAX_ANSWER_BYTES: Final = 16 * 2**20
#: Of an error's body, so much is read for its message.
_MAX_ERROR_BYTES: Final = 64 * 2**10
#: Endpoints at their limit ask for a second now and then; whoever is away for longer is missed.
_WORTH_SAYING_S: Final = 10.0

_SECRET: Final = re.compile(r"\b(?:sk|pk|rk|key)-[\w*.-]{4,}|\bBearer\s+\S+", re.IGNORECASE)
_log = structlog.get_logger()


class _Answer(NamedTuple):
    """One try's result: the reply, whether another try may help, and for how long the endpoint wants none."""

    reply: Reply
    again: bool = False
    silence_s: float | None = None


class Endpoint:
    """The model `name` of the settings, as something to ask.

        async with Endpoint("small-7b", settings.models["small-7b"]) as candidate:
            reply = await candidate.ask(exchange.request, api=exchange.api)

    At most `model.concurrency` asks are under way at once; more wait their turn. Where the
    endpoint asks for silence (`retry-after`), nobody asks until it is over. Neither wait costs an
    ask its deadline or its latency. One event loop per Endpoint.
    """

    def __init__(self, name: str, model: ModelSettings) -> None:
        self.name = name
        self._model = model
        self._sent_name = model.model or name
        self._slots = asyncio.Semaphore(model.concurrency)
        self._in_flight = 0
        #: Until then (on the monotonic clock) the endpoint wants no request.
        self._not_before = 0.0
        self._key: str | None = None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._key = key = self._model.api_key()
        self._session = aiohttp.ClientSession(
            # The semaphore is the limit; a second one in the pool would count towards the deadline.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            headers={"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    @property
    def in_flight(self) -> int:
        """Asks that hold a slot now."""
        return self._in_flight

    async def ask(
        self,
        request: Mapping[str, Any],
        *,
        api: Api = "chat",
        deadline_s: float | None = None,
        fresh_for_s: float = math.inf,
    ) -> Reply:
        """What the model answers to `request` (a recorded JSON body), or how it failed to.

        Tools are offered as in the request and never run. `deadline_s` (default: the model's
        `timeout_s`) bounds the tries and the waits between them, from when a slot is free and the
        endpoint wants to be asked. What could not be put within `fresh_for_s` is `expired`.
        `latency_ms` is that of the last try. Endpoint faults are in `Reply.failure`; only
        cancellation, and use outside `async with` (RuntimeError), raise.
        """
        if self._session is None:
            raise RuntimeError("enter the Endpoint with `async with` before asking")
        try:
            body = requests.prepare(request, model=self._sent_name)
        except (ValueError, TypeError, msgspec.MsgspecError, RecursionError) as fault:
            return replies.failed(self._sent_name, "rejected", f"the request cannot be written as JSON: {fault}")
        stale_at = time.monotonic() + fresh_for_s
        async with self._slots:
            self._in_flight += 1
            try:
                return await self._ask_until(self._session, api, body, deadline_s or self._model.timeout_s, stale_at)
            finally:
                self._in_flight -= 1

    async def _ask_until(
        self, session: aiohttp.ClientSession, api: Api, body: bytes, deadline_s: float, stale_at: float
    ) -> Reply:
        """Try, and try again while that may help and the deadline allows.

        The slot is kept while waiting: an endpoint that says "later" gets fewer requests, and
        whoever brings more finds no slot and waits too.
        """
        ends = time.monotonic() + deadline_s
        attempt = 0
        while True:
            ends += await self._until_silence_is_over()
            if time.monotonic() >= stale_at:
                return replies.failed(self._sent_name, "expired", "its turn came too late")
            answer = await self._try_within(session, api, body, ends - time.monotonic())
            if answer.silence_s is not None:
                self._be_silent(answer.silence_s)
            if not answer.again or attempt >= self._model.retries:
                return answer.reply
            wait = 0.0
            if answer.silence_s is None:
                wait = backoff_s(attempt, first_s=retry.FIRST_WAIT_S, max_s=retry.MAX_WAIT_S)
            if time.monotonic() + wait >= ends:
                return answer.reply
            await asyncio.sleep(wait)
            attempt += 1

    def _be_silent(self, seconds: float) -> None:
        now = time.monotonic()
        if seconds >= _WORTH_SAYING_S and now >= self._not_before:
            _log.warning("a model asks for silence", action="silence", model=self.name, seconds=round(seconds))
        self._not_before = max(self._not_before, now + seconds)

    async def _until_silence_is_over(self) -> float:
        """Wait until the endpoint may be asked; the seconds that took."""
        began = time.monotonic()
        while True:
            now = time.monotonic()
            if now >= self._not_before:
                return now - began
            await asyncio.sleep(self._not_before - now)  # others may be told meanwhile: longer still

    async def _try_within(self, session: aiohttp.ClientSession, api: Api, body: bytes, left_s: float) -> _Answer:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(left_s):
                answer = await self._try(session, api, body)
        except TimeoutError:
            answer = _Answer(replies.failed(self._sent_name, "timeout", "no whole answer before the deadline"))
        except (aiohttp.ClientError, OSError, ValueError) as fault:
            answer = _Answer(self._failed("endpoint_error", f"{type(fault).__name__}: {fault}"), again=True)
        latency_ms = (time.perf_counter() - started) * 1_000
        return answer._replace(reply=msgspec.structs.replace(answer.reply, latency_ms=latency_ms))

    async def _try(self, session: aiohttp.ClientSession, api: Api, body: bytes) -> _Answer:
        url = self._model.base_url + requests.PATHS[api]
        # Not followed: a redirect would carry the key to wherever it points.
        async with session.post(url, data=body, allow_redirects=False) as response:
            if response.status != 200:
                return await self._refused(response)
            content = await _read(response, MAX_ANSWER_BYTES)
        if content is None:
            detail = f"the answer is larger than {MAX_ANSWER_BYTES} bytes"
            return _Answer(replies.failed(self._sent_name, "malformed", detail, status=200))
        reply = replies.read_bytes(api, content, model=self._sent_name)
        cost = prices.cost_usd(self._model, self._sent_name, reply.usage)
        return _Answer(msgspec.structs.replace(reply, status=200, cost_usd=cost))

    async def _refused(self, response: aiohttp.ClientResponse) -> _Answer:
        content = await _read(response, _MAX_ERROR_BYTES)
        failure = replies.failure_of_status(response.status)
        reply = self._failed(failure, f"HTTP {response.status}: {_message(content or b'')}", status=response.status)
        return _Answer(
            reply,
            again=retry.worth_retrying(response.status, response.headers),
            silence_s=retry.silence_s(response.status, response.headers),
        )

    def _failed(self, failure: Failure, detail: str, *, status: int | None = None) -> Reply:
        """A failed reply whose detail names no key, though endpoints like to repeat them."""
        if self._key:
            detail = detail.replace(self._key, "[key]")
        return replies.failed(self._sent_name, failure, _SECRET.sub("[key]", detail), status=status)


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes | None:
    """The whole body, or None once it is larger than `limit` bytes; the rest is not waited for."""
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > limit:
            response.close()
            return None
    return bytes(content)


def _message(body: bytes) -> str:
    """The endpoint's own words: `error.message` of the OpenAI format, else the start of the body."""
    try:
        error = msgspec.json.decode(body)["error"]
        return str(error["message"] if isinstance(error, dict) else error)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, LookupError, TypeError):
        return body[:300].decode("utf-8", "replace")
