"""When to try again, and how long to wait first: pure, given the answer's headers."""

import random
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

_FIRST_WAIT_S: Final = 0.25
_LONGEST_WAIT_S: Final = 8.0

#: Statuses another try may mend: too early, too many, timed out, or a fault of the server.
_PASSING: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})


def worth_retrying(status: int, headers: Mapping[str, str]) -> bool:
    """Whether the same request may succeed later. `x-should-retry` overrides the status."""
    told = headers.get("x-should-retry")
    return told == "true" if told in ("true", "false") else status in _PASSING


def wait_s(attempt: int, headers: Mapping[str, str]) -> float:
    """Seconds to wait after try number `attempt` (from 0) failed.

    At least what the endpoint asked for; a little more by chance, so that clients turned
    away together do not come back together.
    """
    asked = retry_after_s(headers, now=time.time())
    if asked is not None:
        return asked + random.uniform(0, min(0.1 * asked, 1.0))  # noqa: S311 - spreads load, guards nothing
    longest = min(_FIRST_WAIT_S * 2**attempt, _LONGEST_WAIT_S)
    return random.uniform(longest / 2, longest)  # noqa: S311 - as above


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
