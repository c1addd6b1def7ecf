"""Reports failed live requests from time to time, so that a broken set-up is not taken for a quiet one."""

import time
from collections.abc import Callable
from typing import Final

#: Seconds between two reports, for any number of failures.
EVERY_S: Final = 10.0
#: Longest part of a server's message that is shown.
_MAX_CHARACTERS: Final = 200


class FailedRequests:
    """Counts failed requests and reports them: the first at once, later ones at most every `EVERY_S` seconds."""

    def __init__(self, print_line: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._print_line = print_line
        self._clock = clock
        self._reported_at: float | None = None
        self.count = 0

    def add(self, error: Exception) -> None:
        """Count a request that failed with `error`."""
        self.count += 1
        now = self._clock()
        if self._reported_at is not None and now - self._reported_at < EVERY_S:
            return
        self._reported_at = now
        how_many = "1 live request has" if self.count == 1 else f"{self.count:,} live requests have"
        why = " ".join(str(error).split()) or type(error).__name__
        self._print_line(f"{how_many} failed, the last one with: {why[:_MAX_CHARACTERS]}")
