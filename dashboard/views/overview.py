"""Overview: each task and candidate at a glance, and where every exchange went."""

from datetime import UTC, datetime

import streamlit as st

from dashboard import accounting, block, empty, filters, frames, state
from dashboard.text import plain

#: Exchanges arrive all the time; the reads behind this are cached for as long.
REFRESH: str = "10s"


def show() -> None:
    known = frames.catalogue()
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    with left:
        only = state.choose("only", "Task", [state.EVERY, *(each.task for each in known)])
    with right:
        window, _ = filters.times(max((each.last for each in known), default=None))
    _live(None if only == state.EVERY else only, window)


@st.fragment(run_every=REFRESH)
def _live(task: str | None, window: state.Window) -> None:
    now = datetime.now(UTC)
    with st.container(border=True):
        accounting.show(frames.ledger(task), now)
    found = frames.overview(task, window)
    newest = {each.task: each.last for each in frames.catalogue()}
    shown = [each for each in found if each.n]
    st.caption(f"{filters.describe(window)} · updates by itself")
    for evidence in shown:
        block.show(evidence, newest.get(evidence.task), now)
    if not shown:
        empty.nothing("No pairs in this window.", "Choose a longer one, or let it end with the newest data.")
    for name in sorted({each.task for each in found if not each.n}):
        st.caption(f"{plain(name)}: no pairs in this window")
