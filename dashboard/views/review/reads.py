"""Cached reads of the Review page: the plan, its progress, today's labels, and agreement between reviewers."""

from datetime import UTC, datetime, timedelta
from typing import Final

import streamlit as st

from dashboard.data import cache, config
from dashboard.data.cache import cached, snapshot
from dashboard.views.review import plan as plans
from dashboard.views.review.plan import Plan
from scoring.judge import calibration
from scoring.judge.calibration import Calibration
from scoring.judge.prompt import DEFAULT_RUBRIC
from shadow.aggregates.tally import ALL
from shadow.settings import TaskSettings
from shadow.store.feedback import labels as stored_labels
from shadow.store.feedback import review
from shadow.store.feedback.labels import ReviewerAgreement
from shadow.store.feedback.review import Progress
from shadow.store.read import rollup_reads
from shadow.store.read.catalogue import TaskEntry

#: The half-width of the regret's interval for which the page counts the labels that are still needed.
HALF_WIDTH: Final = 0.02

#: Seconds for which progress is cached: counting strata reads the rows of the window, too slow for every label.
_PROGRESS_TTL: Final = 15


def rubric(task: str) -> str:
    """What makes a reply better, for people and judge alike."""
    spec = config.settings().tasks.get(task)
    return (spec.rubric if spec else None) or DEFAULT_RUBRIC


def labels_per_day(task: str) -> int:
    """The number of labels a day that the task's owner plans."""
    spec = config.settings().tasks.get(task)
    return spec.reviews_per_day if spec else int(TaskSettings.model_fields["reviews_per_day"].default)


def plan(entry: TaskEntry, candidate: str) -> Plan:
    """With which probability pairs are chosen, fixed for the day."""
    since = plans.window_start(entry.last_hour, payload_days=config.settings().retention.payload_days)
    fixed_at = plans.fixed_at(since, first=entry.first_hour, newest=entry.last_hour)
    return _plan(entry.task, candidate, since, fixed_at, labels_per_day(entry.task), _entry=entry)


# For a day, not for seconds: the probability of a pair that waits must stay the one it was chosen with.
@st.cache_data(ttl=timedelta(days=1), max_entries=200, show_spinner="Counting the pairs to choose from …")
def _plan(task: str, candidate: str, since: datetime, fixed_at: datetime, per_day: int, *, _entry: TaskEntry) -> Plan:
    counted = progress(task, candidate, since, {})
    return plans.plan(
        counted, since=since, fixed_at=fixed_at, first=_entry.first_hour, newest=_entry.last_hour, per_day=per_day
    )


@st.cache_data(ttl=_PROGRESS_TTL, max_entries=200, show_spinner=False)
def progress(task: str, candidate: str, since: datetime, probabilities: dict[str, float]) -> Progress:
    """How many pairs of a plan are chosen, and how many are labelled."""
    with snapshot() as connection:
        return review.review_progress(
            connection, task=task, candidate=candidate, probabilities=probabilities,
            threshold=config.agreement_threshold(task), since=since,
        )  # fmt: skip


@cached
def labels_today(task: str, candidate: str) -> dict[str, int]:
    """The number of labels of each reviewer since midnight (UTC)."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with snapshot() as connection:
        return dict(review.labelled_since(connection, task=task, candidate=candidate, since=midnight))


@cached
def reviewer_agreement(task: str) -> list[ReviewerAgreement]:
    """The labels of every two reviewers on the pairs that both labelled."""
    with snapshot() as connection:
        return stored_labels.reviewer_agreement(connection, task=task)


@cached
def judge_calibration(task: str, candidate: str) -> Calibration:
    """The judge compared with people, over everything stored, as `shadow judge calibrate` does."""
    with snapshot() as connection:
        cells = rollup_reads.read(
            connection, task=task, candidate=candidate, kinds=cache.KINDS, dimension=ALL[0], per="window",
            histograms=False,
        )  # fmt: skip
    return calibration.calibrate(cells, half_width=HALF_WIDTH)
