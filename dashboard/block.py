"""One task and candidate on the Overview: what is known, how well, and at what price."""

from datetime import datetime

import pandas as pd
import streamlit as st

from dashboard import charts, filters, frames
from dashboard.accounting import reasons
from dashboard.text import between, dollars, milliseconds, percent, plain, ratio, whole
from scoring.evidence import TaskEvidence


def show(evidence: TaskEvidence, newest: datetime | None, now: datetime) -> None:
    """A bordered block: what agrees, what it costs, what failed."""
    with st.container(border=True):
        _head(evidence, newest, now)
        columns = st.columns(4, gap="medium")
        for column, part in zip(columns, (_agreement, _regret, _failed, _unscored), strict=True):
            with column:
                part(evidence)
        _side_by_side(evidence)


def _head(evidence: TaskEvidence, newest: datetime | None, now: datetime) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(plain(evidence.task), anchor=False, width="content")
        frontier = frames.frontier_of(evidence.task)
        st.caption(f"{plain(evidence.candidate)} against {plain(frontier or 'the frontier')}", width="content")
        filters.mark_simulated(evidence.task, evidence.candidate)


def _agreement(evidence: TaskEvidence) -> None:
    found = evidence.agreement
    if found is None:
        st.metric("Agreement", "–", help=_AGREEMENT)
        st.caption("No pair could be scored.")
        return
    ceiling = evidence.ceiling
    st.metric(
        "Agreement", percent(found.estimate), delta=between(found.low, found.high),
        delta_color="off", delta_arrow="off", help=_AGREEMENT,
    )  # fmt: skip
    st.altair_chart(charts.ruler(found.estimate, found.low, found.high, ceiling.estimate if ceiling else None))
    st.caption(
        f"n {whole(found.n)} · "
        + (f"ceiling {percent(ceiling.estimate)} (n {whole(ceiling.n)})" if ceiling else "ceiling unknown")
    )


def _regret(evidence: TaskEvidence) -> None:
    found = evidence.regret
    if found is None:
        agreement = evidence.agreement
        st.metric("Disagreement", percent(1 - agreement.estimate if agreement else None), help=_DISAGREEMENT)
        st.caption("Regret unknown: no label, reference or judge says which reply is better.")
        return
    st.metric(
        "Regret", percent(found.estimate), delta=between(found.low, found.high),
        delta_color="off", delta_arrow="off", help=_REGRET,
    )  # fmt: skip
    st.altair_chart(charts.ruler(found.estimate, found.low, found.high, worst=True))
    st.caption(f"n {whole(found.n)} · by {plain(found.source or '')}")


def _failed(evidence: TaskEvidence) -> None:
    failed = sum(evidence.failures.values())
    st.metric("Candidate failed", percent(failed / evidence.n if evidence.n else None), help=_FAILED)
    st.caption(reasons(evidence.failures) or "No reply failed.")


def _unscored(evidence: TaskEvidence) -> None:
    unscored = sum(evidence.unscored.values())
    st.metric("Unscored", percent(unscored / evidence.n if evidence.n else None), help=_UNSCORED)
    st.caption(plain(reasons(evidence.unscored)) or "Every pair was scored.")


def _side_by_side(evidence: TaskEvidence) -> None:
    latency, cost = evidence.latency_ms, evidence.cost_usd
    rows = [
        (f"Latency {q}", milliseconds(latency["frontier"][q]), milliseconds(latency["candidate"][q]),
         ratio(latency["candidate"][q], latency["frontier"][q]))
        for q in ("p50", "p99")
    ]  # fmt: skip
    rows.append(("Cost per call", dollars(cost["frontier"]), dollars(cost["candidate"]), ratio(cost["candidate"], cost["frontier"])))
    st.table(pd.DataFrame(rows, columns=["", "Frontier", "Candidate", "Ratio"]), border="horizontal", hide_index=True)


_AGREEMENT = (
    "The mean agreement of the scored pairs, each weighted by 1 / its chance of being sampled, with a 95% interval "
    "that stays valid however often you look. The violet mark is the ceiling: how often the frontier agrees with "
    "itself. Unscored pairs are not in it."
)
_REGRET = (
    "How much worse the candidate's reply is than the frontier's, from 0 to 1, where somebody knows: a person's "
    "label first, then the right answer, then a judge."
)
_DISAGREEMENT = "1 − agreement. It is not regret: where they disagree, the candidate may be the one that is right."
_FAILED = "Share of the candidate's replies that could not be had or read. Failures are never counted as disagreement."
_UNSCORED = "Share of pairs that no scorer could judge, with the reason. Never counted as 0, nor as agreement."
