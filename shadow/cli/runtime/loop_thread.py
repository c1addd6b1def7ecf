"""An event loop in a thread of its own: what it waits for goes on while its owner works."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future
from threading import Thread
from typing import Any, Self, TypeVar

T = TypeVar("T")


class LoopThread:
    """Runs coroutines beside the thread that starts them. Use as a context manager.

    In one thread with other work, an answer would wait for that work before anybody looked at it,
    and its deadline and latency would be those of the work.
    """

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._loop = self._runner.get_loop()
        self._thread = Thread(target=self._loop.run_forever, name="asking", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._runner.close()  # which cancels what is still under way

    def start(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Begin `work`; what comes of it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do `work`, and wait for it."""
        return self.start(work).result()
