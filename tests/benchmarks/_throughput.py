"""How fast a consumer handles messages, by its own counter."""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

_POLL_EVERY_S = 0.005


class Throughput(NamedTuple):
    """Messages a second, and milliseconds of processor time for each."""

    rate: float
    cpu_ms: float


async def throughput(
    count: Callable[[], float], *, warm_up: int, total: int, seconds: float = float("inf")
) -> Throughput:
    """The throughput after the first `warm_up` messages, over at least `seconds` or until `count()` reaches `total`.

    `count` rises in steps, because messages are handled, or counted, in batches. The measurement therefore
    begins and ends at a step, and both lie before `total`: a partial batch would distort it.
    """
    step = await _step(count, warm_up)
    first = last = step
    while step[1] < total and last[0] - first[0] < seconds:
        last = step
        step = await _step(count, step[1] + 1)
    if step[1] < total:
        last = step
    elapsed, messages, cpu_s = (after - before for before, after in zip(first, last, strict=True))
    return Throughput(messages / elapsed, 1_000 * cpu_s / messages)


async def _step(count: Callable[[], float], minimum: float) -> tuple[float, float, float]:
    """When the counter reached `minimum` (s), its value then, and the processor time spent so far (s)."""
    while (value := count()) < minimum:  # noqa: ASYNC110 - a plain counter has no event to wait for
        await asyncio.sleep(_POLL_EVERY_S)
    return time.perf_counter(), value, time.process_time()
