"""Selections, kept in the page's address: a link shows its reader what its sender saw.

Every widget below is bound to a query parameter of the same name, so Streamlit reads it from
the address and ignores values that are no longer on offer. They go along from page to page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import ceil
from typing import Final, Literal, get_args

import streamlit as st

from dashboard.data.clamp_time import moved
from shadow.aggregates.tally import ALL
from shadow.records import Failure

EVERY: Final = "all"

#: A window between two days of the reader's choice.
DATES: Final = "dates"

#: What the window picker offers beside `DATES`: label -> length (None = everything).
WINDOWS: Final[dict[str, timedelta | None]] = {
    "24 h": timedelta(hours=24),
    "7 d": timedelta(days=7),
    "28 d": timedelta(days=28),
    EVERY: None,
}

#: Kinds of failure to look for.
FAILURES: Final[tuple[str, ...]] = get_args(Failure)

#: Pixels of a picker: long names still show, and four stand in a row on a small screen.
WIDTH: Final = 190

#: What a window can be compared with.
BEFORE: Final = "the window before"
SAME_DAYS: Final = "same weekdays before"
ALL_BEFORE: Final = "everything before"
REFERENCES: Final = (BEFORE, SAME_DAYS, ALL_BEFORE, DATES)

#: Start of the keys under which the session remembers what was chosen.
_BEFORE: Final = "before "

_WEEK: Final = timedelta(days=7)

#: The days that may be asked for. An address can name any, and there must be room around them to reckon in.
FIRST_DAY: Final = date(1970, 1, 1)
LAST_DAY: Final = date(2999, 12, 31)

End = Literal["now", "newest data"]
ENDS: Final[tuple[End, ...]] = ("now", "newest data")


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """The times looked at: [since, until), UTC. None means no bound on that side."""

    label: str
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Times:
    """What a reader asked for: a length that ends now or with the newest data, or two `days`.

    Which window that is depends on the moment: a page that stays open asks `window_at` again.
    """

    label: str
    end: End = "now"
    days: tuple[date, date] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """What a chart over time is about: one segment of a candidate's traffic, or all of it."""

    task: str
    candidate: str
    window: Window
    dimension: str = ALL[0]
    value: str = ALL[1]


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Which pairs a reader looks for."""

    task: str
    candidate: str
    window: Window
    max_agreement: float | None = None
    failure: str | None = None
    unscored: str | None = None
    segment: tuple[str, str] | None = None
    text: str | None = None
    limit: int = 50


def choose(key: str, label: str, options: Sequence[str], *, help: str | None = None, default: int = 0) -> str:  # noqa: A002 - Streamlit's own word
    """A drop-down bound to the query parameter `key`. `options` must not be empty."""
    _bring_along(key, options, options[default])
    chosen = st.selectbox(label, options, index=default, key=key, help=help, bind="query-params", width=WIDTH)
    return _remembered(key, options[default] if chosen is None else str(chosen))


def switch(key: str, label: str, options: Sequence[str], *, help: str | None = None, default: int = 0) -> str:  # noqa: A002 - Streamlit's own word
    """One choice of a few, all visible, bound to the query parameter `key`."""
    _bring_along(key, options, options[default])
    chosen = st.segmented_control(
        label, options, default=options[default], key=key, help=help, bind="query-params", required=True
    )
    return _remembered(key, options[default] if chosen is None else str(chosen))


def _bring_along(key: str, options: Sequence[str], default: str) -> None:
    """Choose what was chosen on the page before, where that is on offer here.

    Streamlit does so by itself for what somebody chose by hand, but what came with the address is
    taken out of it on the way to another page.
    """
    before = st.session_state.get(_BEFORE + key)
    if key in st.query_params or before == default or before not in options:
        return
    # A reader who went back to the default has left another value there.
    if st.session_state.get(key, before) != before:
        return
    # A widget that is on this page already keeps its parameter by itself, and refuses it from others.
    if key not in st.session_state:
        st.query_params[key] = before
    st.session_state[key] = before


def preselect(key: str, chosen: str) -> None:
    """Let the widget `key` start with `chosen`, if that is on offer. Call it before the widget."""
    st.session_state[_BEFORE + key] = chosen
    st.session_state.pop(key, None)


def _remembered(key: str, chosen: str) -> str:
    st.session_state[_BEFORE + key] = chosen
    return chosen


def write(key: str, label: str, *, help: str | None = None) -> str:  # noqa: A002 - Streamlit's own word
    """A line of text bound to the query parameter `key`."""
    return st.text_input(label, key=key, help=help, bind="query-params", width=WIDTH) or ""


def toggle(key: str, label: str, *, help: str | None = None) -> bool:  # noqa: A002 - Streamlit's own word
    """Something that is off until it is asked for, bound to the query parameter `key`."""
    return st.toggle(label, key=key, help=help, bind="query-params")


def share(key: str, label: str, default: float) -> float:
    """A share from 0 to 1, bound to the query parameter `key`; where `default` is another one, it starts there anew.

    Streamlit keeps what a widget showed for as long as its key is the same, and so would carry the
    share of one task over to the next.
    """
    started = "default of " + key
    if st.session_state.get(started, default) != default:
        st.session_state[key] = default
    st.session_state[started] = default
    return st.slider(label, 0.0, 1.0, default, 0.05, key=key, bind="query-params", width=WIDTH)


def days(first_key: str, last_key: str, *, first: date, last: date) -> tuple[date, date]:
    """Two days (UTC), in order, kept in the query parameters of those names; at first `first` and `last`."""
    chosen = _day(first_key, "First day (UTC)", first), _day(last_key, "Last day", last)
    return min(chosen), max(chosen)


def _day(key: str, label: str, suggested: date) -> date:
    """A day that stands in the address even where it is the suggested one: tomorrow that will be another.

    A bound widget would leave its default out, so this one is read and written by hand.
    """
    known = _parsed(st.query_params.get(key) or st.session_state.get(_BEFORE + key))
    start = min(max(known or suggested, FIRST_DAY), LAST_DAY)
    found = st.date_input(
        label, start, min_value=FIRST_DAY, max_value=LAST_DAY, key=f"picked {key}", format="YYYY-MM-DD", width=WIDTH
    )
    day = found if isinstance(found, date) else start
    # Always: on the way from page to page the browser drops it from the address, and does not tell us.
    st.query_params[key] = _remembered(key, day.isoformat())
    return day


def _parsed(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        return None


def window_of_days(first: date, last: date) -> Window:
    """Both days and those between."""
    return Window(label=DATES, since=_midnight(first), until=_midnight(last) + timedelta(days=1))


def window_at(times: Times, *, now: datetime, newest: datetime | None) -> Window:
    """The window that `times` are at this moment."""
    if times.days is not None:
        return window_of_days(*times.days)
    return window(times.label, times.end, now=now, newest=newest)


def window(label: str, end: str, *, now: datetime, newest: datetime | None) -> Window:
    """The window called `label` that ends now or with the hour of the newest data.

    Rollups are by the hour, so the start is rounded down to a whole hour.
    """
    last = now if end == "now" or newest is None else moved(newest, timedelta(hours=1))
    length = WINDOWS[label]
    since = None if length is None else _hour(moved(last, -length))
    return Window(label=label, since=since, until=None if end == "now" else last)


def reference(current: Window, choice: str, *, first: datetime | None, now: datetime) -> Window:
    """The window that `current` is compared with: just before it, whole weeks before it, or everything before it."""
    ends = current.since or first
    if ends is None:
        return Window(label=choice, since=None, until=None)
    # A window that ends now has begun its last hour; the reference is as long in whole hours.
    length = (current.until or _hour(now)) - ends
    if choice == SAME_DAYS:
        # As few weeks as keep the two apart.
        earlier = max(1, ceil(length / _WEEK)) * _WEEK
        starts = moved(ends, -earlier)
        return Window(label=choice, since=starts, until=moved(starts, length))
    since = None if choice == ALL_BEFORE else moved(ends, -length)
    return Window(label=choice, since=since, until=ends)


def overlap(a: Window, b: Window) -> bool:
    """Whether some hour is in both."""
    starts = [each.since for each in (a, b) if each.since is not None]
    ends = [each.until for each in (a, b) if each.until is not None]
    return not starts or not ends or max(starts) < min(ends)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
