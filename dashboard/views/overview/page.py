"""The Overview: every task and candidate at a glance, and the ledger."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import streamlit as st

from dashboard.data import catalogue, windows
from dashboard.data.windows import WindowChoice
from dashboard.ui import empty_states, filters, incident_banner, selection
from dashboard.ui.text import escape_markdown
from dashboard.views.overview import lag, ledger, reads, task_card
from shadow.store.read.catalogue import TaskEntry

#: Exchanges arrive all the time; the page's reads are cached for about as long.
REFRESH: Final = "10s"

ALL_TASKS: Final = "all tasks"


def show() -> None:
    entries = catalogue.tasks()
    with filters.row():
        task = selection.choose("task", "Task", [ALL_TASKS, *(entry.task for entry in entries)])
        choice = filters.choose_window(_newest(entries))
    _cards(None if task == ALL_TASKS else task, choice)


@st.fragment(run_every=REFRESH)
@empty_states.show_errors
def _cards(task: str | None, choice: WindowChoice) -> None:
    now, entries = datetime.now(UTC), catalogue.tasks()
    window = windows.resolve(choice, now=now, newest=_newest(entries))
    incident_banner.show(task)
    counted = reads.ledger(task)
    lag.show(_newest([entry for entry in entries if task in (None, entry.task)]), counted, now)
    found = reads.evidence(task, window)
    newest = {entry.task: entry.last_hour for entry in entries}
    shown = [each for each in found if each.n]
    st.caption(f"{filters.describe(window)} · updates automatically · {incident_banner.monitor_status(now)}")
    for evidence in shown:
        task_card.show(evidence, newest.get(evidence.task))
    if not shown:
        empty_states.no_data("No pairs in this window.", "Choose a longer one, or let it end with the newest data.")
    for name in sorted({each.task for each in found if not each.n}):
        st.caption(f"{escape_markdown(name)}: no pairs in this window")
    with st.container(border=True):
        ledger.show(counted)


def _newest(entries: Sequence[TaskEntry]) -> datetime | None:
    return max((entry.last_hour for entry in entries), default=None)
