"""One fixed time limit for any number of waits, on a single timer of the event loop.

A request waits a few times, nearly always for less than a millisecond. A timer for each wait
is made, sorted in and cancelled again for nothing; waits that all may take equally long run
out in the order they began, so a dictionary is all it takes to know the next one.
"""

import asyncio
from time import monotonic
from typing import Protocol


class Wait(Protocol):
    """Something that waits; told apart from others by identity."""

    def late(self) -> None:
        """The time is over."""
        ...


class Deadlines:
    """Tells each wait that it is `late()`, once, unless it was stopped within `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._ends: dict[Wait, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def start(self, wait: Wait) -> None:
        """Begin to count `wait`'s time; from the event loop's thread, and not twice without a stop."""
        self._ends[wait] = monotonic() + self.seconds
        if self._timer is None:  # asked here too, for it hardly ever is
            self._ring_in(self.seconds)

    def stop(self, wait: Wait) -> None:
        """Forget `wait`, if it is still counted."""
        self._ends.pop(wait, None)

    def close(self) -> None:
        """Forget all of them."""
        self._ends.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring_in(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._ring)

    def _ring(self) -> None:
        self._timer = None
        now = monotonic()
        while self._ends:
            wait, end = next(iter(self._ends.items()))
            if end > now:
                self._ring_in(end - now)
                return
            del self._ends[wait]
            wait.late()
