"""Time windows: what a reader can choose, the bounds that follow, and the windows to compare with."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import ceil
from typing import Final, Literal

from dashboard.data.clamp_time import add_clamped

#: The label of the window without a start.
ALL_TIME: Final = "all"

#: The label of a window between two days that the reader chooses.
DATES: Final = "dates"

#: What the window picker offers beside `DATES`: label -> length (None = no start).
WINDOWS: Final[dict[str, timedelta | None]] = {
    "24 h": timedelta(hours=24),
    "7 d": timedelta(days=7),
    "28 d": timedelta(days=28),
    ALL_TIME: None,
}

#: What a window can be compared with.
BEFORE: Final = "the window before"
SAME_DAYS: Final = "same weekdays before"
ALL_BEFORE: Final = "everything before"
REFERENCES: Final = (BEFORE, SAME_DAYS, ALL_BEFORE, DATES)

#: The days that may be chosen. An address can name any day, and computations need room on both sides.
FIRST_DAY: Final = date(1970, 1, 1)
LAST_DAY: Final = date(2999, 12, 31)

End = Literal["now", "newest data"]
ENDS: Final[tuple[End, ...]] = ("now", "newest data")

_WEEK: Final = timedelta(days=7)


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """The time range [since, until), UTC. None means no bound on that side."""

    label: str
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowChoice:
    """What the reader chose: a length that ends now or with the newest data, or two `days`.

    The bounds depend on the moment: a page that stays open calls `resolve` again.
    """

    label: str
    end: End = "now"
    days: tuple[date, date] | None = None


def resolve(choice: WindowChoice, *, now: datetime, newest: datetime | None) -> Window:
    """The window that `choice` means at the moment `now`. `newest` is the hour of the newest exchange."""
    if choice.days is not None:
        return window_of_days(*choice.days)
    return window_of_length(choice.label, choice.end, now=now, newest=newest)


def window_of_days(first: date, last: date) -> Window:
    """Both days and the days between."""
    return Window(label=DATES, since=_midnight(first), until=_midnight(last) + timedelta(days=1))


def window_of_length(label: str, end: End, *, now: datetime, newest: datetime | None) -> Window:
    """The window called `label` that ends now or with the hour of the newest data.

    Rollups are by the hour, so the start is rounded down to a whole hour.
    """
    last = now if end == "now" or newest is None else add_clamped(newest, timedelta(hours=1))
    length = WINDOWS[label]
    since = None if length is None else _hour(add_clamped(last, -length))
    return Window(label=label, since=since, until=None if end == "now" else last)


def reference_window(current: Window, choice: str, *, first: datetime | None, now: datetime) -> Window:
    """The window that `current` is compared with; `choice` is one of `REFERENCES` but `DATES`.

    `first` is the hour of the task's first exchange.
    """
    ends = current.since or first
    if ends is None:
        return Window(label=choice, since=None, until=None)
    # A window that ends now includes the current, incomplete hour; the reference has the same length in whole hours.
    length = (current.until or _hour(now)) - ends
    if choice == SAME_DAYS:
        # The smallest number of whole weeks that keeps the two windows apart.
        earlier = max(1, ceil(length / _WEEK)) * _WEEK
        starts = add_clamped(ends, -earlier)
        return Window(label=choice, since=starts, until=add_clamped(starts, length))
    since = None if choice == ALL_BEFORE else add_clamped(ends, -length)
    return Window(label=choice, since=since, until=ends)


def overlap(a: Window, b: Window) -> bool:
    """Whether the two windows share any time."""
    starts = [each.since for each in (a, b) if each.since is not None]
    ends = [each.until for each in (a, b) if each.until is not None]
    return not starts or not ends or max(starts) < min(ends)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
