"""One timer for many waits of equal length."""

import asyncio
from time import monotonic

from shadow.gateway.http.deadlines import Deadlines


class Patient:
    """A wait that records when it times out."""

    def __init__(self) -> None:
        self.timeouts: list[float] = []

    def on_timeout(self) -> None:
        self.timeouts.append(monotonic())


async def test_each_wait_times_out_once_and_not_before_its_time() -> None:
    deadlines = Deadlines(0.05)
    waits = [Patient() for _ in range(5)]
    ends = []
    for wait in waits:
        deadlines.start(wait)
        ends.append(monotonic() + 0.05)
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.15)
    assert [len(wait.timeouts) for wait in waits] == [1] * 5
    assert all(wait.timeouts[0] >= end - 0.002 for wait, end in zip(waits, ends, strict=True))


async def test_a_wait_that_ended_in_time_does_not_time_out() -> None:
    deadlines = Deadlines(0.03)
    ended, late = Patient(), Patient()
    deadlines.start(ended)
    deadlines.start(late)
    deadlines.stop(ended)
    deadlines.stop(ended)  # once more does no harm
    await asyncio.sleep(0.1)
    assert not ended.timeouts
    assert len(late.timeouts) == 1


async def test_a_restarted_wait_has_its_full_time() -> None:
    deadlines = Deadlines(0.06)
    wait = Patient()
    for _ in range(4):
        deadlines.start(wait)
        await asyncio.sleep(0.03)
        deadlines.stop(wait)
    assert not wait.timeouts
    deadlines.start(wait)
    await asyncio.sleep(0.12)
    assert len(wait.timeouts) == 1


async def test_the_callback_of_one_wait_may_stop_or_start_others() -> None:
    deadlines = Deadlines(0.03)
    second, third = Patient(), Patient()

    class Meddler(Patient):
        def on_timeout(self) -> None:
            super().on_timeout()
            deadlines.stop(second)
            deadlines.start(third)

    first = Meddler()
    deadlines.start(first)
    await asyncio.sleep(0.015)
    deadlines.start(second)
    await asyncio.sleep(0.1)
    assert [len(wait.timeouts) for wait in (first, second, third)] == [1, 0, 1]


async def test_no_wait_times_out_after_the_end() -> None:
    deadlines = Deadlines(0.02)
    wait = Patient()
    deadlines.start(wait)
    deadlines.close()
    await asyncio.sleep(0.06)
    assert not wait.timeouts
