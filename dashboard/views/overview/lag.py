"""How far the numbers lag behind the traffic, for somebody on duty to read at a glance."""

from datetime import datetime, timedelta

import streamlit as st

from dashboard.data.clamp_time import moved
from dashboard.ui.text import duration, whole
from shadow.store.read.ledger import Ledger

_HOUR = timedelta(hours=1)


def show(newest: datetime | None, ledger: Ledger, now: datetime) -> None:
    """Two lines: the newest pair, and what still waits for an outcome."""
    with st.container(horizontal=True, gap="medium"):
        st.markdown(f"**Newest pair:** {newest_pair(newest, now)}", width="content")
        st.markdown(f"**Oldest in flight:** {in_flight(ledger, now)}", width="content")


def newest_pair(hour: datetime | None, now: datetime) -> str:
    """How old the newest compared exchange is, as far as rollups know: they know its hour."""
    if hour is None:
        return "none yet"
    if hour > now:
        return "claims to be from the future"
    ended = moved(hour, _HOUR)
    return "from this hour" if ended > now else f"{duration(now - ended)} old, or a little more"


def in_flight(ledger: Ledger, now: datetime) -> str:
    """How long the exchange has waited that waits longest."""
    if ledger.oldest_in_flight_at is None:
        return "nothing waits"
    return f"waits for {duration(now - ledger.oldest_in_flight_at)} ({whole(ledger.in_flight)} in flight)"
