"""Exponential backoff with jitter: how long to wait before the next attempt."""

import asyncio
import random
from typing import Final

#: Above it a doubled wait is longer than any maximum, and as a float it would overflow in the end.
_MAX_DOUBLINGS: Final = 60


def backoff_s(attempt: int, *, first_s: float, max_s: float) -> float:
    """Seconds to wait after attempt number `attempt` (from 0) has failed.

    Doubles from `first_s` to `max_s`. Up to half of it is taken off at random, so that clients that failed
    together do not come back together.
    """
    longest = min(first_s * 2 ** min(attempt, _MAX_DOUBLINGS), max_s)
    return random.uniform(longest / 2, longest)  # noqa: S311 - spreads load, protects nothing


class Backoff:
    """The waits between attempts that go on until one succeeds."""

    def __init__(self, *, first_s: float = 0.1, max_s: float = 5.0) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self.failures = 0

    def next_s(self) -> float:
        """Count a failed attempt; seconds to wait before the next one."""
        wait_s = backoff_s(self.failures, first_s=self._first_s, max_s=self._max_s)
        self.failures += 1
        return wait_s

    async def wait(self) -> None:
        """Count a failed attempt, and wait before the next one."""
        await asyncio.sleep(self.next_s())

    def reset(self) -> None:
        """Count from 0 again, because an attempt succeeded."""
        self.failures = 0
