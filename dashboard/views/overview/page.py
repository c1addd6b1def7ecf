"""Overview: each task and candidate at a glance, and where every exchange went."""

from datetime import UTC, datetime
from typing import Final

import streamlit as st

from dashboard.data import reads as frames
from dashboard.data import state
from dashboard.data.reads import Known
from dashboard.ui import empty, filters, incident_banner
from dashboard.ui.text import plain
from dashboard.views.overview import accounting, lag, task_card

#: Exchanges arrive all the time; the reads behind this are cached for as long.
REFRESH: Final = "10s"

ALL_TASKS: Final = "all tasks"


def show() -> None:
    known = frames.catalogue()
    with filters.row():
        only = state.choose("task", "Task", [ALL_TASKS, *(each.task for each in known)])
        times = filters.times(_newest(known))
    _live(None if only == ALL_TASKS else only, times)


@st.fragment(run_every=REFRESH)
@empty.guarded
def _live(task: str | None, times: state.Times) -> None:
    now, known = datetime.now(UTC), frames.catalogue()
    window = state.window_at(times, now=now, newest=_newest(known))
    incident_banner.lines(task)
    ledger = frames.ledger(task)
    lag.show(_newest([each for each in known if task in (None, each.task)]), ledger, now)
    found = frames.overview(task, window)
    newest = {each.task: each.last for each in known}
    shown = [each for each in found if each.n]
    st.caption(f"{filters.describe(window)} · updates by itself · {incident_banner.heartbeat(now)}")
    for evidence in shown:
        task_card.show(evidence, newest.get(evidence.task))
    if not shown:
        empty.nothing("No pairs in this window.", "Choose a longer one, or let it end with the newest data.")
    for name in sorted({each.task for each in found if not each.n}):
        st.caption(f"{plain(name)}: no pairs in this window")
    with st.container(border=True):
        accounting.show(ledger)


def _newest(known: list[Known]) -> datetime | None:
    return max((each.last for each in known), default=None)
