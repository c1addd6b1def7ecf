"""The shadow worker against an endpoint that answers in 200 ms however many ask at once."""

import asyncio
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import uvicorn

from consumers import worker
from shadow.devstack.broker import embedded_broker
from shadow.devstack.models import echo_app
from shadow.devstack.processes import answers, free_port, poll_until
from shadow.topics import create_topics
from tests.consuming import an_exchange, put_exchanges, running, settings_for, until
from tests.services import service_folder, unique_topics

ANSWER_S = 0.2
MEASURED_S = 8.0
LIMITS = (16, 64, 128)


def measure() -> list[tuple[str, str, str]]:
    rows = []
    for limit in LIMITS:
        rate, cpu_ms = asyncio.run(trials_per_second(limit))
        share = rate * ANSWER_S / limit
        what = f"share of concurrency {limit} kept busy ({rate:.0f} trials/s, {cpu_ms:.1f} ms of processor each)"
        rows.append((what, f"{share:.1%}", "≥ 95%"))
    return rows


async def trials_per_second(limit: int) -> tuple[float, float]:
    """Trials a second while there is always more to ask, and the processor time of each, in ms."""
    with ExitStack() as stack:
        folder = stack.enter_context(service_folder("broker"))
        bootstrap = stack.enter_context(embedded_broker(log=folder / "broker.log")).bootstrap
        url = stack.enter_context(endpoint())
        topics = unique_topics()
        create_topics(bootstrap, dict.fromkeys((topics.exchanges, topics.trials, topics.deadletters), 4))
        models = {name: {"base_url": url, "concurrency": limit} for name in ("big", "small")}
        tasks = {"intent": {"frontier": "big", "candidates": ["small"], "regret_rate": 0}}
        settings = settings_for(bootstrap, topics, models=models, tasks=tasks)
        wanted = int(limit / ANSWER_S * (MEASURED_S + 4))
        await put_exchanges(bootstrap, topics, [an_exchange(number) for number in range(wanted)])
        async with running(settings, worker.build(settings)) as health:
            handled = health.messages.labels(topics.exchanges)
            await until(lambda: handled._value.get() >= 2 * limit)
            before, started, busy = handled._value.get(), time.perf_counter(), time.process_time()
            await asyncio.sleep(MEASURED_S)
            trials, elapsed = handled._value.get() - before, time.perf_counter() - started
            return trials / elapsed, 1_000 * (time.process_time() - busy) / trials


@contextmanager
def endpoint() -> Iterator[str]:
    """An endpoint in a process of its own, so that it takes nothing from the worker's."""
    port = free_port()
    child = multiprocessing.get_context("forkserver").Process(target=_serve, args=(port,), daemon=True)
    child.start()
    try:
        poll_until(lambda: answers(port), timeout=30.0, alive=child.is_alive)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        child.kill()
        child.join()


def _serve(port: int) -> None:
    uvicorn.run(echo_app(latency_ms=1_000 * ANSWER_S), host="127.0.0.1", port=port, log_level="critical", ws="none")
