"""Collect single items into batches, so that one transaction serves many."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class BatchWriter(Generic[Item]):
    """Passes items to `write` in batches. What `add(item)` returns is done when `write` has returned for its batch.

    A batch is written when it has `size` items, `linger_s` after its first item, or at once after `hurry`.
    Each running `run` writes one batch after the other, while the next batch fills. All items of a batch
    share one future: an error of `write` reaches every waiter of that batch. Cancelling the future drops the
    whole batch, and the next item begins a new one.
    """

    def __init__(self, write: Callable[[list[Item]], Awaitable[None]], *, size: int, linger_s: float) -> None:
        self._write = write
        self._size = size
        self._linger_s = linger_s
        self._batches: deque[tuple[list[Item], asyncio.Future[None]]] = deque()  # all full except the last
        self._not_empty = asyncio.Event()
        self._ready = asyncio.Event()  # waiting longer would gain nothing
        self._hurried = False

    def add(self, item: Item) -> "asyncio.Future[None]":
        while self._batches and self._batches[-1][1].done():  # cancelled; its items will be delivered again
            self._batches.pop()
            self._removed()
        if not self._batches or len(self._batches[-1][0]) >= self._size:
            self._batches.append(([], asyncio.get_running_loop().create_future()))
            self._not_empty.set()
        items, done = self._batches[-1]
        items.append(item)
        if len(items) >= self._size:
            self._ready.set()
        return done

    def hurry(self) -> None:
        """From now on, write what there is without waiting for more."""
        self._hurried = True
        self._ready.set()

    async def run(self) -> None:
        """Write batches until cancelled."""
        while True:
            await self._not_empty.wait()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ready.wait(), self._linger_s)
            if self._batches:  # another `run` may have written it
                await self._write_next()

    def _removed(self) -> None:
        """Set the events by what is left after a batch was removed."""
        if not self._batches:
            self._not_empty.clear()
        if not self._hurried and (not self._batches or len(self._batches[0][0]) < self._size):
            self._ready.clear()

    async def _write_next(self) -> None:
        items, done = self._batches.popleft()
        self._removed()
        if done.done():
            return  # cancelled
        try:
            await self._write(items)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the error, it belongs to those who wait for the batch
            if not done.done():
                done.set_exception(error)
        else:
            if not done.done():
                done.set_result(None)
