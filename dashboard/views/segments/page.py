"""The Segments page: where the candidate is worse, worst first."""

from dataclasses import replace
from typing import Final, Literal

import pandas as pd
import streamlit as st

from dashboard.data import catalogue, config
from dashboard.data.tables import FLAGGED, NOT_ENOUGH_DATA, NOT_FLAGGED, SOURCE_PHRASES, Measure
from dashboard.ui import empty_states, filters, help_texts, interval_charts, navigation, selection
from dashboard.ui.filters import Scope
from dashboard.ui.text import escape_markdown, percent, q_value, whole
from dashboard.views.segments import charts, reads
from dashboard.views.segments.reads import CrossingSearch
from scoring.evidence.worst_slices import Reason
from shadow.aggregates.derived_dimensions import CALENDAR
from shadow.records import RegretSource
from shadow.store.read.slices import MAX_ROWS as MAX_SEARCHED

#: Rows of the chart; the table below it has all of them.
MAX_ROWS: Final = 30

REFRESH: Final = "30s"


def show() -> None:
    scope = filters.scope()
    dimensions = catalogue.dimensions(scope.task, scope.candidate, scope.window)
    with filters.row():
        dimension = selection.choose("dimension", "Dimension", [selection.ANY, *dimensions, *CALENDAR], help=_DIMENSION)
        regret = selection.switch("measure", "Measure", ("agreement", "regret"), help=_MEASURE) == "regret"
    _ranking(scope, dimension, "regret" if regret else "agreement")
    _worst_crossings(scope, "regret" if regret else "agreement")
    _crossing(scope, dimensions)


@st.fragment(run_every=REFRESH)
@empty_states.show_errors
def _ranking(chosen: Scope, dimension: str, measure: Measure) -> None:
    scope = filters.refreshed(chosen)
    found = reads.segments(scope.task, scope.candidate, scope.window, measure)
    if found is not None and dimension != selection.ANY:
        found = replace(found, rows=found.rows[found.rows["dimension"] == dimension])
    if found is None or found.average is None:
        empty_states.no_data(f"No pairs with known {measure} in this window.")
        return
    if found.rows.empty:
        empty_states.no_data("No segment to rank: every segment contains all of the pairs.")
        return
    rows = found.rows
    by_regret = measure == "regret"
    limit = config.regret_limit(scope.task)
    with st.container(border=True):
        help_texts.heading("Segments, worst first", "segments", measure)
        _status_counts(rows)
        st.vega_lite_chart(
            interval_charts.segments(
                rows.head(MAX_ROWS), found.average, title=measure.capitalize(), limit=limit if by_regret else None
            )
        )
        st.caption(
            f"Grey dashes: the whole task, {percent(found.average)}. "
            + (f"Red dashes: the limit, {percent(limit)}. " if by_regret else "")
            + _meaning_of_flags(scope, found.source)
            + (f" The chart shows the worst {MAX_ROWS} of {len(rows)} segments." if len(rows) > MAX_ROWS else "")
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
                "status": st.column_config.TextColumn("status"),
                "looked_for": st.column_config.TextColumn("flagged for"),
            },
        )


def _status_counts(rows: pd.DataFrame) -> None:
    """The number of segments in each status. *Not enough data* has its own: it does not mean that they are fine."""
    with st.container(horizontal=True, gap="small"):
        for status, (name, colour) in _STATUSES.items():
            if n := int((rows["status"] == status).sum()):
                st.badge(f"{n} {name}", color=colour)


def _meaning_of_flags(scope: Scope, source: RegretSource | None) -> str:
    reason = (
        f"regret above the limit, according to {SOURCE_PHRASES[source]}" if source else "less agreement than the rest"
    )
    share = percent(config.false_flag_rate(scope.task), 0)
    return f"Flagged for {reason}; at most {share} of the flags are expected to be wrong."


@empty_states.show_errors
def _worst_crossings(scope: Scope, measure: Measure) -> None:
    with st.container(border=True):
        help_texts.heading("Worst crossing", "worst_crossing")
        if not selection.toggle("crossings", "Search all crossings of this window"):
            st.caption(
                "A weakness is often limited to a combination of dimensions. The search reads up to "
                f"{MAX_SEARCHED:,} of the newest pairs and takes a few seconds."
            )
            return
        with st.spinner("Searching one half of the pairs, confirming on the other …"):
            search = reads.worst_crossings(scope.task, scope.candidate, scope.window, measure)
        if search is None:
            empty_states.no_data(f"No pairs with known {measure} in this window.")
            return
        _crossing_list(search)


def _crossing_list(search: CrossingSearch) -> None:
    found = search.result
    by = f" according to {SOURCE_PHRASES[found.source]}" if found.source else ""
    summary = (
        f"{found.searched:,} crossings searched among {whole(found.n)} pairs, by {found.measure}{by}: "
        "found on one half, confirmed on the other." + (" Older pairs were left out." if search.older_left_out else "")
    )
    if found.left_out:
        summary += f" {found.left_out:,} pairs with too small a sampling probability were left out."
    if not found.crossings:
        st.info(_NONE_WORSE[found.reason], icon=":material/search_off:")
    for index, each in enumerate(found.crossings):
        with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
            where = " and ".join(
                f"{escape_markdown(name)} = {escape_markdown(value)}" for name, value in each.where.items()
            )
            st.markdown(f"**{where}**", width="content")
            st.badge("confirmed", color="red", icon=":material/check:")
            st.caption(
                f"{found.measure} {percent(each.rate)} there, {percent(each.rest)} elsewhere · n {whole(each.n)} · "
                f"{q_value(each.q_value)}",
                width="content",
            )
            if index == 0 and len(each.where) == 1:
                ((name, value),) = each.where.items()
                navigation.link("Exchanges", "View its pairs", dimension=name, value=value)
    st.caption(summary)


def _crossing(scope: Scope, dimensions: list[str]) -> None:
    with st.container(border=True):
        help_texts.heading("Two dimensions crossed", "crossing", "agreement")
        if len(dimensions) < 2:
            st.caption("This task has fewer than two stored dimensions.")
            return
        with filters.row():
            down = selection.choose("down", "Down", dimensions)
            across = selection.choose("across", "Across", [name for name in dimensions if name != down])
        found = reads.crossing(scope.task, scope.candidate, scope.window, down, across)
        if found.empty:
            empty_states.no_data("No pair has both dimensions in this window.")
        else:
            st.vega_lite_chart(charts.crossing(found, across, down))


_DIMENSION: Final = (
    "Dimensions such as *locale* and *plan* come from the requests; *input_length* and *has_tools* are derived from "
    "them; *hour* and *weekday* are derived from their times (UTC)."
)
_MEASURE: Final = "Regret is known only for pairs with a person's label, a right answer or a judge's verdict."
_STATUSES: Final[dict[str, tuple[str, Literal["red", "blue", "gray"]]]] = {
    FLAGGED: ("flagged: worse", "red"),
    NOT_FLAGGED: ("not flagged", "blue"),
    NOT_ENOUGH_DATA: ("without enough data", "gray"),
}
_NONE_WORSE: Final[dict[Reason, str]] = {
    "found": "The other half did not confirm what was worst on one half.",
    "nothing_worse": "No crossing is clearly worse than the rest on both halves.",
    "not_enough_data": "There are too few pairs to search: each half would be too small.",
    "no_dimensions": "These pairs have no dimensions to cross.",
}
