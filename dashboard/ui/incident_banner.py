"""What `shadow monitor` has raised: a line for each open incident, marks on a time axis, and its last sign of life."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, Literal

import pandas as pd
import streamlit as st

from dashboard.data import config
from dashboard.data.cache import cached, snapshot
from dashboard.data.measures import with_times
from dashboard.ui import navigation
from dashboard.ui.text import duration, moment, plain, words
from shadow.store.monitoring import incidents as stored
from shadow.store.monitoring.incidents import Heartbeat, Incident, Severity

SERVICE: Final = "monitor"

#: Lines that stand at the top of a page; more are folded away.
MOST_LINES: Final = 4

#: Rounds without a sign of life after which the monitor is taken to have stopped.
_MISSED: Final = 4

_COLOURS: Final[dict[Severity, Literal["red", "orange"]]] = {"critical": "red", "warning": "orange"}
_ICONS: Final[dict[Severity, str]] = {"critical": ":material/error:", "warning": ":material/warning:"}


@cached
def incidents(task: str | None, *, open_only: bool = False) -> list[Incident]:
    """Incidents of a task, or of all; the newest first."""
    with snapshot() as connection:
        return stored.read(connection, task, open_only=open_only)


@cached
def _heartbeat() -> Heartbeat | None:
    with snapshot() as connection:
        return stored.heartbeats(connection).get(SERVICE)


def lines(task: str | None) -> None:
    """One line for each open incident, the gravest first; nothing where there is none."""
    found = sorted(incidents(task, open_only=True), key=lambda each: each.severity != "critical")
    for each in found[:MOST_LINES]:
        _line(each, with_task=task is None)
    if rest := found[MOST_LINES:]:
        with st.expander(f"{len(rest)} more open incidents"):
            for each in rest:
                _line(each, with_task=task is None)


def _line(incident: Incident, *, with_task: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", border=True):
        st.badge(
            plain(words(incident.detector)), icon=_ICONS[incident.severity], color=_COLOURS[incident.severity],
            help=f"Noticed by the monitor at {moment(incident.noticed_at)}.",
        )  # fmt: skip
        about = f"**{plain(incident.task)}** · " if with_task else ""
        st.markdown(f"{about}{plain(incident.summary)}", width="content")
        st.caption(f"since {moment(incident.opened_at)}", width="content")
        if with_task:
            navigation.link("Regret", "Look", task=incident.task)


def heartbeat(now: datetime) -> str:
    """When the monitor last looked, in words."""
    return alive(_heartbeat(), now, every=timedelta(seconds=config.settings().monitor.every_s))


def alive(last: Heartbeat | None, now: datetime, *, every: timedelta) -> str:
    """The last sign of life in words; silence is said to be silence."""
    if last is None:
        return "no monitor is running: start `shadow monitor`"
    silence = now - last.at
    if silence > _MISSED * every:
        return f"the monitor has been silent for {duration(silence)}: start `shadow monitor`"
    return f"monitor last looked {duration(silence)} ago"


def marks(found: Iterable[Incident], *, since: datetime, until: datetime) -> pd.DataFrame:
    """Incidents that touch [since, until), cut to it: `at, until, when, severity, label, summary, closed`."""
    shown = [
        each
        for each in sorted(found, key=lambda each: each.opened_at)
        if each.opened_at < until and (each.closed_at is None or each.closed_at > since)
    ]
    frame = pd.DataFrame(
        {
            "severity": [each.severity for each in shown],
            "label": [words(each.detector) for each in shown],
            "summary": [each.summary for each in shown],
            "closed": ["still open" if each.closed_at is None else moment(each.closed_at) for each in shown],
        },
        dtype="object",
    )
    ends = [min(each.closed_at or until, until) for each in shown]
    frame["until"] = pd.to_datetime(pd.Series(ends, dtype="datetime64[us, UTC]"))
    return with_times(frame, [max(each.opened_at, since) for each in shown], "hour")
