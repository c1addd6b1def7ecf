"""Widgets whose values are kept in the page's address: a link opens the page as its sender saw it.

Every widget below is bound to a query parameter of the same name: Streamlit reads the value from
the address, and ignores one that is no longer an option. The values are carried from page to page.
"""

from collections.abc import Sequence
from datetime import date
from typing import Final

import streamlit as st

from dashboard.data.windows import FIRST_DAY, LAST_DAY

#: The option of a picker that restricts nothing.
ANY: Final = "all"

#: Pixels of a picker: wide enough for long names, and four of them fit beside each other on a small screen.
WIDTH: Final = 190

#: Start of the session keys under which the value of each widget is kept from page to page.
_CARRIED: Final = "carried "


def choose(key: str, label: str, options: Sequence[str], *, help: str | None = None, default: int = 0) -> str:  # noqa: A002 - Streamlit's own word
    """A drop-down bound to the query parameter `key`. `options` must not be empty."""
    _restore(key, options, options[default])
    chosen = st.selectbox(label, options, index=default, key=key, help=help, bind="query-params", width=WIDTH)
    return _carry(key, options[default] if chosen is None else str(chosen))


def switch(key: str, label: str, options: Sequence[str], *, help: str | None = None, default: int = 0) -> str:  # noqa: A002 - Streamlit's own word
    """One choice of a few, all visible, bound to the query parameter `key`."""
    _restore(key, options, options[default])
    chosen = st.segmented_control(
        label, options, default=options[default], key=key, help=help, bind="query-params", required=True
    )
    return _carry(key, options[default] if chosen is None else str(chosen))


def _restore(key: str, options: Sequence[str], default: str) -> None:
    """Set the widget to its value on the previous page, where that is an option here.

    Streamlit does so itself for a value that the reader chose by hand, but drops one that came
    with the address when the reader goes to another page.
    """
    carried = st.session_state.get(_CARRIED + key)
    if key in st.query_params or carried == default or carried not in options:
        return
    # A reader who went back to the default has left another value in the session.
    if st.session_state.get(key, carried) != carried:
        return
    # A widget that is on this page already owns its parameter, and Streamlit lets no other code set it.
    if key not in st.session_state:
        st.query_params[key] = carried
    st.session_state[key] = carried


def preselect(key: str, value: str) -> None:
    """Let the widget `key` start with `value`, if that is one of its options. Call it before the widget."""
    st.session_state[_CARRIED + key] = value
    st.session_state.pop(key, None)


def _carry(key: str, value: str) -> str:
    st.session_state[_CARRIED + key] = value
    return value


def text(key: str, label: str, *, help: str | None = None) -> str:  # noqa: A002 - Streamlit's own word
    """A line of text bound to the query parameter `key`."""
    return st.text_input(label, key=key, help=help, bind="query-params", width=WIDTH) or ""


def toggle(key: str, label: str, *, help: str | None = None) -> bool:  # noqa: A002 - Streamlit's own word
    """A switch that is off at first, bound to the query parameter `key`."""
    return st.toggle(label, key=key, help=help, bind="query-params")


def share(key: str, label: str, default: float) -> float:
    """A share from 0 to 1, bound to the query parameter `key`. Where `default` changes, the slider goes back to it.

    Streamlit keeps the value of a widget as long as its key is the same, and so would carry the
    share of one task over to the next.
    """
    previous = "default of " + key
    if st.session_state.get(previous, default) != default:
        st.session_state[key] = default
    st.session_state[previous] = default
    return st.slider(label, 0.0, 1.0, default, 0.05, key=key, bind="query-params", width=WIDTH)


def days(first_key: str, last_key: str, *, first: date, last: date) -> tuple[date, date]:
    """Two days (UTC), in order, kept in the query parameters of those names; at first `first` and `last`."""
    chosen = _day(first_key, "First day (UTC)", first), _day(last_key, "Last day", last)
    return min(chosen), max(chosen)


def _day(key: str, label: str, suggested: date) -> date:
    """A day that is written to the address even where it is the suggested one: tomorrow's suggestion differs.

    A bound widget leaves its default out of the address, so this one reads and writes the parameter itself.
    """
    known = _parsed(st.query_params.get(key) or st.session_state.get(_CARRIED + key))
    start = min(max(known or suggested, FIRST_DAY), LAST_DAY)
    found = st.date_input(
        label, start, min_value=FIRST_DAY, max_value=LAST_DAY, key=f"picked {key}", format="YYYY-MM-DD", width=WIDTH
    )
    day = found if isinstance(found, date) else start
    # On every run: the browser drops the parameter on the way from page to page, without an event.
    st.query_params[key] = _carry(key, day.isoformat())
    return day


def _parsed(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        return None
