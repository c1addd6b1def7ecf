"""Single items are written together, and an error reaches those whose batch it was."""

import asyncio
import contextlib

import pytest

from consumers.batches import BatchWriter


@contextlib.asynccontextmanager
async def running(write, **limits):
    batches = BatchWriter(write, **limits)
    task = asyncio.create_task(batches.run())
    try:
        yield batches
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_items_are_written_together_and_each_waits_for_its_own_batch():
    written = []

    async def write(items):
        written.append(items)

    async with running(write, size=4, linger_s=0.01) as batches:
        await asyncio.gather(*(batches.add(number) for number in range(10)))
    assert [item for batch in written for item in batch] == list(range(10))
    assert max(map(len, written)) == 4


async def test_a_batch_that_is_not_full_is_written_after_linger_s():
    async def write(_items):
        return

    async with running(write, size=1_000, linger_s=0.01) as batches:
        await batches.add("alone")


async def test_after_hurry_no_batch_waits_to_be_full():
    written = []

    async def write(items):
        written.append(items)

    async with running(write, size=2, linger_s=3_600) as batches:
        before = batches.add("before")
        await asyncio.sleep(0)
        batches.hurry()
        await before
        await asyncio.gather(*(batches.add(f"after {number}") for number in range(3)))
    assert written == [["before"], ["after 0", "after 1"], ["after 2"]]


async def test_an_error_reaches_the_items_of_its_batch_and_the_next_batch_is_written():
    async def write(items):
        if "bad" in items:
            raise ValueError("bad")

    async with running(write, size=1, linger_s=0.01) as batches:
        with pytest.raises(ValueError, match="bad"):
            await batches.add("bad")
        await batches.add("good")


async def test_items_added_after_a_batch_was_cancelled_are_written():
    written = []

    async def write(items):
        written.append(items)

    async with running(write, size=2, linger_s=60) as batches:
        for waiting in [batches.add(f"cancelled {number}") for number in range(3)]:  # one full, another not
            waiting.cancel()
        first = batches.add("first again")
        for _ in range(10):  # the writer could take it now, but it is not full
            await asyncio.sleep(0)
        second = batches.add("second again")
        await asyncio.gather(first, second)
    assert written == [["first again", "second again"]]


async def test_cancelled_batches_leave_nothing_behind():
    async def write(_items):
        return

    batches = BatchWriter(write, size=4, linger_s=0)
    for session in range(50):
        in_flight = [batches.add((session, number)) for number in range(10)]
        for waiting in in_flight:
            waiting.cancel()
    batches.add("alone")
    assert sum(len(items) for items, _ in batches._batches) == 1
