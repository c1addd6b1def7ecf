"""Put single items together so that one transaction serves many."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class BatchWriter(Generic[Item]):
    """What `add(item)` returns is done when `write` has returned for the batch that `item` was in.

    A batch is written when it holds `size` items, `linger_s` after its first, or at once where `hurry`
    was called; each `run` writes one after the other, and the next fills meanwhile. All items of a batch
    share one future: what `write` raises, everybody who waits for that batch gets. Who cancels it gives
    the whole batch up, and what is added next begins another.
    """

    def __init__(self, write: Callable[[list[Item]], Awaitable[None]], *, size: int, linger_s: float) -> None:
        self._write = write
        self._size = size
        self._linger_s = linger_s
        self._batches: deque[tuple[list[Item], asyncio.Future[None]]] = deque()  # all full but the last
        self._some = asyncio.Event()
        self._due = asyncio.Event()  # nothing is gained by waiting for more
        self._hurried = False

    def add(self, item: Item) -> "asyncio.Future[None]":
        while self._batches and self._batches[-1][1].done():  # given up, and its items will come again
            self._batches.pop()
            self._tell()
        if not self._batches or len(self._batches[-1][0]) >= self._size:
            self._batches.append(([], asyncio.get_running_loop().create_future()))
            self._some.set()
        items, done = self._batches[-1]
        items.append(item)
        if len(items) >= self._size:
            self._due.set()
        return done

    def hurry(self) -> None:
        """From now on write what there is without waiting for more."""
        self._hurried = True
        self._due.set()

    async def run(self) -> None:
        """Write batches until cancelled."""
        while True:
            await self._some.wait()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._due.wait(), self._linger_s)
            if self._batches:  # another run may have taken what there was
                await self._write_next()

    def _tell(self) -> None:
        """A batch was taken away: say what is left for those who write."""
        if not self._batches:
            self._some.clear()
        if not self._hurried and (not self._batches or len(self._batches[0][0]) < self._size):
            self._due.clear()

    async def _write_next(self) -> None:
        items, done = self._batches.popleft()
        self._tell()
        if done.done():
            return  # nobody waits for it any more
        try:
            await self._write(items)
        except asyncio.CancelledError:
            raise
        except Exception as fault:  # noqa: BLE001 - it belongs to those who wait
            if not done.done():
                done.set_exception(fault)
        else:
            if not done.done():
                done.set_result(None)
