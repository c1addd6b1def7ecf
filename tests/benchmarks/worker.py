"""The shadow worker against an endpoint that answers in 200 ms however many ask at once.

What is kept busy is read off the trials, as if each had taken the endpoint 200 ms. It shares two cores
with worker and broker, so that its answers take longer; how many requests are under way there, on
average, is told beside it.
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
        under_way, trials = asyncio.run(kept_busy(limit))
        each = f"{trials.rate:.0f} trials/s, {trials.cpu_ms:.1f} ms of processor each"
        rows.append(
            (f"share of concurrency {limit} kept busy ({each})", f"{trials.rate * ANSWER_S / limit:.1%}", "≥ 95%")
        )
        rows.append((f"the same as the endpoint sees it, concurrency {limit}", f"{under_way:.1%}", ""))
    return rows


async def kept_busy(limit: int) -> tuple[float, Throughput]:
    """The share of `limit` that is under way at the endpoint while there is always more to ask."""
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
            before = await _seen(observer)
            # Told with each trial, and not a few times a second: answers come in waves.
            answered: Any = health.registry._names_to_collectors["shadow_worker_trials_total"]
            count = answered.labels("shadow", "small", "answered")._value.get
            trials = await throughput(count, warm_up=2 * limit, total=wanted, seconds=MEASURED_S)
            after = await _seen(observer)
        elapsed, under_way = (last - first for first, last in zip(before, after, strict=True))
        return under_way / elapsed / limit, trials


async def _seen(observer: aiohttp.ClientSession) -> tuple[float, float]:
    """The endpoint's clock, and for how many seconds requests have been under way there in all."""
    async with observer.get("/seen") as answer:
        clock, under_way = await answer.json()
        return clock, under_way


class Counted:
    """An ASGI app, and how many requests were under way in it for how long; `/seen` tells."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._under_way = 0
        self._seconds = 0.0
        self._changed = time.perf_counter()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == "/seen":
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
        self._seconds += self._under_way * (now - self._changed)
        self._under_way += by
        self._changed = now


@contextmanager
def endpoint() -> Iterator[str]:
    """An endpoint in a process of its own, so that it takes nothing from the worker's."""
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
        Counted(echo_app(latency_ms=1_000 * ANSWER_S)),
        host="127.0.0.1",
        port=port,
        log_level="critical",
        ws="none",
        lifespan="off",
    )
