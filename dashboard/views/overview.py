"""Overview: each task and candidate at a glance, and where every exchange went."""

from datetime import UTC, datetime
from typing import Final

import streamlit as st

from dashboard import accounting, block, empty, filters, frames, state, watching
from dashboard.text import plain

#: Exchanges arrive all the time; the reads behind this are cached for as long.
REFRESH: Final = "10s"

ALL_TASKS: Final = "all tasks"


def show() -> None:
    known = frames.catalogue()
    with filters.row():
        only = state.choose("task", "Task", [ALL_TASKS, *(each.task for each in known)])
        window, _ = filters.times(max((each.last for each in known), default=None))
    _live(None if only == ALL_TASKS else only, window)


@st.fragment(run_every=REFRESH)
@empty.guarded
def _live(task: str | None, window: state.Window) -> None:
    now = datetime.now(UTC)
    watching.lines(task)
    found = frames.overview(task, window)
    newest = {each.task: each.last for each in frames.catalogue()}
    shown = [each for each in found if each.n]
    st.caption(f"{filters.describe(window)} · updates by itself · {watching.heartbeat(now)}")
    for evidence in shown:
        block.show(evidence, newest.get(evidence.task))
    if not shown:
        empty.nothing("No pairs in this window.", "Choose a longer one, or let it end with the newest data.")
    for name in sorted({each.task for each in found if not each.n}):
        st.caption(f"{plain(name)}: no pairs in this window")
    with st.container(border=True):
        accounting.show(frames.ledger(task), now)
