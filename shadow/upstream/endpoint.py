"""Ask an OpenAI-compatible endpoint within a deadline. Its failures are data, never exceptions."""

import asyncio
import math
import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple, Self

import aiohttp
import msgspec
import structlog

from shadow import prices
from shadow.backoff import backoff_s
from shadow.openai_api import error_bodies, replies
from shadow.policy import eligibility
from shadow.policy.endpoint_errors import unmet_need
from shadow.policy.relation import WrittenFor
from shadow.recording.credentials import reply_without_credentials
from shadow.records import Api, Failure, Ineligibility, NoConfidence, Reply
from shadow.settings import ModelSettings
from shadow.upstream import answers, retry
from shadow.upstream import request as requests
from shadow.upstream.delivery import WHOLE, AcceptedDelivery, Delivery, Key
from shadow.upstream.environment_proxy import proxy_for, without_userinfo

#: Bytes of an error's body that are read for its message.
_MAX_ERROR_BYTES: Final = 64 * 2**10
#: Pauses of this length are logged. Endpoints at their limit often ask for one of a second.
_LOGGED_PAUSE_S: Final = 10.0

#: Failures of an answer with status 200 that reports an error. They are retried like those by status.
_REPORTED: Final = ("endpoint_error", "rate_limited", "timeout")
#: Failures of an answer with status 200 that do not show that the endpoint delivers as it was asked to.
_NO_ANSWER: Final = (*_REPORTED, "rejected", "interrupted", "malformed")
#: Bytes of a refusal in which the name of what it refuses is looked for.
_MAX_EXPLANATION: Final = 4 * 2**10
_SECRET: Final = re.compile(r"\b(?:sk|pk|rk|key)-[\w*.-]{4,}|\bBearer\s+\S+", re.IGNORECASE)
_log = structlog.get_logger()


class Question(NamedTuple):
    """What is asked: `write` gives the body of `request` for a delivery. `key` is None where the answer is no trial."""

    request: Mapping[str, Any]
    api: Api
    write: Callable[[Delivery], bytes]
    key: Key | None


class Answer(NamedTuple):
    """One attempt's result: the reply, whether another attempt may help, and the pause that the endpoint asks for.

    `explanation` is the beginning of the body of a refusal.
    """

    reply: Reply
    retryable: bool = False
    pause_s: float | None = None
    explanation: str = ""


class Endpoint:
    """The endpoint of the model `name` of the settings.

        async with Endpoint("small-7b", settings.models["small-7b"]) as candidate:
            reply = await candidate.ask(exchange.request, api=exchange.api)

    At most `model.concurrency` requests are in flight at once; others wait for a slot. When the endpoint asks
    for a pause (`retry-after`), no request is sent until it is over. Neither wait counts towards the deadline
    or the latency of a request. Use an Endpoint in one event loop only.
    """

    def __init__(self, name: str, model: ModelSettings) -> None:
        self.name = name
        self._model = model
        self._sent_name = model.model or name
        self._deliveries = AcceptedDelivery(Delivery(stream=True, logprobs=bool(model.logprobs)))
        self._slots = asyncio.Semaphore(model.concurrency)
        self._in_flight = 0
        #: The end of the endpoint's pause, on the monotonic clock.
        self._not_before = 0.0
        self._key: str | None = None
        self._headers: dict[str, str] = {}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._key = key = self._model.api_key()
        self._session = aiohttp.ClientSession(
            # The semaphore is the limit; waiting for the connection pool would count towards the deadline.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            proxy=proxy_for(self._model.base_url),
        )
        # Given with each request: aiohttp would send a session's headers to the proxy too, unencrypted.
        self._headers = {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    @property
    def in_flight(self) -> int:
        """Requests that hold a slot now."""
        return self._in_flight

    async def ask(
        self,
        request: Mapping[str, Any],
        *,
        api: Api = "chat",
        written_for: WrittenFor = "other_server",
        prompt_cut: bool = False,
        prompt_tokens: int | None = None,
        trial: bool = False,
        deadline_s: float | None = None,
        fresh_for_s: float = math.inf,
    ) -> Reply:
        """The model's answer to `request` (a recorded JSON body), or how it failed.

        Tools are offered as in the request and never run. `written_for` says for whom the request was written: what
        means something to that model or server alone is not sent to another (`upstream.request`). A request that the
        model cannot serve is `ineligible`: by what is known of the two it is not sent (`policy.eligibility`, which
        explains `prompt_cut` and `prompt_tokens`), else by the endpoint's error (`policy.endpoint_errors`). A `trial`
        is asked for as a stream, which shows the time to the first token, and with log-probabilities if the model
        reports them (`upstream.delivery`). `deadline_s` (default: the model's `timeout_s`) bounds the attempts and the
        waits between them, from the moment a slot is free and no pause is on. A request that could not be sent within
        `fresh_for_s` is `expired`. `latency_ms` is that of the last attempt. Failures of the endpoint are in
        `Reply.failure`. Raises only for cancellation, and RuntimeError outside `async with`.
        """
        if self._session is None:
            raise RuntimeError("enter the Endpoint with `async with` before asking")
        unserved = eligibility.ineligible(
            request,
            api=api,
            model=self._model,
            written_for=written_for,
            prompt_cut=prompt_cut,
            prompt_tokens=prompt_tokens,
        )
        if unserved is not None:
            return replies.ineligible(self._sent_name, *unserved)
        key = (api, bool(request.get("tools"))) if trial else None
        delivery = WHOLE if key is None else self._deliveries.of(key)
        question = Question(request, api, partial(self._write, request, api, written_for), key)
        try:
            body = question.write(delivery)
        except (ValueError, TypeError, msgspec.MsgspecError, RecursionError) as error:
            return replies.failed(self._sent_name, "rejected", f"the request cannot be written as JSON: {error}")
        stale_at = time.monotonic() + fresh_for_s
        async with self._slots:
            self._in_flight += 1
            try:
                deadline_s = deadline_s or self._model.timeout_s
                reply = await self._ask_until(self._session, question, delivery, body, deadline_s, stale_at)
            finally:
                self._in_flight -= 1
        return reply if key is None else self._with_confidence_reason(reply, key)

    def _write(self, request: Mapping[str, Any], api: Api, written_for: WrittenFor, delivery: Delivery) -> bytes:
        return requests.prepare(
            request,
            model=self._sent_name,
            base_url=self._model.base_url,
            written_for=written_for,
            delivery=delivery.parameters(api),
        )

    async def _ask_until(
        self,
        session: aiohttp.ClientSession,
        question: Question,
        delivery: Delivery,
        body: bytes,
        deadline_s: float,
        stale_at: float,
    ) -> Reply:
        """Send the request, again while that may help and the deadline allows.

        Keeps the slot while waiting, so that an endpoint that answers "later" gets fewer requests.
        """
        ends = time.monotonic() + deadline_s
        attempt = 0
        while True:
            ends += await self._wait_for_pause()
            if time.monotonic() >= stale_at:
                return replies.failed(self._sent_name, "expired", "it was too old before it could be sent")
            answer = await self._attempt_within(session, question.api, body, delivery, ends - time.monotonic())
            if answer.pause_s is not None:
                self._pause(answer.pause_s)
            lacking = _unmet_need(question, answer)
            # The parameter that is refused may be one of the delivery, or be refused together with one.
            may_be_delivery = lacking in (None, "parameter_unsupported") or delivery.is_named(answer.explanation)
            if may_be_delivery and (simpler := self._simpler(question, delivery, answer)):
                delivery, body = simpler, question.write(simpler)
                continue
            if lacking is not None:
                return msgspec.structs.replace(answer.reply, failure="ineligible", ineligible=lacking)
            if not answer.retryable or attempt >= self._model.retries:
                return answer.reply
            wait = 0.0
            if answer.pause_s is None:
                wait = backoff_s(attempt, first_s=retry.FIRST_WAIT_S, max_s=retry.MAX_WAIT_S)
            if time.monotonic() + wait >= ends:
                return answer.reply
            await asyncio.sleep(wait)
            attempt += 1

    def _simpler(self, question: Question, asked: Delivery, answer: Answer) -> Delivery | None:
        """What to ask for instead, if the endpoint refuses the delivery. Remembers what it accepts."""
        if question.key is None:
            return None
        if answer.reply.status == 200 and answer.reply.failure not in _NO_ANSWER:
            if self._deliveries.learn(question.key, asked, answer.reply):
                _log.info(
                    "the endpoint of a model does not stream with usage or report log-probabilities",
                    action="simpler_delivery", model=self.name, api=question.api,
                    **self._deliveries.of(question.key)._asdict(),
                )  # fmt: skip
            return None
        return self._deliveries.simpler(question.key, asked, answer.reply, answer.explanation)

    def _with_confidence_reason(self, reply: Reply, key: Key) -> Reply:
        """`reply`, with the reason why it has no confidence if it was to have one."""
        if not self._model.logprobs or reply.failure is not None:
            return reply
        if reply.confidence is not None or reply.confidence_reason is not None:
            return reply
        reason: NoConfidence = "not_reported" if self._deliveries.of(key).logprobs else "refused"
        return msgspec.structs.replace(reply, confidence_reason=reason)

    def _pause(self, seconds: float) -> None:
        now = time.monotonic()
        if seconds >= _LOGGED_PAUSE_S and now >= self._not_before:
            _log.warning(
                "the endpoint of a model asks for a pause", action="silence", model=self.name, seconds=round(seconds)
            )
        self._not_before = max(self._not_before, now + seconds)

    async def _wait_for_pause(self) -> float:
        """Wait until the endpoint's pause is over; returns the seconds that took."""
        started = time.monotonic()
        while True:
            now = time.monotonic()
            if now >= self._not_before:
                return now - started
            await asyncio.sleep(self._not_before - now)  # another request may have prolonged it meanwhile

    async def _attempt_within(
        self, session: aiohttp.ClientSession, api: Api, body: bytes, delivery: Delivery, left_s: float
    ) -> Answer:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(left_s):
                answer = await self._attempt(session, api, body, delivery, started)
        except TimeoutError:
            answer = Answer(replies.failed(self._sent_name, "timeout", "no whole answer before the deadline"))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            answer = Answer(self._failed("endpoint_error", f"{type(error).__name__}: {error}"), retryable=True)
        if answer.reply.latency_ms is not None:
            return answer
        latency_ms = (time.perf_counter() - started) * 1_000
        return answer._replace(reply=msgspec.structs.replace(answer.reply, latency_ms=latency_ms))

    async def _attempt(
        self, session: aiohttp.ClientSession, api: Api, body: bytes, delivery: Delivery, started: float
    ) -> Answer:
        url = self._model.base_url + requests.PATHS[api]
        # Redirects are not followed, because the key would be sent to wherever they point.
        async with session.post(url, data=body, headers=self._headers, allow_redirects=False) as response:
            if response.status != 200:
                return await self._refused(response)
            read = answers.read_streamed if delivery.stream else answers.read_whole
            reply = await read(response, api, model=self._sent_name, started=started)
        cost = prices.cost_usd(self._model, self._sent_name, reply.usage)
        reply = msgspec.structs.replace(reply, status=200, cost_usd=cost)
        if reply.failure_detail:
            reply = msgspec.structs.replace(reply, failure_detail=self._without_keys(reply.failure_detail))
        if self._key:
            reply = reply_without_credentials(reply, (self._key,))
        if reply.failure in _REPORTED:
            pause_s = retry.pause_s(429, response.headers)
            return Answer(reply, retryable=True, pause_s=pause_s, explanation=reply.failure_detail or "")
        return Answer(
            reply,
            retryable=delivery.stream and reply.failure == "interrupted",
            explanation=reply.failure_detail or "",
        )

    async def _refused(self, response: aiohttp.ClientResponse) -> Answer:
        content = await answers.read_body(response, _MAX_ERROR_BYTES) or b""
        failure = error_bodies.failure_of_status(response.status)
        detail = f"HTTP {response.status}: {answers.error_message(content)}"
        reply = self._failed(failure, detail, status=response.status)
        return Answer(
            reply,
            retryable=retry.worth_retrying(response.status, response.headers),
            pause_s=retry.pause_s(response.status, response.headers),
            explanation=content[:_MAX_EXPLANATION].decode("utf-8", "replace"),
        )

    def _failed(self, failure: Failure, detail: str, *, status: int | None = None) -> Reply:
        return replies.failed(self._sent_name, failure, self._without_keys(detail), status=status)

    def _without_keys(self, detail: str) -> str:
        """`detail` without API keys, which endpoints like to repeat."""
        if self._key:
            detail = detail.replace(self._key, "[key]")
        return _SECRET.sub("[key]", without_userinfo(detail))


def _unmet_need(question: Question, answer: Answer) -> Ineligibility | None:
    """Why the model cannot serve such a request, if that is what the endpoint's error says."""
    reply = answer.reply
    if reply.failure not in ("rejected", "endpoint_error"):
        return None
    return unmet_need(
        question.request,
        api=question.api,
        status=reply.status,
        message=answer.explanation or reply.failure_detail or "",
    )
