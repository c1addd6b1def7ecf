"""An event loop in its own thread, so that requests proceed while the main thread works."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future
from threading import Thread
from typing import Any, Self, TypeVar

T = TypeVar("T")


class LoopThread:
    """Runs coroutines beside the thread that starts them. Use as a context manager.

    In one thread with other work, an answer would wait for that work, and its deadline and latency
    would include it.
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
        self._runner.close()  # cancels what still runs

    def start(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Start `work`; a future of its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` and wait for its result."""
        return self.start(work).result()
