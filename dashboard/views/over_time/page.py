"""The Over time page: hours and days at which the candidate is worse, failures, volume."""

from typing import Final

import streamlit as st

from dashboard.data import catalogue
from dashboard.data.tables import Step
from dashboard.ui import empty_states, filters, help_texts, selection
from dashboard.ui.filters import Scope
from dashboard.views.over_time import charts, reads
from dashboard.views.over_time.reads import TrafficSlice
from shadow.aggregates.tally import ALL
from shadow.records import Role

REFRESH: Final = "30s"


def show() -> None:
    scope = filters.scope()
    dimensions = catalogue.dimensions(scope.task, scope.candidate, scope.window)
    segment = ALL
    with filters.row():
        dimension = selection.choose(
            "dimension", "Segment", [selection.ANY, *dimensions], help="Show one segment only."
        )
        if dimension != selection.ANY:
            values = catalogue.values(scope.task, scope.candidate, scope.window, dimension)
            segment = dimension, selection.choose("value", "Value", values)
        failed: Role = (
            "frontier"
            if selection.switch("failed", "Failures of", ("candidate", "frontier")) == "frontier"
            else "candidate"
        )
        step: Step = "day" if selection.switch("step", "One point per", ("day", "hour")) == "day" else "hour"
    _charts(scope, segment, step, failed)


@st.fragment(run_every=REFRESH)
@empty_states.show_errors
def _charts(chosen: Scope, segment: tuple[str, str], step: Step, failed: Role) -> None:
    scope = filters.refreshed(chosen)
    dimension, value = segment
    traffic = TrafficSlice(
        task=scope.task, candidate=scope.candidate, window=scope.window, dimension=dimension, value=value
    )
    trend = reads.trend(traffic, step)
    if trend.empty:
        empty_states.no_data("No scored pairs in this window.")
        return
    with st.container(border=True):
        help_texts.heading("Agreement", "trend", "agreement")
        st.vega_lite_chart(charts.trend(trend, title="Agreement"))
    with st.container(border=True):
        help_texts.heading("Hour and weekday", "week")
        st.vega_lite_chart(charts.week(reads.week(traffic)))
    left, right = st.columns(2)
    with left, st.container(border=True):
        help_texts.heading(f"Failed replies of the {failed}", "counts")
        found = reads.failures(traffic, failed, step)
        if found.empty:
            st.caption("No reply failed in this window.")
        else:
            st.vega_lite_chart(charts.stacked(found, title="Failed replies", step=step))
    with right, st.container(border=True):
        help_texts.heading("Pairs", "counts", "unscored")
        st.vega_lite_chart(charts.stacked(reads.volume(traffic, step), title="Pairs", step=step))
