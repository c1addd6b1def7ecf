"""The Regret page: how much worse the candidate is, according to which source, since when and where."""

from typing import Final, cast

import pandas as pd
import streamlit as st

from dashboard.data import config, incidents
from dashboard.data.clamp_time import add_clamped
from dashboard.data.tables import FLAGGED, SOURCE_PHRASES
from dashboard.ui import empty_states, filters, help_texts, incident_banner, interval_charts, navigation, selection
from dashboard.ui.filters import Scope
from dashboard.ui.text import escape_markdown, interval, percent, rate, whole
from dashboard.views.regret import charts, reads
from dashboard.views.regret.tables import STAGE, Per
from scoring.evidence.estimates import Estimate
from scoring.evidence.judge_trust import JudgeTrust
from scoring.evidence.report import TaskEvidence
from shadow.aggregates.regret_sources import SOURCES
from shadow.records import RegretSource

REFRESH: Final = "30s"

#: Rows of the segment chart; the Segments page has all of them.
MAX_ROWS: Final = 12

STRONGEST: Final = "strongest"

_NAMES: Final[dict[RegretSource, str]] = {"human": "People", "reference": "Right answer", "judge": "Judge"}

#: Where a scale for rates may end; the first that shows the whole interval is used.
_SCALE_ENDS: Final = (0.05, 0.1, 0.2, 0.4, 1.0)


def show() -> None:
    scope = filters.scope()
    with filters.row():
        chosen = selection.switch("source", "According to", (STRONGEST, *SOURCES), help=_SOURCE)
        per = cast("Per", selection.switch("per", "One point per", ("hour", "day", "week"), default=1))
    _cards(scope, chosen, per)


@st.fragment(run_every=REFRESH)
@empty_states.show_errors
def _cards(chosen_scope: Scope, chosen: str, per: Per) -> None:
    scope = filters.refreshed(chosen_scope)
    incident_banner.show(scope.task)
    summary = reads.summary(scope.task, scope.candidate, scope.window)
    if summary is None:
        empty_states.no_data("No pairs in this window.")
        return
    evidence = summary.evidence
    strongest = evidence.regret.source if evidence.regret else None
    source = strongest if chosen == STRONGEST else cast("RegretSource", chosen)
    if strongest is None or source is None:
        _regret_unknown(evidence)
    elif source not in evidence.regret_by_source:
        empty_states.no_data(
            f"{_NAMES[source]}: no regret from this source in this window.",
            "Choose another source, or a longer window.",
        )
        _by_source(evidence)
    else:
        _headline(evidence, source, with_verdict=source == strongest)
        _by_source(evidence)
        _over_time(scope, source, per)
        _by_segment(scope, source, evidence.regret_by_source[source])
        _before_and_after(scope, source)
    _sampling(summary.sampling)


def _headline(evidence: TaskEvidence, source: RegretSource, *, with_verdict: bool) -> None:
    regret, net = evidence.regret_by_source[source], evidence.net_regret_by_source[source]
    limit = evidence.regret_limit
    scale_end = _scale_end([regret.high, 1.5 * limit])
    with st.container(border=True):
        help_texts.heading(f"According to {SOURCE_PHRASES[source]}", "regret", "net_regret")
        first, second, third = st.columns(3, gap="large")
        with first:
            _metric("Regret", regret, help_=help_texts.tip("regret"))
            _interval_bar(regret, scale_end, limit=limit)
            st.caption(f"n {whole(regret.n)} · grey mark: the limit, {percent(limit)}")
        with second:
            _metric("Net regret", net, help_=help_texts.tip("net_regret"))
            st.caption(_net_in_words(net))
        if with_verdict:
            label, colour = filters.VERDICTS[evidence.verdict.status]
            with third, st.container(gap="small"):
                st.markdown(":small[Verdict]", help=_VERDICT)
                st.badge(label, color=colour)
                st.caption(escape_markdown(evidence.verdict.reasons[0]).capitalize() + ".")


def _metric(name: str, found: Estimate | None, *, help_: str | None = None) -> None:
    st.metric(
        name, rate(found.estimate if found else None), delta=interval(found.low, found.high) if found else None,
        delta_color="off", delta_arrow="off", help=help_,
    )  # fmt: skip


def _interval_bar(regret: Estimate, scale_end: float, *, limit: float | None = None) -> None:
    st.vega_lite_chart(
        interval_charts.interval_bar(
            regret.estimate, regret.low, regret.high, worse=True, scale_end=scale_end, limit=limit
        )
    )


def _net_in_words(net: Estimate) -> str:
    if net.low > 0:
        return "The candidate loses more than it gains."
    if net.high < 0:
        return "The candidate gains more than it loses."
    return "The interval contains 0: losses and gains are not clearly different yet."


def _by_source(evidence: TaskEvidence) -> None:
    scale_end = _scale_end([each.high for each in evidence.regret_by_source.values()])
    with st.container(border=True):
        help_texts.heading("By source", "sources", "regret")
        for column, source in zip(st.columns(3, gap="large"), SOURCES, strict=True):
            with column:
                _one_source(evidence, source, scale_end)


def _one_source(evidence: TaskEvidence, source: RegretSource, scale_end: float) -> None:
    regret = evidence.regret_by_source.get(source)
    _metric(_NAMES[source], regret)
    if regret is None:
        st.caption(_MISSING[source])
        if source == "human":
            navigation.link("Review", "Label pairs", icon=":material/rate_review:")
        return
    net = evidence.net_regret_by_source[source]
    _interval_bar(regret, scale_end)
    st.caption(f"n {whole(regret.n)} · net {rate(net.estimate)} ({interval(net.low, net.high)})")
    if source == "judge" and evidence.judge is not None:
        st.caption(_judge_trust(evidence.judge))


def _judge_trust(judge: JudgeTrust) -> str:
    if judge.n == 0:
        return "Not compared with people yet: no pair has both a verdict and a label."
    kappa = "–" if judge.kappa is None else f"{judge.kappa:.2f}"
    ac1 = "–" if judge.ac1 is None else f"{judge.ac1:.2f}"
    return f"Against people: κ {kappa}, AC1 {ac1} (n {whole(judge.n)}), same answer {percent(judge.observed, 0)}"


def _over_time(scope: Scope, source: RegretSource, per: Per) -> None:
    history = reads.history(scope.task, scope.candidate, scope.window, source, per)
    with st.container(border=True):
        help_texts.heading("Over time", "over_time", "served", "incidents")
        if history.regret.empty:
            empty_states.no_data("No regret is known in this window.")
            return
        span = _span(history.regret)
        limit = config.regret_limit(scope.task)
        marks = incident_banner.marks(
            [each for each in incidents.incidents(scope.task) if each.candidate in ("", scope.candidate)],
            since=span[0],
            until=span[1],
        )
        st.vega_lite_chart(
            charts.over_time(history.regret, limit=limit, incidents=marks, stages=history.stages, span=span)
        )
        if history.served["share"].any():
            st.vega_lite_chart(charts.served(history.served, stages=history.stages, span=span))
        parts = [f"**Blue**: each {per} separately.", "**Grey**: everything since the start of the window."]
        parts.append(f"**Red dashes**: the limit, {percent(limit, 1)}.")
        if not marks.empty:
            parts.append("**Shaded**: incidents.")
        if not history.stages.empty:
            parts.append("**Violet**: changes of the rollout's stage.")
        if not history.served["share"].any():
            parts.append("The candidate served none of this traffic.")
        st.caption(" ".join(parts))


def _span(frame: pd.DataFrame) -> charts.Span:
    """From the first period with data to the end of the last."""
    first, last = frame["at"].iloc[0].to_pydatetime(), frame["until"].iloc[-1].to_pydatetime()
    # A point is drawn at the start of its period: without a margin the first would be cut by the frame.
    margin = (last - first) / 60
    return add_clamped(first, -margin), last


def _by_segment(scope: Scope, source: RegretSource, regret: Estimate) -> None:
    rows = reads.segments(scope.task, scope.candidate, scope.window, source)
    limit = config.regret_limit(scope.task)
    others = rows[rows["dimension"] != STAGE]
    stages = rows[rows["dimension"] == STAGE].sort_values("value", key=lambda names: names.map(_natural_order))
    with st.container(border=True):
        help_texts.heading("By segment, worst first", "segments")
        if others.empty:
            st.caption("This task has no segments with known regret.")
        else:
            st.vega_lite_chart(
                interval_charts.segments(others.head(MAX_ROWS), regret.estimate, title="Regret", limit=limit)
            )
            st.caption(
                f"{int((rows['status'] == FLAGGED).sum())} of {len(rows)} segments are flagged for regret above "
                f"{percent(limit)}; at most {percent(config.false_flag_rate(scope.task), 0)} of the flags are expected "
                "to be wrong. Grey dashes: the whole task. Red dashes: the limit."
            )
            navigation.link("Segments", "All segments, and the worst crossing", measure="regret")
    if not stages.empty:
        with st.container(border=True):
            help_texts.heading("By stage of the rollout", "segments", "served")
            st.vega_lite_chart(interval_charts.segments(stages, regret.estimate, title="Regret", limit=limit))


def _natural_order(name: str) -> tuple[float, str]:
    """`5` before `25`, `5%` before `25%`, and words after numbers."""
    digits = "".join(character for character in name if character.isdigit() or character == ".")
    try:
        return float(digits), name
    except ValueError:
        return float("inf"), name


def _before_and_after(scope: Scope, source: RegretSource) -> None:
    found = reads.by_kind(scope.task, scope.candidate, scope.window, source)
    scale_end = _scale_end([regret.high for _, regret in found if regret])
    with st.container(border=True):
        help_texts.heading("Before and after the rollout", "regret", "sampled")
        for column, (kind, regret) in zip(st.columns(3, gap="large"), found, strict=False):
            with column:
                _metric(kind.name.capitalize(), regret)
                if regret:
                    _interval_bar(regret, scale_end)
                st.caption(f"n {whole(kind.sums.n)} of {whole(kind.pairs)} pairs")


def _sampling(table: pd.DataFrame) -> None:
    with st.container(border=True):
        help_texts.heading("What was sampled", "sampled", "unscored")
        st.table(table, border="horizontal", hide_index=True)


def _regret_unknown(evidence: TaskEvidence) -> None:
    with st.container(border=True):
        help_texts.heading("Regret is unknown in this window", "regret", "sources")
        with st.container(horizontal=True, gap="large"):
            if evidence.agreement is not None:
                with st.container(width=240):
                    disagreement = 1 - evidence.agreement.estimate
                    st.metric("Disagreement", percent(disagreement), help=help_texts.tip("agreement"))
            with st.container(width=620):
                st.markdown(_DISAGREEMENT)
                st.markdown(_WHAT_TO_DO)
                navigation.link("Review", "Label pairs now", icon=":material/rate_review:")


def _scale_end(highest: list[float]) -> float:
    top = max(highest, default=1.0)
    return next(each for each in _SCALE_ENDS if each >= min(top, 1.0))


_MISSING: Final[dict[RegretSource, str]] = {
    "human": "No label in this window.",
    "reference": "No right answer in this window: send it as `reference`.",
    "judge": "No verdict in this window: set the task's `judge`, then start `shadow judge run`.",
}

_DISAGREEMENT: Final = (
    "**Disagreement is not regret.** Where the two replies differ, the candidate may be the one that is right, "
    "and where they agree both may be wrong. Regret needs a source that says which reply is better. Any of these is "
    "enough, the strongest first:"
)
_WHAT_TO_DO: Final = (
    "- **People**: label a few pairs a day; `shadow label import` reads labels made elsewhere.\n"
    "- **The right answer**: send it as `reference` where your application learns it.\n"
    "- **A judge**: name a model in the task's `judge` and start `shadow judge run`."
)
_VERDICT: Final = (
    "*Worse* means that the whole interval is above the limit; *within the limit*, that the whole interval is below "
    "it, by people or right answers: a judge alone never raises traffic. Everything else is undecided."
)
_SOURCE: Final = (
    "*strongest* is the first of these with enough pairs: people, the right answer, a judge. Sources are never added "
    "up."
)
