"""How far the labelling has come, and how well people agree: the lower half of the Review page."""

from collections.abc import Iterable
from typing import Final

import pandas as pd
import streamlit as st

from dashboard.data import config
from dashboard.ui import help_texts
from dashboard.ui.text import percent, plain, whole
from dashboard.views.review import reviewing
from dashboard.views.review.plan import Plan
from scoring.judge.calibration import Calibration
from scoring.stats.judges import agreement_of_table
from shadow.store.feedback.labels import ReviewerAgreement
from shadow.store.feedback.review import AGREEMENT, DISAGREEMENT, JUDGED_FINE, JUDGED_WORSE, STRATA, Progress

#: What pairs are chosen from, in words that do not tell which reply is whose.
NAMES: Final = {
    JUDGED_WORSE: "judged worse",
    JUDGED_FINE: "judged fine",
    DISAGREEMENT: "not judged, replies differ",
    AGREEMENT: "not judged, replies agree",
}


def show(task: str, candidate: str, settled: Plan) -> None:
    progress = reviewing.progress(task, candidate, settled.since, dict(settled.probabilities))
    left, right = st.columns([3, 2], gap="medium")
    with left, st.container(border=True):
        help_texts.heading("What is chosen", "labelling")
        st.table(strata(progress, settled), border="horizontal", hide_index=True)
        if progress.awaiting_judge:
            st.caption(
                f"{whole(progress.awaiting_judge)} pairs wait for the judge, and are offered once it has looked."
            )
        st.caption(needed(reviewing.judge(task, candidate), has_judge=_has_judge(task)))
    with right, st.container(border=True):
        help_texts.heading("Reviewers", "reviewers")
        today = reviewing.today(task, candidate)
        if not (progress.labels or today):
            st.caption("Nobody has labelled anything here yet.")
            return
        st.table(reviewers(progress, today), border="horizontal", hide_index=True)
        between(reviewing.agreement(task))


def strata(progress: Progress, settled: Plan) -> pd.DataFrame:
    """A row for everything that pairs are chosen from: how many there are, are chosen, and are labelled."""
    rows = [(name, progress.strata[name]) for name in STRATA if progress.strata[name].pairs]
    return pd.DataFrame(
        {
            "Chosen from": [NAMES[name] for name, _ in rows],
            "Pairs": [whole(found.pairs) for _, found in rows],
            "Chance": [f"{100 * settled.probabilities.get(name, 0):.3g}%" for name, _ in rows],
            "Chosen": [whole(found.chosen) for _, found in rows],
            "Labelled": [whole(found.labelled) for _, found in rows],
        }
    )


def reviewers(progress: Progress, today: dict[str, int]) -> pd.DataFrame:
    """A row for each reviewer: labels of this window's pairs, and labels given today."""
    names = sorted(progress.labels.keys() | today.keys())
    return pd.DataFrame(
        {
            # A table reads Markdown, and anybody may call themselves anything.
            "Reviewer": [plain(name) for name in names],
            "Labels": [whole(progress.labels[name].total()) if name in progress.labels else "0" for name in names],
            "Today": [whole(today.get(name, 0)) for name in names],
        }
    )


def between(found: Iterable[ReviewerAgreement]) -> None:
    """A line for every two reviewers who labelled the same pairs."""
    pairs = [(each, agreement_of_table(each.table)) for each in found]
    if not pairs:
        st.caption("No pair has been labelled by two people yet; about one in ten is offered to a second person.")
    for each, measured in pairs:
        kappa, ac1 = (("–" if value is None else f"{value:.2f}") for value in (measured.kappa, measured.ac1))
        st.caption(
            f"**{plain(each.first)}** and **{plain(each.second)}**: same answer {percent(measured.observed, 0)} · "
            f"κ {kappa} · AC1 {ac1} · n {whole(measured.n)}"
        )


def needed(judge: Calibration, *, has_judge: bool) -> str:
    """How many labels more it takes."""
    wanted = f"± {100 * reviewing.HALF_WIDTH:g} points"
    if not judge.verdicts:
        return (
            "The judge has not looked at any pair yet."
            if has_judge
            else f"How many labels it takes to know regret to within {wanted} is told from a judge's verdicts: "
            "name a model in the task's `judge`."
        )
    if judge.needed.reason == "enough":
        return f"Labels and the judge's verdicts are enough to know regret to within {wanted}."
    if judge.needed.more is None:
        return f"To know regret to within {wanted} the judge has to look at more pairs: labels alone cannot do it."
    more = whole(judge.needed.more)
    return f"**{more}** more labels, half on each verdict, and regret is known to within {wanted}."


def _has_judge(task: str) -> bool:
    spec = config.settings().tasks.get(task)
    return spec is not None and spec.judge is not None
