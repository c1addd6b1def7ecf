"""How fast a consumer handles messages, by its own counter."""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

_LOOK_EVERY_S = 0.005


class Pace(NamedTuple):
    """Messages a second, and the processor's milliseconds for each."""

    rate: float
    cpu_ms: float


async def pace(count: Callable[[], float], *, warm_up: int, most: int, seconds: float = float("inf")) -> Pace:
    """The pace from `warm_up` messages on, for `seconds` at least or until all of `most` are handled.

    `count` goes up in steps: as many are answered at once, or told to it at once. What lies between two
    steps is measured, both of them while there was more to do: nothing is cut off at either end.
    """
    told = await _told(count, warm_up)
    first = last = told
    while told[1] < most and last[0] - first[0] < seconds:
        last = told
        told = await _told(count, told[1] + 1)
    if told[1] < most:
        last = told
    elapsed, messages, busy = (after - before for before, after in zip(first, last, strict=True))
    return Pace(messages / elapsed, 1_000 * busy / messages)


async def _told(count: Callable[[], float], least: float) -> tuple[float, float, float]:
    """The moment at which the counter has come to `least`, its value, and the processor time spent so far."""
    while (value := count()) < least:  # noqa: ASYNC110 - a number has nothing to wait for
        await asyncio.sleep(_LOOK_EVERY_S)
    return time.perf_counter(), value, time.process_time()
