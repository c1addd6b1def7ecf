"""A line for each open incident, incidents as marks on a time axis, and when the monitor last reported."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, Literal

import pandas as pd
import streamlit as st

from dashboard.data import config, incidents
from dashboard.data.tables import with_times
from dashboard.ui import navigation
from dashboard.ui.text import duration, escape_markdown, humanize, timestamp
from shadow.store.monitoring.incidents import Heartbeat, Incident, Severity

#: Lines at the top of a page; further incidents are folded away.
MAX_LINES: Final = 4

#: Rounds without a heartbeat after which the monitor counts as stopped.
_MISSED_ROUNDS: Final = 4

_COLOURS: Final[dict[Severity, Literal["red", "orange"]]] = {"critical": "red", "warning": "orange"}
_ICONS: Final[dict[Severity, str]] = {"critical": ":material/error:", "warning": ":material/warning:"}


def show(task: str | None) -> None:
    """One line for each open incident of a task, or of all tasks with None; critical ones first."""
    found = sorted(incidents.incidents(task, open_only=True), key=lambda each: each.severity != "critical")
    for each in found[:MAX_LINES]:
        _line(each, with_task=task is None)
    if rest := found[MAX_LINES:]:
        with st.expander(f"{len(rest)} more open incidents"):
            for each in rest:
                _line(each, with_task=task is None)


def _line(incident: Incident, *, with_task: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", border=True):
        st.badge(
            escape_markdown(humanize(incident.detector)), icon=_ICONS[incident.severity],
            color=_COLOURS[incident.severity],
            help=f"Detected by the monitor at {timestamp(incident.noticed_at)}.",
        )  # fmt: skip
        about = f"**{escape_markdown(incident.task)}** · " if with_task else ""
        st.markdown(f"{about}{escape_markdown(incident.summary)}", width="content")
        st.caption(f"since {timestamp(incident.opened_at)}", width="content")
        if with_task:
            navigation.link("Regret", "View regret", task=incident.task)


def monitor_status(now: datetime) -> str:
    """When the monitor last reported, in words."""
    return describe_heartbeat(incidents.heartbeat(), now, every=timedelta(seconds=config.settings().monitor.every_s))


def describe_heartbeat(last: Heartbeat | None, now: datetime, *, every: timedelta) -> str:
    """The age of the last heartbeat, and what to do where it is missing or old. `every` is the time between rounds."""
    if last is None:
        return "no monitor is running: start `shadow monitor`"
    age = now - last.at
    if age > _MISSED_ROUNDS * every:
        return f"the monitor has not reported for {duration(age)}: start `shadow monitor`"
    return f"monitor last ran {duration(age)} ago"


def marks(found: Iterable[Incident], *, since: datetime, until: datetime) -> pd.DataFrame:
    """Incidents that overlap [since, until), cut to it: `at, until, when, severity, label, summary, closed`."""
    shown = [
        each
        for each in sorted(found, key=lambda each: each.opened_at)
        if each.opened_at < until and (each.closed_at is None or each.closed_at > since)
    ]
    frame = pd.DataFrame(
        {
            "severity": [each.severity for each in shown],
            "label": [humanize(each.detector) for each in shown],
            "summary": [each.summary for each in shown],
            "closed": ["still open" if each.closed_at is None else timestamp(each.closed_at) for each in shown],
        },
        dtype="object",
    )
    ends = [min(each.closed_at or until, until) for each in shown]
    frame["until"] = pd.to_datetime(pd.Series(ends, dtype="datetime64[us, UTC]"))
    return with_times(frame, [max(each.opened_at, since) for each in shown], "hour")
