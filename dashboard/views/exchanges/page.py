"""The Exchanges page: find pairs that disagree, failed or are unscored, and read both replies side by side."""

from math import nextafter
from typing import Final, get_args

import pandas as pd
import streamlit as st

from dashboard.data import catalogue, config
from dashboard.ui import empty_states, filters, selection
from dashboard.ui.filters import Scope
from dashboard.ui.text import escape_markdown, humanize
from dashboard.views.exchanges import reads, side_by_side
from dashboard.views.exchanges.reads import PairFilter
from shadow.records import Failure
from shadow.store.read.pairs import ANY_REASON

DISAGREEMENTS: Final = "disagreements"
ALL_PAIRS: Final = "all pairs"
UNSCORED: Final = "unscored"
FAILED: Final = "failed: "

#: Kinds of failure to look for.
FAILURES: Final[tuple[str, ...]] = get_args(Failure)

ROWS: Final = ("50", "200", "1000")


def show() -> None:
    scope = filters.scope()
    found = reads.pairs(_choose_pairs(scope))
    if found.empty:
        empty_states.no_data("No pair matches.", "Widen the filters or choose a longer window.")
    else:
        _list(found)
    if chosen := st.query_params.get("exchange"):
        _exchange(scope, chosen)
    elif not found.empty:
        st.caption("Select a row to read both replies.")


def _choose_pairs(scope: Scope) -> PairFilter:
    segment: tuple[str, str] | None = None
    reason: str | None = None
    under = config.agreement_threshold(scope.task)
    with filters.row():
        failed = [FAILED + humanize(kind) for kind in FAILURES]
        shown = selection.choose("show", "Show", [DISAGREEMENTS, ALL_PAIRS, UNSCORED, *failed], help=_SHOW)
        if shown == DISAGREEMENTS:
            under = selection.share("under", "Agreement under", under)
        elif shown == UNSCORED:
            reason = _choose_reason(scope)
        dimensions = catalogue.dimensions(scope.task, scope.candidate, scope.window)
        dimension = selection.choose("dimension", "Segment", [selection.ANY, *dimensions])
        if dimension != selection.ANY:
            values = catalogue.values(scope.task, scope.candidate, scope.window, dimension)
            segment = dimension, selection.choose("value", "Value", values)
        containing = selection.text(
            "text", "Containing", help="Text in the request, a reply or its reasoning, in upper or lower case."
        )
        limit = int(selection.choose("rows", "At most", ROWS, help="The number of pairs to list, the newest first."))
    return PairFilter(
        task=scope.task,
        candidate=scope.candidate,
        window=scope.window,
        max_agreement=nextafter(under, 0) if shown == DISAGREEMENTS else None,
        failure=shown.removeprefix(FAILED).replace(" ", "_") if shown.startswith(FAILED) else None,
        unscored=reason,
        segment=segment,
        text=containing or None,
        limit=limit,
    )


def _choose_reason(scope: Scope) -> str:
    reasons = {humanize(reason): reason for reason in reads.unscored(scope.task, scope.candidate, scope.window)}
    chosen = selection.choose("reason", "Reason", [selection.ANY, *reasons])
    return ANY_REASON if chosen == selection.ANY else reasons[chosen]


def _list(found: pd.DataFrame) -> None:
    ids = tuple(found["id"])
    # A key made of the listed pairs: new traffic must not move a selection to another exchange.
    key = f"list-{hash(ids)}"

    def select() -> None:
        if rows := st.session_state[key].selection.rows:
            st.query_params["exchange"] = ids[rows[0]]
        else:
            st.query_params.pop("exchange", None)

    st.dataframe(
        found,
        hide_index=True,
        height=38 + 35 * min(8, len(found)),
        on_select=select,
        selection_mode="single-row",
        key=key,
        column_order=["at", "agreement", "unscored", "failure", "frontier", "candidate", "input", "segment"],
        column_config={
            "at": st.column_config.DatetimeColumn(
                "Time (UTC)", format="YYYY-MM-DD HH:mm:ss", width=150, timezone="UTC"
            ),
            "agreement": st.column_config.NumberColumn("Agreement", format="percent", width="small"),
            "unscored": st.column_config.TextColumn("Unscored", width="small"),
            "failure": st.column_config.TextColumn("Failure", width="small"),
            "frontier": st.column_config.TextColumn("Frontier", width="medium"),
            "candidate": st.column_config.TextColumn("Candidate", width="medium"),
            "input": st.column_config.TextColumn("Request", width="large"),
            "segment": st.column_config.TextColumn("Segment", width="medium"),
        },
    )


def _exchange(scope: Scope, exchange_id: str) -> None:
    pairs = reads.exchange(scope.task, scope.candidate, exchange_id)
    if not pairs:
        st.caption(f"This task and candidate have no exchange {escape_markdown(exchange_id)}.")
    for pair in pairs:
        side_by_side.show(pair)


_SHOW: Final = (
    "*Disagreements* are scored pairs whose agreement is under the task's `agreement_threshold`. Failed replies are "
    "not disagreements: choose the kind of failure. *Unscored* pairs could not be scored; choose the reason."
)
