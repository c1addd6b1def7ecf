"""The Confidence page: whether the candidate's confidence tells which of its replies are good."""

from typing import Final

import pandas as pd
import streamlit as st

from dashboard.data import config
from dashboard.data.tables import SOURCE_PHRASES
from dashboard.ui import empty_states, filters, help_texts, selection
from dashboard.ui.filters import Scope
from dashboard.ui.text import escape_markdown, humanize, percent, whole
from dashboard.views.confidence import charts, reads, tables
from dashboard.views.confidence.reads import Calibration

REFRESH: Final = "30s"


def show() -> None:
    scope = filters.scope()
    with filters.row():
        by_regret = selection.switch("measure", "Measure", ("agreement", "regret"), help=_MEASURE) == "regret"
    _card(scope, by_regret=by_regret)


@st.fragment(run_every=REFRESH)
@empty_states.show_errors
def _card(chosen: Scope, *, by_regret: bool) -> None:
    scope = filters.refreshed(chosen)
    found = reads.calibration(scope.task, scope.candidate, scope.window)
    if not found.n and not found.sure:
        empty_states.no_data("No pairs in this window.")
        return
    if not found.sure:
        _no_confidence(scope, found)
        return
    with st.container(border=True):
        help_texts.heading("Is it right where it is sure?", "confidence", "regret" if by_regret else "agreement")
        if by_regret:
            _regret(scope, found)
        else:
            _agreement(found)
        st.caption(
            f"{whole(found.sure)} pairs have a confidence{_without(found)}. Bins become narrower towards 100%, where "
            "most confidences lie. A window has whole days (UTC) of them."
        )


def _agreement(found: Calibration) -> None:
    if found.agreement.empty:
        empty_states.no_data("No pair with a confidence could be scored.")
        return
    _charts(found, found.agreement, title="Agreement", limit=None)
    st.caption(
        "Dots: agreement with its interval, by how sure the candidate was. Grey bars: its confidence. A dot below its "
        "bar means that the candidate is surer than it agrees. Small grey dots have too few pairs."
    )


def _regret(scope: Scope, found: Calibration) -> None:
    if not found.regret:
        empty_states.no_data(
            "Regret is unknown for the pairs with a confidence.",
            "It needs labels, right answers or a judge; choose agreement to see how the replies differ.",
        )
        return
    source, frame = next(iter(found.regret.items()))  # in the order of precedence
    limit = config.regret_limit(scope.task)
    _charts(found, frame, title="Regret", limit=limit)
    st.caption(
        f"Dots: regret according to {SOURCE_PHRASES[source]} with its interval, by how sure the candidate was. Red "
        f"dashes: the limit, {percent(limit)}. Small grey dots have too few pairs."
    )


def _charts(found: Calibration, frame: pd.DataFrame, *, title: str, limit: float | None) -> None:
    order = [tables.label(number) for number in sorted({*found.pairs["bin"], *frame["bin"]})]
    st.vega_lite_chart(charts.by_confidence(frame, title=title, order=order, limit=limit))
    st.vega_lite_chart(charts.pairs(found.pairs, order=order))
    with st.expander("As a table", icon=":material/table:"):
        st.dataframe(
            frame[["label", "n", "estimate", "low", "high"]],
            hide_index=True,
            column_config={
                "label": st.column_config.TextColumn("confidence"),
                "estimate": st.column_config.NumberColumn(title.lower(), format="percent"),
                "low": st.column_config.NumberColumn("from", format="percent"),
                "high": st.column_config.NumberColumn("to", format="percent"),
            },
        )


def _without(found: Calibration) -> str:
    """The number of replies without a confidence, by reason; empty where there are none."""
    if not found.missing:
        return ""
    reasons = ", ".join(f"{humanize(reason)} {whole(n)}" for reason, n in found.missing.items())
    return f"; {whole(sum(found.missing.values()))} have none: {escape_markdown(reasons)}"


def _no_confidence(scope: Scope, found: Calibration) -> None:
    st.info("No reply of this candidate has a confidence in this window.", icon=":material/hourglass_empty:")
    if found.missing:
        st.caption("Log-probabilities were asked for" + _without(found) + ".")
        st.caption(_REASONS)
        return
    st.caption(
        "A confidence needs log-probabilities. If the candidate's endpoint reports them, add `logprobs = true` to its "
        f"table under `[models]` in shadow.toml ({escape_markdown(scope.candidate)}), and restart the worker."
    )


_MEASURE: Final = "Regret is known only for pairs with a person's label, a right answer or a judge's verdict."
_REASONS: Final = (
    "*not reported*: the endpoint's answers have none, as many servers' do where tools are called. *refused*: it "
    "does not accept a request for them. *invalid*: a token without a log-probability. *not aligned*: the answer could "
    "not be found among the tokens."
)
