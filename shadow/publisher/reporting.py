"""Log lines that a long outage cannot turn into a flood."""

import logging
import time
from typing import Final

_EVERY_S: Final = 30.0

_log = logging.getLogger("shadow.publisher")


class Reporter:
    """Logs each `action` at most every 30 s, with the number of times it was left out since."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def warn(self, action: str, message: str, *, fault: BaseException | None = None) -> None:
        """`action` is stable and for machines; `message` is for people. Payloads never get here."""
        now = time.monotonic()
        if now - self._last.get(action, float("-inf")) < _EVERY_S:
            self._left_out[action] = self._left_out.get(action, 0) + 1
            return
        self._last[action] = now
        left_out = self._left_out.pop(action, 0)
        # Only the fault's type: its text may quote what was being sent.
        because = f" ({type(fault).__name__})" if fault is not None else ""
        again = f"; {left_out} more like it since the last line" if left_out else ""
        _log.warning("%s%s%s", message, because, again, extra={"action": action})
