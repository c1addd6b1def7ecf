"""Times moved to and fro. An exchange may claim to be of any time, and the calendar ends somewhere."""

from datetime import date, datetime, timedelta
from typing import TypeVar

D = TypeVar("D", date, datetime)


def moved(at: D, by: timedelta) -> D:
    """`at + by`, or the end of the calendar that lies there."""
    try:
        return at + by
    except OverflowError:
        later = by > timedelta()
        if isinstance(at, datetime):
            return (at.max if later else at.min).replace(tzinfo=at.tzinfo)
        return at.max if later else at.min
