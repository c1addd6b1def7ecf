"""Run a service until SIGTERM or SIGINT."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run_until_signalled(serve: Callable[[asyncio.Event], Coroutine[Any, Any, T]]) -> T:
    """Run `serve` with an event that SIGTERM and SIGINT set; returns its result."""

    async def serve_with_signals() -> T:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        return await serve(stopping)

    return asyncio.run(serve_with_signals())
