"""Exchanges: find the pairs that disagree, failed or could not be scored, and read both replies side by side."""

from math import nextafter
from typing import Final

import pandas as pd
import streamlit as st

from dashboard.data import config, state
from dashboard.data import reads as frames
from dashboard.data.state import Wanted
from dashboard.ui import empty, filters, side_by_side
from dashboard.ui.filters import Scope
from dashboard.ui.text import plain, words
from shadow.store.read.pairs import ANY_REASON

DISAGREEMENTS: Final = "disagreements"
ALL_PAIRS: Final = "all pairs"
UNSCORED: Final = "unscored"
FAILED: Final = "failed: "

ROWS: Final = ("50", "200", "1000")


def show() -> None:
    scope = filters.scope()
    wanted = _wanted(scope)
    found = frames.pairs(wanted)
    if found.empty:
        empty.nothing("No pair matches.", "Widen the filters or choose a longer window.")
    else:
        _list(found)
    if chosen := st.query_params.get("exchange"):
        _one(scope, chosen)
    elif not found.empty:
        st.caption("Select a row to read both replies.")


def _wanted(scope: Scope) -> Wanted:
    """Let the reader say which pairs."""
    chosen: tuple[str, str] | None = None
    reason: str | None = None
    under = config.disagreement_below(scope.task)
    with filters.row():
        failed = [FAILED + words(kind) for kind in state.FAILURES]
        shown = state.choose("show", "Show", [DISAGREEMENTS, ALL_PAIRS, UNSCORED, *failed], help=_SHOW)
        if shown == DISAGREEMENTS:
            under = state.share("under", "Agreement under", under)
        elif shown == UNSCORED:
            reason = _reason(scope)
        dimensions = frames.dimensions(scope.task, scope.candidate, scope.window)
        dimension = state.choose("dimension", "Segment", [state.EVERY, *dimensions])
        if dimension != state.EVERY:
            values = frames.values(scope.task, scope.candidate, scope.window, dimension)
            chosen = dimension, state.choose("value", "is", values)
        containing = state.write("text", "Containing", help="In the request or in one of the replies, in any case.")
        most = int(state.choose("rows", "At most", ROWS, help="The newest so many pairs."))
    return Wanted(
        task=scope.task,
        candidate=scope.candidate,
        window=scope.window,
        max_agreement=nextafter(under, 0) if shown == DISAGREEMENTS else None,
        failure=shown.removeprefix(FAILED).replace(" ", "_") if shown.startswith(FAILED) else None,
        unscored=reason,
        segment=chosen,
        text=containing or None,
        limit=most,
    )


def _reason(scope: Scope) -> str:
    """Let the reader say why the pairs could not be scored."""
    known = {words(reason): reason for reason in frames.unscored(scope.task, scope.candidate, scope.window)}
    chosen = state.choose("reason", "because", [state.EVERY, *known])
    return ANY_REASON if chosen == state.EVERY else known[chosen]


def _list(found: pd.DataFrame) -> None:
    ids = tuple(found["id"])
    # Keyed by what is listed: new traffic must not move a selection to another exchange.
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


def _one(scope: Scope, exchange_id: str) -> None:
    pairs = frames.exchange(scope.task, scope.candidate, exchange_id)
    if not pairs:
        st.caption(f"Exchange {plain(exchange_id)} is not one of this task and candidate.")
    for pair in pairs:
        side_by_side.show(pair)


_SHOW = (
    "*Disagreements* are scored pairs under the task's `agreement_threshold`. Failed replies are no disagreements: "
    "look for them by kind. *Unscored* are those that no scorer could judge, by reason."
)
