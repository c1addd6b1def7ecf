"""Log lines that a long outage cannot turn into a flood."""

import logging
import time
from typing import Final

_EVERY_S: Final = 30.0

_log = logging.getLogger("shadow.publisher")


class RateLimitedLog:
    """Logs each `action` at most every 30 s, with the number of lines suppressed in between."""

    def __init__(self) -> None:
        self._logged_at: dict[str, float] = {}
        self._suppressed: dict[str, int] = {}

    def warning(self, action: str, message: str, *, error: BaseException | None = None) -> None:
        """`action` is stable and for machines; `message` is for people. Never pass payloads."""
        now = time.monotonic()
        if now - self._logged_at.get(action, float("-inf")) < _EVERY_S:
            self._suppressed[action] = self._suppressed.get(action, 0) + 1
            return
        self._logged_at[action] = now
        suppressed = self._suppressed.pop(action, 0)
        # Only the error's type: its text may quote what was being sent.
        cause = f" ({type(error).__name__})" if error is not None else ""
        more = f"; {suppressed} similar lines suppressed since the last one" if suppressed else ""
        _log.warning("%s%s%s", message, cause, more, extra={"action": action})
