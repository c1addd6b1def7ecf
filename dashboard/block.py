"""One task and candidate on the Overview: what is known, how well, and at what price."""

from collections.abc import Callable
from datetime import datetime
from typing import Final, Literal

import pandas as pd
import streamlit as st

from dashboard import charts, configured, filters
from dashboard.accounting import reasons
from dashboard.text import between, dollars, milliseconds, moment, percent, plain, ratio, whole, words
from scoring.evidence import TaskEvidence
from scoring.verdict import Status
from shadow.records import Role

ROLES: Final[tuple[Role, ...]] = ("frontier", "candidate")
QUANTILES: Final[tuple[Literal["p50", "p99"], ...]] = ("p50", "p99")

#: Verdict on regret -> how it is said, and in which colour.
VERDICTS: Final[dict[Status, tuple[str, Literal["red", "green", "orange", "gray"]]]] = {
    "worse": ("worse than the limit", "red"),
    "not_worse": ("within the limit", "green"),
    "undecided": ("undecided", "orange"),
    "not_enough_data": ("not enough data", "gray"),
    "no_regret_source": ("regret unknown", "gray"),
}


def show(evidence: TaskEvidence, newest: datetime | None) -> None:
    """A bordered block: what agrees, what it costs, what failed."""
    with st.container(border=True):
        _head(evidence, newest)
        # In a row that wraps: on a small screen the table stands below the numbers.
        with st.container(horizontal=True, gap="medium"):
            for part, width in PARTS.items():
                with st.container(width=width):
                    part(evidence)


def _head(evidence: TaskEvidence, newest: datetime | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(plain(evidence.task), anchor=False, width="content")
        frontier = configured.frontier_of(evidence.task)
        st.caption(f"{plain(evidence.candidate)} against {plain(frontier or 'the frontier')}", width="content")
        label, colour = VERDICTS[evidence.verdict.status]
        st.badge(label, color=colour, help=plain("; ".join(evidence.verdict.reasons)))
        filters.mark_simulated(evidence.task, evidence.candidate)
        # Rollups know the hour of the newest exchange, not its minute.
        st.caption(f"{whole(evidence.n)} pairs · newest from the hour of {moment(newest)}", width="content")


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


def _lost(evidence: TaskEvidence) -> None:
    unscored = sum(evidence.unscored.values())
    st.metric("Unscored", percent(unscored / evidence.n if evidence.n else None), help=_UNSCORED)
    st.caption(plain(reasons(evidence.unscored)) or "Every pair was scored.")


def _side_by_side(evidence: TaskEvidence) -> None:
    latency, cost = evidence.latency_ms, evidence.cost_usd
    failed = {"frontier": evidence.frontier_failures, "candidate": evidence.failures}
    rows = [
        (
            f"Latency {q}",
            *(milliseconds(latency[role][q]) for role in ROLES),
            ratio(latency["candidate"][q], latency["frontier"][q]),
        )
        for q in QUANTILES
    ]
    rows.append(("Cost per call", *(dollars(cost[role]) for role in ROLES), ratio(cost["candidate"], cost["frontier"])))
    kinds = [
        kind for kind in {**failed["candidate"], **failed["frontier"]} if any(failed[role].get(kind) for role in ROLES)
    ]
    rows += [(f"Failed: {words(kind)}", *(whole(failed[role].get(kind, 0)) for role in ROLES), "") for kind in kinds]
    st.table(pd.DataFrame(rows, columns=["", "Frontier", "Candidate", "Ratio"]), border="horizontal", hide_index=True)
    if not kinds:
        st.caption("No reply failed.")


#: What a block is made of, and how many pixels wide each part is.
PARTS: Final[dict[Callable[[TaskEvidence], None], int]] = {
    _agreement: 250,
    _regret: 250,
    _lost: 150,
    _side_by_side: 430,
}

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
_UNSCORED = "Share of pairs that no scorer could judge, with the reason. Never counted as 0, nor as agreement."
