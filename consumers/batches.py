"""Put single items together so that one transaction serves many."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Batches(Generic[Item]):
    """What `add(item)` returns is done when `write` has returned for the batch that `item` was in.

    A batch is written when it holds `size` items, or `linger_s` after its first; each `run` writes
    one after the other, and the next fills meanwhile. What `write` raises, everybody who
    waits for that batch gets.
    """

    def __init__(self, write: Callable[[list[Item]], Awaitable[None]], *, size: int, linger_s: float) -> None:
        self._write = write
        self._size = size
        self._linger_s = linger_s
        self._waiting: list[tuple[Item, asyncio.Future[None]]] = []
        self._some = asyncio.Event()
        self._full = asyncio.Event()

    def add(self, item: Item) -> "asyncio.Future[None]":
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        self._some.set()
        if len(self._waiting) >= self._size:
            self._full.set()
        return done

    async def run(self) -> None:
        """Write batches until cancelled."""
        while True:
            await self._some.wait()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._full.wait(), self._linger_s)
            await self._write_next()

    async def _write_next(self) -> None:
        batch, self._waiting = self._waiting[: self._size], self._waiting[self._size :]
        if not self._waiting:
            self._some.clear()
        if len(self._waiting) < self._size:
            self._full.clear()
        open_ = [
            (item, done) for item, done in batch if not done.done()
        ]  # what nobody waits for any more is not written
        try:
            await self._write([item for item, _ in open_])
        except asyncio.CancelledError:
            raise
        except Exception as fault:  # noqa: BLE001 - it belongs to those who wait
            for _, done in open_:
                if not done.done():
                    done.set_exception(fault)
        else:
            for _, done in open_:
                if not done.done():
                    done.set_result(None)
