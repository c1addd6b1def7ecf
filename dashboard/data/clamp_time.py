"""Date arithmetic that stops at the ends of the calendar.

The time of an exchange and the days in an address come from outside, so any date may occur.
"""

from datetime import date, datetime, timedelta
from typing import TypeVar

D = TypeVar("D", date, datetime)


def add_clamped(at: D, by: timedelta) -> D:
    """`at + by`, or the first or last representable time where that would overflow."""
    try:
        return at + by
    except OverflowError:
        later = by > timedelta()
        if isinstance(at, datetime):
            return (at.max if later else at.min).replace(tzinfo=at.tzinfo)
        return at.max if later else at.min
