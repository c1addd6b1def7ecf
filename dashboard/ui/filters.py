"""The row of pickers at the top of a page: task, candidate and time window."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, cast

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.data import catalogue, config, windows
from dashboard.data.clamp_time import add_clamped
from dashboard.data.windows import Window, WindowChoice
from dashboard.ui import selection
from dashboard.ui.text import escape_markdown, timestamp
from scoring.evidence.verdict import Status
from shadow.store.read.catalogue import TaskEntry

#: Verdict on regret -> its badge: text and colour.
VERDICTS: Final[dict[Status, tuple[str, Literal["red", "green", "orange", "gray"]]]] = {
    "worse": ("worse than the limit", "red"),
    "not_worse": ("within the limit", "green"),
    "undecided": ("undecided", "orange"),
    "not_enough_data": ("not enough data", "gray"),
    "no_regret_source": ("regret unknown", "gray"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """What a page shows: the reader's choice, and the window that it means at the moment `now`."""

    task: str
    candidate: str
    choice: WindowChoice
    window: Window
    entry: TaskEntry
    now: datetime


def scope() -> Scope:
    """Let the reader choose a task, a candidate and a window. The catalogue must hold a task."""
    entries = {entry.task: entry for entry in catalogue.tasks()}
    with row():
        task = selection.choose("task", "Task", list(entries))
        candidate = selection.choose("candidate", "Candidate", list(entries[task].candidates))
        choice = choose_window(entries[task].last_hour)
        simulated_badge(task, candidate)
    return _resolved(task, candidate, choice)


def refreshed(scope: Scope) -> Scope:
    """The same choice at this moment.

    Streamlit calls a part of a page that updates by itself with the arguments of the last run of
    the whole page, so the part has to look up the time and the newest data itself.
    """
    return _resolved(scope.task, scope.candidate, scope.choice)


def _resolved(task: str, candidate: str, choice: WindowChoice) -> Scope:
    entry = {each.task: each for each in catalogue.tasks()}[task]
    now = datetime.now(UTC)
    window = windows.resolve(choice, now=now, newest=entry.last_hour)
    return Scope(task=task, candidate=candidate, choice=choice, window=window, entry=entry, now=now)


def row() -> DeltaGenerator:
    """Pickers side by side, in as many lines as the screen needs."""
    return st.container(horizontal=True, vertical_alignment="bottom", gap="medium")


def choose_window(newest: datetime | None) -> WindowChoice:
    """Let the reader choose a window. The suggested days end with the day of `newest`."""
    label = selection.switch("window", "Window (UTC)", [*windows.WINDOWS, windows.DATES], default=1)
    if label == windows.DATES:
        last = (newest or datetime.now(UTC)).date()
        first = add_clamped(last, -timedelta(days=6))
        return WindowChoice(label=label, days=selection.days("from", "to", first=first, last=last))
    end = selection.switch(
        "until",
        "Ending",
        windows.ENDS,
        help="With *newest data* the window ends with the last hour that has data: "
        "choose it for recorded exchanges, or when traffic has stopped.",
    )
    return WindowChoice(label=label, end=cast("windows.End", end))


def describe(window: Window) -> str:
    """The window's bounds in words, UTC."""
    since = "the first exchange" if window.since is None else timestamp(window.since)
    return f"{since} until {'now' if window.until is None else timestamp(window.until)}"


def simulated_badge(task: str, candidate: str) -> None:
    """A badge where one of the two models is simulated."""
    names = [name for name in (config.frontier_of(task), candidate) if name and config.is_simulated(name)]
    if names:
        st.badge(
            "simulated",
            icon=":material/science:",
            color="violet",
            help="These numbers come from simulated models, not from real ones: "
            + ", ".join(escape_markdown(name) for name in names),
        )
