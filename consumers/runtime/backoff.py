"""Waits that double: for dependencies that are away, for as long as they are away."""

import asyncio
import random


class Backoff:
    """`await wait()` takes 0.1 s at first and at most `longest_s`, a third of it by chance."""

    def __init__(self, *, first_s: float = 0.1, longest_s: float = 5.0) -> None:
        self._next_s = first_s
        self._longest_s = longest_s
        self.waited = False

    async def wait(self) -> None:
        self.waited = True
        await asyncio.sleep(self._next_s * random.uniform(2 / 3, 1))  # noqa: S311 - spreads load, guards nothing
        self._next_s = min(self._next_s * 2, self._longest_s)
