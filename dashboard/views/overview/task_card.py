"""One task and candidate on the Overview: agreement, regret, unscored pairs, latency, cost, failures."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

import pandas as pd
import streamlit as st

from dashboard.data import config
from dashboard.ui import filters, help_texts, interval_charts, navigation
from dashboard.ui.text import (
    dollars,
    escape_markdown,
    humanize,
    interval,
    milliseconds,
    percent,
    rate,
    ratio,
    timestamp,
    whole,
)
from dashboard.views.overview.ledger import reasons
from scoring.evidence.estimates import Estimate
from scoring.evidence.operational import QUANTILES
from scoring.evidence.report import TaskEvidence
from scoring.stats.ceiling import CeilingStatus
from shadow.aggregates.counters import NOT_SAMPLED
from shadow.records import Role, is_ineligible

ROLES: Final[tuple[Role, ...]] = ("frontier", "candidate")


def show(evidence: TaskEvidence, newest: datetime | None) -> None:
    """A bordered block. `newest` is the hour of the task's newest exchange."""
    with st.container(border=True):
        _head(evidence, newest)
        # A row that wraps: on a small screen the table is below the numbers.
        with st.container(horizontal=True, gap="medium"):
            for part, width in PARTS.items():
                with st.container(width=width):
                    part(evidence)


def _head(evidence: TaskEvidence, newest: datetime | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(escape_markdown(evidence.task), anchor=False, width="content")
            frontier = config.frontier_of(evidence.task)
            st.caption(
                f"{escape_markdown(evidence.candidate)} against {escape_markdown(frontier or 'the frontier')}",
                width="content",
            )
            label, colour = filters.VERDICTS[evidence.verdict.status]
            st.badge(label, color=colour, help=escape_markdown("; ".join(evidence.verdict.reasons)))
            filters.simulated_badge(evidence.task, evidence.candidate)
            # Rollups keep the hour of the newest exchange, not its minute.
            st.caption(f"{whole(evidence.n)} pairs · newest from the hour of {timestamp(newest)}", width="content")
        help_texts.popover("agreement", "ceiling", "regret", "unscored", "prices")


def _agreement(evidence: TaskEvidence) -> None:
    found = evidence.agreement
    if found is None:
        st.metric("Agreement", "–", help=help_texts.tip("agreement"))
        st.caption("No pair could be scored.")
        return
    ceiling = evidence.ceiling
    st.metric(
        "Agreement", percent(found.estimate), delta=interval(found.low, found.high),
        delta_color="off", delta_arrow="off", help=help_texts.tip("agreement"),
    )  # fmt: skip
    st.vega_lite_chart(
        interval_charts.interval_bar(found.estimate, found.low, found.high, ceiling.estimate if ceiling else None)
    )
    st.caption(f"n {whole(found.n)} · " + (f"ceiling {percent(ceiling.estimate)}" if ceiling else "ceiling unknown"))


def _excess(evidence: TaskEvidence) -> None:
    found = evidence.excess_disagreement
    if found is None:
        st.metric("Excess disagreement", "–", help=help_texts.tip("ceiling"))
        st.caption("No exchange was sent to the frontier twice: the task's ceiling\\_rate is 0.")
        return
    st.metric(
        "Excess disagreement", f"{100 * found.estimate:+.1f} points", delta=_points(found),
        delta_color="off", delta_arrow="off", help=help_texts.tip("ceiling"),
    )  # fmt: skip
    st.caption(f"{_AGAINST_CEILING[found.status]} n {whole(found.n)}")


def _points(found: Estimate) -> str:
    return f"{100 * found.low:+.1f} to {100 * found.high:+.1f}"


def _regret(evidence: TaskEvidence) -> None:
    found = evidence.regret
    if found is None:
        agreement = evidence.agreement
        share = percent(1 - agreement.estimate if agreement else None)
        st.metric("Disagreement", share, help="1 − agreement. It is not regret.")
        st.caption("Regret unknown: no pair has a label, a reference or a judge's verdict.")
        return
    limit = evidence.regret_limit
    scale_end = next(each for each in _SCALE_ENDS if each >= min(1.0, max(found.high, 1.5 * limit)))
    st.metric(
        "Regret", rate(found.estimate), delta=interval(found.low, found.high),
        delta_color="off", delta_arrow="off", help=help_texts.tip("regret"),
    )  # fmt: skip
    st.vega_lite_chart(
        interval_charts.interval_bar(
            found.estimate, found.low, found.high, worse=True, scale_end=scale_end, limit=limit
        )
    )
    st.caption(f"n {whole(found.n)} · by {escape_markdown(found.source or '')} · limit {percent(limit)}")


def _unscored(evidence: TaskEvidence) -> None:
    tried = {reason: n for reason, n in evidence.unscored.items() if reason != NOT_SAMPLED}
    unscored = {reason: n for reason, n in tried.items() if not is_ineligible(reason)}
    sampled = evidence.n - evidence.unscored.get(NOT_SAMPLED, 0)
    eligible = sampled - sum(evidence.ineligible.values())
    share = sum(unscored.values()) / eligible if eligible else None
    st.metric("Unscored", percent(share), help=help_texts.tip("unscored"))
    st.caption(escape_markdown(reasons(unscored)) or ("Every pair was scored." if eligible else "No pair is eligible."))
    if evidence.ineligible:
        st.caption(
            f"Not eligible: {percent(1 - eligible / sampled)} of {whole(sampled)} pairs, not counted above "
            f"({escape_markdown(reasons(evidence.ineligible))})",
            help=help_texts.tip("eligible"),
        )
    if any(tried.values()):
        navigation.link(
            "Exchanges", "View them", task=evidence.task, candidate=evidence.candidate, show="unscored", reason="all"
        )


def _side_by_side(evidence: TaskEvidence) -> None:
    latency, ttft = evidence.latency_ms, evidence.ttft_ms
    failed = {"frontier": evidence.frontier_failures, "candidate": evidence.failures}
    kinds = [
        kind for kind in {**failed["candidate"], **failed["frontier"]} if any(failed[role].get(kind) for role in ROLES)
    ]
    rows = [
        *(_compared(f"Latency {q}", {role: latency[role][q] for role in ROLES}, milliseconds) for q in QUANTILES),
        _compared("First token p50", {role: ttft[role].p50 for role in ROLES}, milliseconds),
        _compared("First token p99", {role: ttft[role].p99 for role in ROLES}, milliseconds),
        _compared("Cost per call", evidence.cost_usd, dollars),
        *(
            (
                f"Failed: {humanize(kind)}",
                *(_failed(failed[role].get(kind, 0), evidence.asked[role]) for role in ROLES),
                "",
            )
            for kind in kinds
        ),
    ]
    st.table(pd.DataFrame(rows, columns=["", "Frontier", "Candidate", "Ratio"]), border="horizontal", hide_index=True)
    if not kinds:
        st.caption("No reply failed.")
    if any(evidence.ttft_ms[role].n for role in ROLES):
        n = " and ".join(f"{whole(evidence.ttft_ms[role].n)} of the {role}" for role in ROLES)
        st.caption(f"First token: of streamed replies, {n}.")


def _compared(name: str, values: Mapping[Role, float | None], show: Callable[[float | None], str]) -> tuple[str, ...]:
    """A row of the table: a figure of both models, and the candidate's over the frontier's."""
    return (name, *(show(values[role]) for role in ROLES), ratio(values["candidate"], values["frontier"]))


def _failed(n: int, asked: int) -> str:
    """The number of failures, and their share of the pairs for which the model was asked."""
    return f"{whole(n)} ({percent(n / asked)})" if n and asked else whole(n)


#: The parts of a block, and the width of each in pixels.
PARTS: Final[dict[Callable[[TaskEvidence], None], int]] = {
    _agreement: 200,
    _excess: 180,
    _regret: 200,
    _unscored: 130,
    _side_by_side: 400,
}

#: Where a scale for rates may end; the first that shows the whole interval is used.
_SCALE_ENDS: Final = (0.05, 0.1, 0.2, 0.4, 1.0)

_AGAINST_CEILING: Final[dict[CeilingStatus, str]] = {
    "worse": "The candidate disagrees more than the frontier does with itself.",
    "better": "The candidate disagrees less than the frontier does with itself.",
    "undecided": "No clear difference from the frontier's disagreement with itself.",
    "no_ceiling": "",
}
