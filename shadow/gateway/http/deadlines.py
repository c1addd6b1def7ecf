"""One fixed time limit for any number of waits, on a single timer of the event loop.

A request waits a few times, nearly always for less than a millisecond. A timer for each wait
would be made, inserted and cancelled for nothing. Waits with the same limit expire in the order
in which they began, so a dictionary, which keeps that order, is enough to find the next one.
"""

import asyncio
from time import monotonic
from typing import Protocol


class Wait(Protocol):
    """Something that waits; distinguished from others by identity."""

    def on_timeout(self) -> None:
        """The time limit has passed."""
        ...


class Deadlines:
    """Calls each wait's `on_timeout()` once, unless it was stopped within `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._ends: dict[Wait, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def start(self, wait: Wait) -> None:
        """Start the time of `wait`; from the event loop's thread, and not twice without a stop."""
        self._ends[wait] = monotonic() + self.seconds
        if self._timer is None:  # checked here too: it saves a call at nearly every wait
            self._set_timer(self.seconds)

    def stop(self, wait: Wait) -> None:
        """Stop the time of `wait`, if it is running."""
        self._ends.pop(wait, None)

    def close(self) -> None:
        """Stop all of them."""
        self._ends.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        now = monotonic()
        while self._ends:
            wait, end = next(iter(self._ends.items()))
            if end > now:
                self._set_timer(end - now)
                return
            del self._ends[wait]
            wait.on_timeout()
