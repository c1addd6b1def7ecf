"""Over time: hours and days at which the candidate is worse, failures, volume."""

from dataclasses import replace

import streamlit as st

from dashboard import charts, empty, filters, frames, state
from dashboard.measures import Step
from dashboard.state import Subject
from shadow.records import Role

REFRESH = "30s"


def show() -> None:
    scope = filters.scope()
    dimensions = frames.dimensions(scope.task, scope.candidate, scope.window)
    subject = Subject(task=scope.task, candidate=scope.candidate, window=scope.window)
    with filters.row():
        dimension = state.choose("dimension", "Segment", [state.EVERY, *dimensions], help="Look at one segment only.")
        if dimension != state.EVERY:
            values = frames.values(scope.task, scope.candidate, scope.window, dimension)
            subject = replace(subject, dimension=dimension, value=state.choose("value", "is", values))
        failed: Role = (
            "frontier"
            if state.switch("failed", "Failures of", ("candidate", "frontier")) == "frontier"
            else "candidate"
        )
        step: Step = "day" if state.switch("step", "One point per", ("day", "hour")) == "day" else "hour"
    _live(subject, step, failed)


@st.fragment(run_every=REFRESH)
@empty.guarded
def _live(subject: Subject, step: Step, failed: Role) -> None:
    trend = frames.trend(subject, step)
    if trend.empty:
        empty.nothing("No scored pairs in this window.")
        return
    with st.container(border=True):
        st.markdown("##### Agreement", help=_TREND)
        st.altair_chart(charts.trend(trend, title="Agreement"))
    with st.container(border=True):
        st.markdown("##### Hour and weekday", help=_WEEK)
        st.altair_chart(charts.week(frames.week(subject)))
    left, right = st.columns(2)
    with left, st.container(border=True):
        st.markdown(f"##### Failed replies of the {failed}", help=_FAILURES)
        found = frames.failures(subject, failed, step)
        if found.empty:
            st.caption("No reply failed in this window.")
        else:
            st.altair_chart(charts.stacked(found, title="Failed replies", step=step))
    with right, st.container(border=True):
        st.markdown("##### Pairs", help=_VOLUME)
        st.altair_chart(charts.stacked(frames.volume(subject, step), title="Pairs", step=step))


_TREND = (
    "Mean agreement of the pairs of each day or hour, by the time of the request (UTC). The band is the 95% interval "
    "of that point alone. Grey dots have too few pairs to say: choose days instead of hours, or a larger segment."
)
_WEEK = (
    "Agreement by hour of the week, UTC, over the whole window, with every weekday together in the last row and every "
    "hour together in the last column. Grey fields have too few pairs to say."
)
_FAILURES = (
    "Replies that could not be had or read, by kind and by the time of the request. Never counted as disagreement."
)
_VOLUME = "Pairs whose agreement could be told, and pairs that could not be scored."
