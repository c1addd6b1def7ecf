"""The row of pickers at the top of a page: which task, which candidate, which times."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, cast

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.data import config, state
from dashboard.data import reads as frames
from dashboard.data.clamp_time import moved
from dashboard.ui.text import moment, plain
from scoring.evidence.verdict import Status

#: Verdict on regret -> how it is said, and in which colour.
VERDICTS: Final[dict[Status, tuple[str, Literal["red", "green", "orange", "gray"]]]] = {
    "worse": ("worse than the limit", "red"),
    "not_worse": ("within the limit", "green"),
    "undecided": ("undecided", "orange"),
    "not_enough_data": ("not enough data", "gray"),
    "no_regret_source": ("regret unknown", "gray"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """What a page is about: a choice, and the window and what is known of the task at the moment `now`."""

    task: str
    candidate: str
    times: state.Times
    window: state.Window
    known: frames.Known
    now: datetime


def scope() -> Scope:
    """Let the reader choose a task, a candidate and a window. At least one task must be known."""
    known = {each.task: each for each in frames.catalogue()}
    with row():
        task = state.choose("task", "Task", list(known))
        candidate = state.choose("candidate", "Candidate", list(known[task].candidates))
        asked = times(known[task].last)
        mark_simulated(task, candidate)
    return _at_this_moment(task, candidate, asked)


def anew(scope: Scope) -> Scope:
    """The same choice at this moment.

    A part of a page that updates by itself is called with what the page's last whole run gave it,
    so it has to ask for itself what time it is, and how far the data has come.
    """
    return _at_this_moment(scope.task, scope.candidate, scope.times)


def _at_this_moment(task: str, candidate: str, asked: state.Times) -> Scope:
    known = {each.task: each for each in frames.catalogue()}[task]
    now = datetime.now(UTC)
    window = state.window_at(asked, now=now, newest=known.last)
    return Scope(task=task, candidate=candidate, times=asked, window=window, known=known, now=now)


def row() -> DeltaGenerator:
    """Pickers side by side, in as many lines as the screen needs."""
    return st.container(horizontal=True, vertical_alignment="bottom", gap="medium")


def times(newest: datetime | None) -> state.Times:
    """Let the reader choose a window. `newest` is where the days start that are suggested."""
    label = state.switch("window", "Window (UTC)", [*state.WINDOWS, state.DATES], default=1)
    if label == state.DATES:
        last = (newest or datetime.now(UTC)).date()
        first = moved(last, -timedelta(days=6))
        return state.Times(label=label, days=state.days("from", "to", first=first, last=last))
    end = state.switch(
        "until",
        "ending",
        state.ENDS,
        help="With *newest data* the window ends with the last hour that has data: "
        "what you want for recorded exchanges, or when traffic has stopped.",
    )
    return state.Times(label=label, end=cast("state.End", end))


def describe(window: state.Window) -> str:
    """The window's bounds in words, UTC."""
    since = "the beginning" if window.since is None else moment(window.since)
    return f"{since} until {'now' if window.until is None else moment(window.until)}"


def mark_simulated(task: str, candidate: str) -> None:
    """Say so where one of the two models is a simulation."""
    names = [name for name in (config.frontier_of(task), candidate) if name and config.is_simulated(name)]
    if names:
        st.badge(
            "simulated",
            icon=":material/science:",
            color="violet",
            help="These numbers come from simulated models, not from real ones: "
            + ", ".join(plain(name) for name in names),
        )
