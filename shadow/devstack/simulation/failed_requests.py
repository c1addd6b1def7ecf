"""Live requests that failed, told now and then, so that a broken set-up is not taken for a quiet one."""

import time
from collections.abc import Callable
from typing import Final

#: Seconds between two lines, however many requests fail meanwhile.
EVERY_S: Final = 10.0
#: Of what a server says, so much is repeated.
_MOST_CHARACTERS: Final = 200


class FailedRequests:
    """Counts failed requests and says so: the first at once, later ones at most every `EVERY_S` seconds."""

    def __init__(self, say: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._clock = clock
        self._told_at: float | None = None
        self.count = 0

    def add(self, fault: Exception) -> None:
        """One more request has failed, in this way."""
        self.count += 1
        now = self._clock()
        if self._told_at is not None and now - self._told_at < EVERY_S:
            return
        self._told_at = now
        how_many = "1 live request has" if self.count == 1 else f"{self.count:,} live requests have"
        why = " ".join(str(fault).split()) or type(fault).__name__
        self._say(f"{how_many} failed, the last one so: {why[:_MOST_CHARACTERS]}")
