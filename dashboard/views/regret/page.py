"""Regret: how much worse the candidate is where somebody knows, who says so, since when and where."""

from typing import Final, cast

import pandas as pd
import streamlit as st

from dashboard.data import config, measures, state
from dashboard.data.clamp_time import moved
from dashboard.data.regret_tables import BY, STAGE, Per
from dashboard.ui import charts, empty, filters, help_texts, incident_banner, navigation
from dashboard.ui.filters import Scope
from dashboard.ui.text import between, percent, plain, rate, whole
from dashboard.views.regret import charts as regret_charts
from dashboard.views.regret import reads as regret_frames
from dashboard.views.regret.reads import Known
from scoring.evidence.estimates import Estimate
from scoring.evidence.judge_trust import JudgeTrust
from scoring.evidence.report import TaskEvidence
from shadow.aggregates.regret_sources import SOURCES
from shadow.records import RegretSource

REFRESH: Final = "30s"

#: More rows than a reader takes in; the Segments page has all of them.
MOST_ROWS: Final = 12

STRONGEST: Final = "strongest"

_NAMES: Final[dict[RegretSource, str]] = {"human": "People", "reference": "Right answer", "judge": "Judge"}

#: Ends of a scale for rates, of which the first that holds everything is taken.
_SCALES: Final = (0.05, 0.1, 0.2, 0.4, 1.0)


def show() -> None:
    scope = filters.scope()
    with filters.row():
        chosen = state.switch("source", "According to", (STRONGEST, *SOURCES), help=_SOURCE)
        per = cast("Per", state.switch("per", "One point per", ("hour", "day", "week"), default=1))
    _live(scope, chosen, per)


@st.fragment(run_every=REFRESH)
@empty.guarded
def _live(asked: Scope, chosen: str, per: Per) -> None:
    scope = filters.anew(asked)
    incident_banner.lines(scope.task)
    known = regret_frames.known(scope.task, scope.candidate, scope.window)
    if known is None:
        empty.nothing("No pairs in this window.")
        return
    evidence = known.evidence
    primary = evidence.regret.source if evidence.regret else None
    source = primary if chosen == STRONGEST else cast("RegretSource", chosen)
    if primary is None or source is None:
        _nobody_knows(evidence)
    elif source not in evidence.regret_by_source:
        empty.nothing(f"{_NAMES[source]}: nothing said in this window.", "Choose another source, or a longer window.")
        _who_says_so(evidence)
    else:
        _headline(evidence, source, strongest=source == primary)
        _who_says_so(evidence)
        _over_time(scope, source, per)
        _where(scope, source, evidence.regret_by_source[source])
        _before_and_after(scope, source)
    _sampled(known)


def _headline(evidence: TaskEvidence, source: RegretSource, *, strongest: bool) -> None:
    regret, net = evidence.regret_by_source[source], evidence.net_regret_by_source[source]
    limit = evidence.regret_limit
    most = _scale([regret.high, 1.5 * limit])
    with st.container(border=True):
        help_texts.heading(f"According to {BY[source]}", "regret", "net_regret")
        first, second, third = st.columns(3, gap="large")
        with first:
            _metric("Regret", regret, help_=help_texts.tip("regret"))
            st.vega_lite_chart(
                charts.ruler(regret.estimate, regret.low, regret.high, worst=True, most=most, limit=limit)
            )
            st.caption(f"n {whole(regret.n)} · grey mark: the limit, {percent(limit)}")
        with second:
            _metric("Net regret", net, help_=help_texts.tip("net_regret"))
            st.caption(_in_words(net))
        if strongest:
            label, colour = filters.VERDICTS[evidence.verdict.status]
            with third, st.container(gap="small"):
                st.markdown(":small[Verdict]", help=_VERDICT)
                st.badge(label, color=colour)
                st.caption(plain(evidence.verdict.reasons[0]).capitalize() + ".")


def _metric(name: str, found: Estimate | None, *, help_: str | None = None) -> None:
    st.metric(
        name, rate(found.estimate if found else None), delta=between(found.low, found.high) if found else None,
        delta_color="off", delta_arrow="off", help=help_,
    )  # fmt: skip


def _in_words(net: Estimate) -> str:
    if net.low > 0:
        return "The candidate loses more than it wins."
    if net.high < 0:
        return "The candidate wins more than it loses."
    return "What it loses and what it wins cannot be told apart yet."


def _who_says_so(evidence: TaskEvidence) -> None:
    most = _scale([each.high for each in evidence.regret_by_source.values()])
    with st.container(border=True):
        help_texts.heading("Who says so", "sources", "regret")
        for column, source in zip(st.columns(3, gap="large"), SOURCES, strict=True):
            with column:
                _one_source(evidence, source, most)


def _one_source(evidence: TaskEvidence, source: RegretSource, most: float) -> None:
    regret = evidence.regret_by_source.get(source)
    _metric(_NAMES[source], regret)
    if regret is None:
        st.caption(_MISSING[source])
        if source == "human":
            navigation.link("Review", "Label pairs", icon=":material/rate_review:")
        return
    net = evidence.net_regret_by_source[source]
    st.vega_lite_chart(charts.ruler(regret.estimate, regret.low, regret.high, worst=True, most=most))
    st.caption(f"n {whole(regret.n)} · net {rate(net.estimate)} ({between(net.low, net.high)})")
    if source == "judge" and evidence.judge is not None:
        st.caption(_trust(evidence.judge))


def _trust(judge: JudgeTrust) -> str:
    if judge.n == 0:
        return "Not held against people yet: no pair has both a verdict and a label."
    kappa = "–" if judge.kappa is None else f"{judge.kappa:.2f}"
    ac1 = "–" if judge.ac1 is None else f"{judge.ac1:.2f}"
    return f"Against people: κ {kappa}, AC1 {ac1} (n {whole(judge.n)}), same answer {percent(judge.observed, 0)}"


def _over_time(scope: Scope, source: RegretSource, per: Per) -> None:
    course = regret_frames.course(scope.task, scope.candidate, scope.window, source, per)
    with st.container(border=True):
        help_texts.heading("Over time", "over_time", "served", "incidents")
        if course.regret.empty:
            empty.nothing("Nothing is known of this window.")
            return
        span = _span(course.regret)
        limit = config.regret_limit(scope.task)
        incidents = incident_banner.incidents(scope.task)
        marks = incident_banner.marks(
            [each for each in incidents if each.candidate in ("", scope.candidate)], since=span[0], until=span[1]
        )
        st.vega_lite_chart(
            regret_charts.over_time(course.regret, limit=limit, incidents=marks, stages=course.stages, span=span)
        )
        if course.served["share"].any():
            st.vega_lite_chart(regret_charts.served(course.served, stages=course.stages, span=span))
        parts = [f"**Blue**: each {per} by itself.", "**Grey**: everything since the start of the window."]
        parts.append(f"**Red dashes**: the limit, {percent(limit, 1)}.")
        if not marks.empty:
            parts.append("**Shaded**: incidents.")
        if not course.stages.empty:
            parts.append("**Violet**: the stage changed.")
        if not course.served["share"].any():
            parts.append("The candidate served none of this traffic.")
        st.caption(" ".join(parts))


def _span(frame: pd.DataFrame) -> regret_charts.Span:
    """From the first period with data to the end of the last."""
    first, last = frame["at"].iloc[0].to_pydatetime(), frame["until"].iloc[-1].to_pydatetime()
    # A point stands at the start of its period: without room it would sit on the frame.
    room = (last - first) / 60
    return moved(first, -room), last


def _where(scope: Scope, source: RegretSource, regret: Estimate) -> None:
    rows = regret_frames.segments(scope.task, scope.candidate, scope.window, source)
    limit = config.regret_limit(scope.task)
    others = rows[rows["dimension"] != STAGE]
    stages = rows[rows["dimension"] == STAGE].sort_values("value", key=lambda names: names.map(_natural))
    with st.container(border=True):
        help_texts.heading("By segment, worst first", "segments")
        if others.empty:
            st.caption("This task has no segments with known regret.")
        else:
            st.vega_lite_chart(charts.segments(others.head(MOST_ROWS), regret.estimate, title="Regret", limit=limit))
            st.caption(
                f"{int((rows['status'] == measures.FLAGGED).sum())} of {len(rows)} segments flagged: regret "
                f"above {percent(limit)}, where at most {percent(config.false_flag_rate(scope.task), 0)} "
                "of the flags are expected to be wrong. Grey dashes: the task as a whole. Red dashes: the "
                "limit."
            )
            navigation.link("Segments", "All segments, and the worst crossing", measure="regret")
    if not stages.empty:
        with st.container(border=True):
            help_texts.heading("By stage of the rollout", "segments", "served")
            st.vega_lite_chart(charts.segments(stages, regret.estimate, title="Regret", limit=limit))


def _natural(name: str) -> tuple[float, str]:
    """`5` before `25`, `5%` before `25%`, and words after numbers."""
    digits = "".join(character for character in name if character.isdigit() or character == ".")
    try:
        return float(digits), name
    except ValueError:
        return float("inf"), name


def _before_and_after(scope: Scope, source: RegretSource) -> None:
    found = regret_frames.sides(scope.task, scope.candidate, scope.window, source)
    most = _scale([each.high for _, each in found if each])
    with st.container(border=True):
        help_texts.heading("Before and after the rollout", "regret", "sampled")
        for column, (side, regret) in zip(st.columns(3, gap="large"), found, strict=False):
            with column:
                _metric(side.name.capitalize(), regret)
                if regret:
                    st.vega_lite_chart(charts.ruler(regret.estimate, regret.low, regret.high, worst=True, most=most))
                st.caption(f"n {whole(side.sums.n)} of {whole(side.pairs)} pairs")


def _sampled(known: Known) -> None:
    with st.container(border=True):
        help_texts.heading("What was sampled", "sampled", "unscored")
        st.table(known.sampled, border="horizontal", hide_index=True)


def _nobody_knows(evidence: TaskEvidence) -> None:
    with st.container(border=True):
        help_texts.heading("Regret is unknown here", "regret", "sources")
        with st.container(horizontal=True, gap="large"):
            if evidence.agreement is not None:
                with st.container(width=240):
                    disagreement = 1 - evidence.agreement.estimate
                    st.metric("Disagreement", percent(disagreement), help=help_texts.tip("agreement"))
            with st.container(width=620):
                st.markdown(_DISAGREEMENT)
                st.markdown(_WHAT_TO_DO)
                navigation.link("Review", "Label pairs now", icon=":material/rate_review:")


def _scale(highest: list[float]) -> float:
    top = max(highest, default=1.0)
    return next(each for each in _SCALES if each >= min(top, 1.0))


_MISSING: Final[dict[RegretSource, str]] = {
    "human": "No label in this window.",
    "reference": "No right answer is known: send `reference` along.",
    "judge": "No verdict: set the task's `judge`, then `shadow judge run`.",
}

_DISAGREEMENT: Final = (
    "**Disagreement is not regret.** Where the two replies differ, the candidate may be the one that is right, "
    "and where they agree both may be wrong. Somebody has to say which reply is better. Any of these will do, the"
    " strongest first:"
)
_WHAT_TO_DO: Final = (
    "- **People**: label a few pairs a day; `shadow label import` reads labels made elsewhere.\n"
    "- **The right answer**: send it along as `reference` where your application learns it.\n"
    "- **A judge**: name a model in the task's `judge` and start `shadow judge run`."
)
_VERDICT: Final = (
    "*Worse* needs the whole interval above the limit, *within the limit* the whole of it below, from people or right "
    "answers: a judge alone never raises traffic. Everything else is undecided."
)
_SOURCE: Final = (
    "*strongest*: people, else the right answer, else a judge, whichever is first to have seen enough pairs. Sources "
    "are never added up."
)
