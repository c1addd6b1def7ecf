"""The simulated application: weeks of past exchanges at once, then live requests for as long as asked.

Past exchanges go to Kafka through the publisher, each with its own event time, because a gateway
would stamp them with the current time. Everything after Kafka is the real pipeline. Live requests
are made with the official client, as an application makes them: through the gateway if the
frontier serves them, and mirrored by the SDK if the candidate does.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from openai import AsyncOpenAI, AsyncStream, OpenAIError

from shadow import prices
from shadow.capture import mirror
from shadow.devstack.simulation import timeline
from shadow.devstack.simulation.seeded_random import draws
from shadow.devstack.simulation.world import Ask, World
from shadow.publisher import Publisher
from shadow.records import Exchange
from shadow.settings import Settings

#: Share of past exchanges with a reference. Of invoices nearly all, because they are paid; of drafts
#: none, because a draft has more than one right wording.
REFERENCE_SHARES: Final = {"ticket-intent": 0.5, "invoice-fields": 0.95, "reply-draft": 0.0}
#: Most past exchanges in flight to Kafka: far below the publisher's limit.
_MAX_IN_FLIGHT: Final = 1_000
#: A rough size of one exchange, for the publisher's budget.
_SIZE_BYTES: Final = 3_000
#: Live requests are numbered from here, so that they never repeat one of the past.
_FIRST_LIVE: Final = 10_000_000


def past_exchanges(world: World, settings: Settings, *, count: int, span: timedelta) -> Iterator[Exchange]:
    """`count` exchanges in the `span` before `world.now`, oldest first."""
    start = world.now - span
    for index, at in enumerate(world.schedule(count, start, world.now)):
        ask = world.ask(index, at)
        has_reference = draws(world.seed, "graded", index)[0] < REFERENCE_SHARES[ask.task]
        server = _server(settings, ask)
        reply = world.reply_of(ask.served_by, ask.body, at)
        cost = prices.cost_usd(settings.models[server], settings.sent_name(server), reply.usage)
        yield Exchange(
            id=f"past-{world.seed}-{index:08d}",
            task=ask.task,
            at=at,
            request=ask.body,
            reply=msgspec.structs.replace(reply, cost_usd=cost),
            served_by=ask.served_by,
            segment=ask.segment,
            unit=ask.unit,
            reference=ask.reference if has_reference else None,
        )


def publish_past(
    publisher: Publisher, exchanges: Iterator[Exchange], *, progress: Callable[[int], None], stopped: Callable[[], bool]
) -> int:
    """Send `exchanges` to Kafka as fast as it accepts them; the number sent. Ends early when `stopped()`."""
    sent = 0
    for exchange in exchanges:
        while _in_flight(publisher) > _MAX_IN_FLIGHT and not stopped():
            time.sleep(0.01)
        if stopped():
            break
        publisher.offer(_Simulated(task=exchange.task, size=_SIZE_BYTES, exchange=exchange))
        sent += 1
        progress(sent)
    return sent


async def live(
    gateway_url: str,
    world: World,
    settings: Settings,
    publisher: Publisher,
    *,
    per_second: float,
    failed: Callable[[Exception], None],
    stopped: Callable[[], bool],
) -> None:
    """Make the requests of the world's users, with Poisson arrivals, until `stopped()`.

    A task's requests go to the frontier that `settings` names, which may be a real one. The gateway
    serves only the frontier. The application itself sends the candidate's users to the candidate,
    with the SDK, whose exchanges go through `publisher`.

    A failed request does not end the traffic; `failed` is called with its error.
    """
    candidate_url = settings.models[settings.tasks[timeline.ROLLOUT_TASK].candidates[0]].base_url
    rng = random.Random(world.seed)  # noqa: S311 - traffic, not secrets
    index = _FIRST_LIVE
    tasks: set[asyncio.Task[None]] = set()
    async with _client(f"{gateway_url}/v1") as frontier, _client(candidate_url) as candidate:
        clients = {"frontier": frontier, "candidate": mirror(candidate, publisher=publisher)}
        while not stopped():
            await asyncio.sleep(rng.expovariate(per_second))
            index += 1
            ask = world.ask(index, datetime.now(UTC))
            body = {**ask.body, "model": _server(settings, ask)}
            stream = rng.random() < 0.3
            sending = _send(clients[ask.served_by], body, ask.headers(), stream=stream, failed=failed)
            task = asyncio.create_task(sending)
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        for task in tasks:
            task.cancel()


def _client(url: str) -> AsyncOpenAI:
    # One key for all: the simulated endpoints accept any, and the gateway must not need one.
    return AsyncOpenAI(base_url=url, api_key="simulated", max_retries=0, timeout=30)


async def _send(
    client: AsyncOpenAI,
    body: dict[str, Any],
    headers: dict[str, str],
    *,
    stream: bool,
    failed: Callable[[Exception], None],
) -> None:
    try:
        answer = await client.chat.completions.create(**body, extra_headers=headers, stream=stream)
        if isinstance(answer, AsyncStream):
            async for _ in answer:
                pass
    except OpenAIError as error:
        failed(error)


def _server(settings: Settings, ask: Ask) -> str:
    """The name in [models] of the model that serves a request."""
    task = settings.tasks[ask.task]
    return task.frontier if ask.served_by == "frontier" else task.candidates[0]


def _in_flight(publisher: Publisher) -> int:
    """The number of accepted exchanges that are neither sent nor dropped yet."""
    counts = publisher.counts().counts.values()
    return sum(
        n if outcome == "accepted" else -n for task in counts for outcome, n in task.items() if _is_fate(outcome)
    )


def _is_fate(outcome: str) -> bool:
    return outcome in ("accepted", "mirrored") or outcome.startswith("dropped:")


class _Simulated(msgspec.Struct, frozen=True, kw_only=True):
    """An exchange that exists already, where a publisher takes captured calls."""

    task: str
    size: int
    exchange: Exchange

    def to_exchange(self, _settings: Settings) -> Exchange:
        return self.exchange
