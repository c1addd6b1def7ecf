"""When to try again, and how long to wait first: pure, given the answer's headers."""

import random
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

FIRST_WAIT_S: Final = 0.25
MAX_WAIT_S: Final = 8.0

#: An endpoint that wants to be left alone for longer is asked again after so long: a date gone
#: wrong must not silence it for good.
LONGEST_SILENCE_S: Final = 600.0

#: Statuses another try may mend: too early, too many, timed out, or a fault of the server.
_PASSING: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})


def worth_retrying(status: int, headers: Mapping[str, str]) -> bool:
    """Whether the same request may succeed later. `x-should-retry` overrides the status."""
    told = headers.get("x-should-retry")
    return told == "true" if told in ("true", "false") else status in _PASSING


def silence_s(status: int, headers: Mapping[str, str]) -> float | None:
    """Seconds in which the endpoint, after such an answer, wants no request at all; None where it did not say.

    Never less than it asked for, up to LONGEST_SILENCE_S, and up to a second more
    at random, so that clients turned away together do not come back together.
    """
    asked = retry_after_s(headers, now=time.time()) if status in _PASSING else None
    if asked is None:
        return None
    return min(asked, LONGEST_SILENCE_S) + random.uniform(0, min(0.1 * asked, 1.0))  # noqa: S311 - spreads load, protects nothing


def retry_after_s(headers: Mapping[str, str], *, now: float) -> float | None:
    """Seconds the endpoint asks to be left alone, from `retry-after-ms` or `retry-after`.

    `retry-after` holds seconds or an HTTP date, which is compared with `now` (Unix seconds).
    None where there is neither, or none that can be read.
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
