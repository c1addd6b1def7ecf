"""The lower half of the Review page: how many pairs are labelled, and how well reviewers agree."""

from collections.abc import Iterable
from typing import Final

import pandas as pd
import streamlit as st

from dashboard.data import config
from dashboard.ui import help_texts
from dashboard.ui.text import escape_markdown, percent, whole
from dashboard.views.review import reads
from dashboard.views.review.plan import Plan
from scoring.judge.calibration import Calibration
from scoring.stats.judges import agreement_of_table
from shadow.store.feedback.labels import ReviewerAgreement
from shadow.store.feedback.review import AGREEMENT, DISAGREEMENT, JUDGED_FINE, JUDGED_WORSE, STRATA, Progress

#: The strata, in words that do not reveal which model wrote which reply.
NAMES: Final = {
    JUDGED_WORSE: "judged worse",
    JUDGED_FINE: "judged fine",
    DISAGREEMENT: "not judged, replies differ",
    AGREEMENT: "not judged, replies agree",
}


def show(task: str, candidate: str, plan: Plan) -> None:
    progress = reads.progress(task, candidate, plan.since, dict(plan.probabilities))
    left, right = st.columns([3, 2], gap="medium")
    with left, st.container(border=True):
        help_texts.heading("Pairs chosen for labelling", "labelling")
        st.table(strata(progress, plan), border="horizontal", hide_index=True)
        if progress.awaiting_judge:
            st.caption(
                f"{whole(progress.awaiting_judge)} pairs wait for the judge's verdict, and are offered after it."
            )
        st.caption(labels_needed(reads.judge_calibration(task, candidate), has_judge=_has_judge(task)))
    with right, st.container(border=True):
        help_texts.heading("Reviewers", "reviewers")
        today = reads.labels_today(task, candidate)
        if not (progress.labels or today):
            st.caption("No labels yet.")
            return
        st.table(reviewers(progress, today), border="horizontal", hide_index=True)
        _agreement(reads.reviewer_agreement(task))


def strata(progress: Progress, plan: Plan) -> pd.DataFrame:
    """A row for each stratum with pairs: how many there are, how many are chosen, how many are labelled."""
    rows = [(name, progress.strata[name]) for name in STRATA if progress.strata[name].pairs]
    return pd.DataFrame(
        {
            "Chosen from": [NAMES[name] for name, _ in rows],
            "Pairs": [whole(found.pairs) for _, found in rows],
            "Probability": [f"{100 * plan.probabilities.get(name, 0):.3g}%" for name, _ in rows],
            "Chosen": [whole(found.chosen) for _, found in rows],
            "Labelled": [whole(found.labelled) for _, found in rows],
        }
    )


def reviewers(progress: Progress, today: dict[str, int]) -> pd.DataFrame:
    """A row for each reviewer: labels on pairs of this window, and labels given today."""
    names = sorted(progress.labels.keys() | today.keys())
    return pd.DataFrame(
        {
            # Tables read Markdown, and reviewers choose their names freely.
            "Reviewer": [escape_markdown(name) for name in names],
            "Labels": [whole(progress.labels[name].total()) if name in progress.labels else "0" for name in names],
            "Today": [whole(today.get(name, 0)) for name in names],
        }
    )


def _agreement(found: Iterable[ReviewerAgreement]) -> None:
    """A line for every two reviewers who labelled the same pairs."""
    pairs = [(each, agreement_of_table(each.table)) for each in found]
    if not pairs:
        st.caption("No pair has been labelled by two people yet; about one in ten is offered to a second person.")
    for each, measured in pairs:
        kappa, ac1 = (("–" if value is None else f"{value:.2f}") for value in (measured.kappa, measured.ac1))
        st.caption(
            f"**{escape_markdown(each.first)}** and **{escape_markdown(each.second)}**: same answer "
            f"{percent(measured.observed, 0)} · κ {kappa} · AC1 {ac1} · n {whole(measured.n)}"
        )


def labels_needed(judge: Calibration, *, has_judge: bool) -> str:
    """How many more labels give the wanted precision, in words."""
    precision = f"± {100 * reads.HALF_WIDTH:g} points"
    if not judge.verdicts:
        return (
            "The judge has given no verdict yet."
            if has_judge
            else f"The number of labels that give regret to within {precision} is computed from a judge's verdicts: "
            "name a model in the task's `judge`."
        )
    if judge.needed.reason == "enough":
        return f"There are enough labels and verdicts to give regret to within {precision}."
    if judge.needed.more is None:
        return f"To give regret to within {precision} the judge has to see more pairs: labels alone are not enough."
    more = whole(judge.needed.more)
    return f"**{more}** more labels, half on each verdict, give regret to within {precision}."


def _has_judge(task: str) -> bool:
    spec = config.settings().tasks.get(task)
    return spec is not None and spec.judge is not None
