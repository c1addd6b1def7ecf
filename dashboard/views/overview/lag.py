"""How far the figures lag behind the traffic, in two lines at the top of the Overview."""

from datetime import datetime, timedelta

import streamlit as st

from dashboard.data.clamp_time import add_clamped
from dashboard.ui.text import duration, whole
from shadow.store.read.ledger import Ledger

_HOUR = timedelta(hours=1)


def show(newest: datetime | None, ledger: Ledger, now: datetime) -> None:
    """The age of the newest pair, and of the oldest exchange without an outcome."""
    with st.container(horizontal=True, gap="medium"):
        st.markdown(f"**Newest pair:** {newest_pair(newest, now)}", width="content")
        st.markdown(f"**Oldest in flight:** {in_flight(ledger, now)}", width="content")


def newest_pair(hour: datetime | None, now: datetime) -> str:
    """The age of the newest pair. Rollups keep only its `hour`, so the age counts from the end of that hour."""
    if hour is None:
        return "none yet"
    if hour > now:
        return "dated in the future"
    ended = add_clamped(hour, _HOUR)
    return "from this hour" if ended > now else f"at least {duration(now - ended)} old"


def in_flight(ledger: Ledger, now: datetime) -> str:
    """The age of the oldest exchange in flight, and how many are in flight."""
    if ledger.oldest_in_flight_at is None:
        return "none"
    return f"for {duration(now - ledger.oldest_in_flight_at)} ({whole(ledger.in_flight)} in flight)"
