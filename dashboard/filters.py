"""The row of pickers at the top of a page: which task, which candidate, which times."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import configured, frames, state
from dashboard.text import moment, plain
from scoring.verdict import Status

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
    """What a page is about."""

    task: str
    candidate: str
    window: state.Window
    known: frames.Known
    now: datetime


def scope() -> Scope:
    """Let the reader choose a task, a candidate and a window. At least one task must be known."""
    known = {each.task: each for each in frames.catalogue()}
    with row():
        task = state.choose("task", "Task", list(known))
        candidate = state.choose("candidate", "Candidate", list(known[task].candidates))
        window, now = times(known[task].last)
        mark_simulated(task, candidate)
    return Scope(task=task, candidate=candidate, window=window, known=known[task], now=now)


def row() -> DeltaGenerator:
    """Pickers side by side, in as many lines as the screen needs."""
    return st.container(horizontal=True, vertical_alignment="bottom", gap="medium")


def times(newest: datetime | None) -> tuple[state.Window, datetime]:
    """Let the reader choose a window; returns it, and the time it is now."""
    now = datetime.now(UTC)
    label = state.switch("window", "Window (UTC)", [*state.WINDOWS, state.DATES], default=1)
    if label == state.DATES:
        last = (newest or now).date()
        return state.window_of_days(*state.days("from", "to", first=last - timedelta(days=6), last=last)), now
    end = state.switch(
        "until",
        "ending",
        state.ENDS,
        help="With *newest data* the window ends with the last hour that has data: "
        "what you want for recorded exchanges, or when traffic has stopped.",
    )
    return state.window(label, end, now=now, newest=newest), now


def describe(window: state.Window) -> str:
    """The window's bounds in words, UTC."""
    since = "the beginning" if window.since is None else moment(window.since)
    return f"{since} until {'now' if window.until is None else moment(window.until)}"


def mark_simulated(task: str, candidate: str) -> None:
    """Say so where one of the two models is a simulation."""
    names = [name for name in (configured.frontier_of(task), candidate) if name and configured.is_simulated(name)]
    if names:
        st.badge(
            "simulated",
            icon=":material/science:",
            color="violet",
            help="These numbers come from simulated models, not from real ones: "
            + ", ".join(plain(name) for name in names),
        )
