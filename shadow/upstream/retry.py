"""Whether to retry a failed request, and which pause the endpoint asks for; pure functions of status and headers."""

import random
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

FIRST_WAIT_S: Final = 0.25
MAX_WAIT_S: Final = 8.0

#: Longest pause that an endpoint can ask for. A wrong date must not stop requests forever.
MAX_PAUSE_S: Final = 600.0

#: Statuses after which another attempt may succeed: too early, too many, timed out, or a server error.
_TRANSIENT: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})


def worth_retrying(status: int, headers: Mapping[str, str]) -> bool:
    """Whether the same request may succeed later. `x-should-retry` overrides the status."""
    override = headers.get("x-should-retry")
    return override == "true" if override in ("true", "false") else status in _TRANSIENT


def pause_s(status: int, headers: Mapping[str, str]) -> float | None:
    """Seconds for which the endpoint asks for no request at all; None where it asks for no pause.

    Never less than it asks for, up to MAX_PAUSE_S, and up to a second more
    at random, so that clients turned away together do not come back together.
    """
    asked = retry_after_s(headers, now=time.time()) if status in _TRANSIENT else None
    if asked is None:
        return None
    return min(asked, MAX_PAUSE_S) + random.uniform(0, min(0.1 * asked, 1.0))  # noqa: S311 - spreads load, protects nothing


def retry_after_s(headers: Mapping[str, str], *, now: float) -> float | None:
    """Seconds that `retry-after-ms` or `retry-after` ask for.

    `retry-after` is a number of seconds or an HTTP date, which is compared with `now` (Unix seconds).
    None without a readable header.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        seconds = _number(headers.get(name))
        if seconds is not None:
            return seconds * unit
    return _until(headers.get("retry-after"), now)


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _until(date: str | None, now: float) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(date or "").timestamp() - now)
    except (ValueError, OverflowError):
        return None
