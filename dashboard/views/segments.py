"""Segments: where the candidate is worse, worst first."""

from dataclasses import replace
from typing import Final

import streamlit as st

from dashboard import charts, empty, filters, frames, state
from dashboard.filters import Scope
from dashboard.measures import Measure
from dashboard.text import percent
from shadow.identify import CALENDAR

#: More rows than a reader takes in; the table below the chart has all of them.
MOST_ROWS: Final = 30

REFRESH: Final = "30s"


def show() -> None:
    scope = filters.scope()
    dimensions = frames.dimensions(scope.task, scope.candidate, scope.window)
    with filters.row():
        dimension = state.choose("dimension", "Dimension", [state.EVERY, *dimensions, *CALENDAR], help=_DIMENSION)
        regret = state.switch("measure", "Measure", ("agreement", "regret"), help=_MEASURE) == "regret"
    _ranking(scope, dimension, "regret" if regret else "agreement")
    _crossing(scope, dimensions)


@st.fragment(run_every=REFRESH)
@empty.guarded
def _ranking(scope: Scope, dimension: str, measure: Measure) -> None:
    found = frames.segments(scope.task, scope.candidate, scope.window, measure)
    if found is not None and dimension != state.EVERY:
        found = replace(found, rows=found.rows[found.rows["dimension"] == dimension])
    if found is None or found.rows.empty:
        empty.nothing(f"No pairs with known {measure} in this window.")
        return
    rows = found.rows
    with st.container(border=True):
        st.markdown("##### Worst first", help=_RANKING)
        st.altair_chart(charts.segments(rows.head(MOST_ROWS), found.average, title=measure.capitalize()))
        st.caption(
            f"Dashed line: the task as a whole, {percent(found.average)}. {filters.describe(scope.window)}."
            + (f" The worst {MOST_ROWS} of {len(rows)} segments." if len(rows) > MOST_ROWS else "")
        )
    with st.expander("As a table", icon=":material/table:"):
        st.dataframe(
            rows.drop(columns=["label", "enough"]),
            hide_index=True,
            column_config={
                "estimate": st.column_config.NumberColumn(measure, format="percent"),
                "low": st.column_config.NumberColumn("from", format="percent"),
                "high": st.column_config.NumberColumn("to", format="percent"),
                "status": st.column_config.TextColumn("judgement"),
            },
        )


def _crossing(scope: Scope, dimensions: list[str]) -> None:
    with st.container(border=True):
        st.markdown("##### Two dimensions crossed", help=_CROSSING)
        if len(dimensions) < 2:
            st.caption("This task has fewer than two stored dimensions.")
            return
        with filters.row():
            down = state.choose("down", "Down", dimensions)
            across = state.choose("across", "Across", [name for name in dimensions if name != down])
        found = frames.crossing(scope.task, scope.candidate, scope.window, down, across)
        if found.empty:
            empty.nothing("No pair has both dimensions in this window.")
        else:
            st.altair_chart(charts.crossing(found, across, down))


_DIMENSION = (
    "*locale*, *plan* and the like come from the requests; *input_length* and *has_tools* are derived from them; "
    "*hour* and *weekday* are read off the clock (UTC)."
)
_MEASURE = "Regret is known only where a person's label, the right answer or a judge is."
_RANKING = (
    "Each segment's estimate with a 95% interval that stays valid however often you look. *Worse* means that "
    "the interval lies wholly on the bad side of the whole task's. That looks at each segment by itself: of many, some "
    "are called worse by chance. Segments with few pairs say *not enough data*: that is no verdict, least of all a "
    "good one. Ordered by the end of the interval that speaks for the segment."
)
_CROSSING = (
    "Agreement where two dimensions meet, and the number of pairs. A weakness often hides in one field of this table. "
    "Fields in grey have too few pairs to say. Kept by the day, so a window counts every day it touches."
)
