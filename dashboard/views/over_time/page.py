"""Over time: hours and days at which the candidate is worse, failures, volume."""

import streamlit as st

from dashboard.data import reads as frames
from dashboard.data import state
from dashboard.data.measures import Step
from dashboard.data.state import Subject
from dashboard.ui import charts, empty, filters, help_texts
from dashboard.ui.filters import Scope
from shadow.aggregates.tally import ALL
from shadow.records import Role

REFRESH = "30s"


def show() -> None:
    scope = filters.scope()
    dimensions = frames.dimensions(scope.task, scope.candidate, scope.window)
    segment = ALL
    with filters.row():
        dimension = state.choose("dimension", "Segment", [state.EVERY, *dimensions], help="Look at one segment only.")
        if dimension != state.EVERY:
            values = frames.values(scope.task, scope.candidate, scope.window, dimension)
            segment = dimension, state.choose("value", "is", values)
        failed: Role = (
            "frontier"
            if state.switch("failed", "Failures of", ("candidate", "frontier")) == "frontier"
            else "candidate"
        )
        step: Step = "day" if state.switch("step", "One point per", ("day", "hour")) == "day" else "hour"
    _live(scope, segment, step, failed)


@st.fragment(run_every=REFRESH)
@empty.guarded
def _live(chosen: Scope, segment: tuple[str, str], step: Step, failed: Role) -> None:
    scope = filters.anew(chosen)
    dimension, value = segment
    subject = Subject(task=scope.task, candidate=scope.candidate, window=scope.window, dimension=dimension, value=value)
    trend = frames.trend(subject, step)
    if trend.empty:
        empty.nothing("No scored pairs in this window.")
        return
    with st.container(border=True):
        help_texts.heading("Agreement", "trend", "agreement")
        st.vega_lite_chart(charts.trend(trend, title="Agreement"))
    with st.container(border=True):
        help_texts.heading("Hour and weekday", "week")
        st.vega_lite_chart(charts.week(frames.week(subject)))
    left, right = st.columns(2)
    with left, st.container(border=True):
        help_texts.heading(f"Failed replies of the {failed}", "counts")
        found = frames.failures(subject, failed, step)
        if found.empty:
            st.caption("No reply failed in this window.")
        else:
            st.vega_lite_chart(charts.stacked(found, title="Failed replies", step=step))
    with right, st.container(border=True):
        help_texts.heading("Pairs", "counts", "unscored")
        st.vega_lite_chart(charts.stacked(frames.volume(subject, step), title="Pairs", step=step))
