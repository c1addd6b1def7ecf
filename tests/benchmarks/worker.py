"""The shadow worker against an endpoint that answers in 200 ms, whatever the number of concurrent requests.

The share of the concurrency that is used is computed from the trials, as if each had taken the endpoint
200 ms. The endpoint shares two cores with worker and broker, so that its answers take longer; a second row
gives the average number of requests in flight as the endpoint counts them.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import aiohttp
import uvicorn
from starlette.responses import JSONResponse

from consumers import worker
from shadow.devstack.model_servers.models import echo_app
from shadow.devstack.services.broker import embedded_broker
from shadow.devstack.services.processes import answers, free_port, poll_until
from shadow.topics import create_topics
from tests.benchmarks._throughput import Throughput, throughput
from tests.support.consuming import an_exchange, put_exchanges, running, settings_for, until
from tests.support.services import service_folder, unique_topics

ANSWER_S = 0.2
MEASURED_S = 8.0
LIMITS = (16, 64, 128)


def measure() -> list[tuple[str, str, str]]:
    rows = []
    for limit in LIMITS:
        in_flight, trials = asyncio.run(utilization(limit))
        each = f"{trials.rate:.0f} trials/s, {trials.cpu_ms:.1f} ms of processor each"
        rows.append((f"share of concurrency {limit} in use ({each})", f"{trials.rate * ANSWER_S / limit:.1%}", "≥ 95%"))
        rows.append((f"the same as the endpoint counts it, concurrency {limit}", f"{in_flight:.1%}", ""))
    return rows


async def utilization(limit: int) -> tuple[float, Throughput]:
    """The share of `limit` in flight at the endpoint while exchanges always wait, and the worker's throughput."""
    with ExitStack() as stack:
        folder = stack.enter_context(service_folder("broker"))
        bootstrap = stack.enter_context(embedded_broker(log=folder / "broker.log")).bootstrap
        url = stack.enter_context(endpoint())
        topics = unique_topics()
        create_topics(bootstrap, dict.fromkeys((topics.exchanges, topics.trials, topics.deadletters), 4))
        models = {name: {"base_url": f"{url}/v1", "concurrency": limit} for name in ("big", "small")}
        tasks = {"intent": {"frontier": "big", "candidates": ["small"], "regret_rate": 0}}
        settings = settings_for(bootstrap, topics, models=models, tasks=tasks)
        wanted = int(limit / ANSWER_S * (MEASURED_S + 4))
        await put_exchanges(bootstrap, topics, [an_exchange(number) for number in range(wanted)])
        async with running(settings, worker.build(settings)) as health, aiohttp.ClientSession(url) as observer:
            handled = health.messages.labels(topics.exchanges)
            await until(lambda: handled._value.get() >= 2 * limit)
            before = await _in_flight(observer)
            # Counted at each trial, not at each poll: answers come in waves.
            answered: Any = health.registry._names_to_collectors["shadow_worker_trials_total"]
            count = answered.labels("shadow", "small", "answered")._value.get
            trials = await throughput(count, warm_up=2 * limit, total=wanted, seconds=MEASURED_S)
            after = await _in_flight(observer)
        elapsed, in_flight_s = (last - first for first, last in zip(before, after, strict=True))
        return in_flight_s / elapsed / limit, trials


async def _in_flight(observer: aiohttp.ClientSession) -> tuple[float, float]:
    """The endpoint's clock (s), and the integral of its requests in flight over time (s)."""
    async with observer.get("/in-flight") as answer:
        clock, seconds = await answer.json()
        return clock, seconds


class InFlightCounter:
    """Wraps an ASGI app; `/in-flight` answers with the clock and the integral of its requests in flight."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._in_flight = 0
        self._seconds = 0.0
        self._changed = time.perf_counter()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == "/in-flight":
            self._change(0)
            await JSONResponse([self._changed, self._seconds])(scope, receive, send)
            return
        self._change(1)
        try:
            await self._app(scope, receive, send)
        finally:
            self._change(-1)

    def _change(self, by: int) -> None:
        now = time.perf_counter()
        self._seconds += self._in_flight * (now - self._changed)
        self._in_flight += by
        self._changed = now


@contextmanager
def endpoint() -> Iterator[str]:
    """The endpoint's address, in a process of its own, so that it takes no time from the worker's."""
    port = free_port()
    child = multiprocessing.get_context("forkserver").Process(target=_serve, args=(port,), daemon=True)
    child.start()
    try:
        poll_until(lambda: answers(port), timeout=30.0, alive=child.is_alive)
        yield f"http://127.0.0.1:{port}"
    finally:
        child.kill()
        child.join()


def _serve(port: int) -> None:
    uvicorn.run(
        InFlightCounter(echo_app(latency_ms=1_000 * ANSWER_S)),
        host="127.0.0.1",
        port=port,
        log_level="critical",
        ws="none",
        lifespan="off",
    )
