"""Segments: where the candidate is worse, worst first."""

from dataclasses import replace
from typing import Final, Literal

import pandas as pd
import streamlit as st

from dashboard.data import config, measures, regret_tables, shift_tables, state
from dashboard.data import reads as frames
from dashboard.data.measures import Measure
from dashboard.ui import charts, empty, filters, help_texts, navigation
from dashboard.ui.filters import Scope
from dashboard.ui.text import percent, plain, whole
from scoring.evidence.worst_slices import Reason
from shadow.aggregates.derived_dimensions import CALENDAR
from shadow.records import RegretSource
from shadow.store.read.slices import MOST

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
    _worst(scope, "regret" if regret else "agreement")
    _crossing(scope, dimensions)


@st.fragment(run_every=REFRESH)
@empty.guarded
def _ranking(chosen: Scope, dimension: str, measure: Measure) -> None:
    scope = filters.anew(chosen)
    found = frames.segments(scope.task, scope.candidate, scope.window, measure)
    if found is not None and dimension != state.EVERY:
        found = replace(found, rows=found.rows[found.rows["dimension"] == dimension])
    if found is None or found.average is None:
        empty.nothing(f"No pairs with known {measure} in this window.")
        return
    if found.rows.empty:
        empty.nothing("There is nothing to rank: every segment holds all of the pairs.")
        return
    rows = found.rows
    by_regret = measure == "regret"
    limit = config.regret_limit(scope.task)
    with st.container(border=True):
        help_texts.heading("Worst first", "segments", measure)
        _counts(rows)
        st.vega_lite_chart(
            charts.segments(
                rows.head(MOST_ROWS), found.average, title=measure.capitalize(), limit=limit if by_regret else None
            )
        )
        st.caption(
            f"Grey dashes: the task as a whole, {percent(found.average)}. "
            + (f"Red dashes: the limit, {percent(limit)}. " if by_regret else "")
            + _what_flags_mean(scope, found.source)
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
                "q_value": st.column_config.NumberColumn("q", format="%.3f"),
                "status": st.column_config.TextColumn("judgement"),
                "looked_for": st.column_config.TextColumn("flagged for"),
            },
        )


def _counts(rows: pd.DataFrame) -> None:
    """How many segments are in which state: thin ones are a state of their own, and no good sign."""
    with st.container(horizontal=True, gap="small"):
        for status, (name, colour) in _STATES.items():
            if n := int((rows["status"] == status).sum()):
                st.badge(f"{n} {name}", color=colour)


def _what_flags_mean(scope: Scope, source: RegretSource | None) -> str:
    by = (
        f"regret above the limit, according to {regret_tables.BY[source]}" if source else "less agreement than the rest"
    )
    share = percent(config.false_flag_rate(scope.task), 0)
    return f"Flagged for {by}; at most {share} of the flags are expected to be wrong."


@empty.guarded
def _worst(scope: Scope, measure: Measure) -> None:
    with st.container(border=True):
        help_texts.heading("Worst crossing", "worst_crossing")
        if not state.toggle("crossings", "Search all crossings of this window"):
            st.caption(
                "A weakness often hides where several dimensions meet. The search reads up to "
                f"{MOST:,} of the newest pairs and takes a few seconds."
            )
            return
        with st.spinner("Searching one half, confirming on the other …"):
            worst = frames.worst(scope.task, scope.candidate, scope.window, measure)
        if worst is None:
            empty.nothing(f"No pairs with known {measure} in this window.")
            return
        _crossings(worst)


def _crossings(worst: frames.Worst) -> None:
    found = worst.found
    by = f" according to {regret_tables.BY[found.source]}" if found.source else ""
    looked = (
        f"{found.searched:,} crossings searched among {whole(found.n)} pairs, by {found.measure}{by}: "
        "found on one half, confirmed on the other." + (" Older pairs were left out." if worst.cut else "")
    )
    if found.left_out:
        looked += f" {found.left_out:,} pairs were sampled too rarely to stand beside them."
    if not found.crossings:
        st.info(_NONE_WORSE[found.reason], icon=":material/search_off:")
    for each in found.crossings:
        with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
            where = " and ".join(f"{plain(name)} = {plain(value)}" for name, value in each.where.items())
            st.markdown(f"**{where}**", width="content")
            st.badge("confirmed", color="red", icon=":material/check:")
            st.caption(
                f"{found.measure} {percent(each.rate)} there, {percent(each.rest)} elsewhere · n {whole(each.n)} · "
                f"{shift_tables.chance(each.q_value)}",
                width="content",
            )
            if found.crossings.index(each) == 0 and len(each.where) == 1:
                ((name, value),) = each.where.items()
                navigation.link("Exchanges", "Read its pairs", dimension=name, value=value)
    st.caption(looked)


def _crossing(scope: Scope, dimensions: list[str]) -> None:
    with st.container(border=True):
        help_texts.heading("Two dimensions crossed", "crossing", "agreement")
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
            st.vega_lite_chart(charts.crossing(found, across, down))


_DIMENSION = (
    "*locale*, *plan* and the like come from the requests; *input_length* and *has_tools* are derived from them; "
    "*hour* and *weekday* are read off the clock (UTC)."
)
_MEASURE = "Regret is known only where a person's label, the right answer or a judge is."
_STATES: Final[dict[str, tuple[str, Literal["red", "blue", "gray"]]]] = {
    measures.FLAGGED: ("flagged: worse", "red"),
    measures.NOT_FLAGGED: ("not flagged", "blue"),
    measures.THIN: ("with not enough data", "gray"),
}
_NONE_WORSE: Final[dict[Reason, str]] = {
    "found": "What looked worst on one half was not borne out by the other.",
    "nothing_worse": "No crossing is surely worse than the rest, on both halves.",
    "not_enough_data": "There are too few pairs to search: either half would be too small.",
    "no_dimensions": "These pairs have no dimensions to cross.",
}
