"""Reads and writes of the Review page, the one page that writes: labels, and nothing else."""

from datetime import UTC, datetime, timedelta
from typing import Final

import streamlit as st
from sqlalchemy import Connection

from dashboard.data import cache, config
from dashboard.data.cache import cached, snapshot, transaction
from dashboard.data.reads import Known
from dashboard.views.review import blind
from dashboard.views.review import plan as review_plan
from dashboard.views.review.blind import Choice
from dashboard.views.review.plan import Plan
from dashboard.views.review.review_queue import BATCH, Desk, Waiting
from scoring.judge import calibration
from scoring.judge.calibration import Calibration
from scoring.judge.prompt import DEFAULT_RUBRIC
from shadow.aggregates.tally import ALL
from shadow.errors import ShadowError
from shadow.redact import Redactor
from shadow.settings import TaskSettings
from shadow.store.feedback import labels as stored_labels
from shadow.store.feedback import review
from shadow.store.feedback.labels import Label, ReviewerAgreement
from shadow.store.feedback.review import Progress
from shadow.store.read import pairs as stored_pairs
from shadow.store.read import rollup_reads
from shadow.store.read.pairs import StoredPair

#: The wanted half-width of the regret's interval, of which "labels needed" speaks.
HALF_WIDTH: Final = 0.02

#: Counting strata reads the rows of the window, so it is not done anew for every label.
_COUNTED_FOR: Final = 15

#: PostgreSQL's codes for "you may not" and "this database is for reading".
_READ_ONLY: Final = ("42501", "25006")


def rubric(task: str) -> str:
    """What makes a reply better, for people and judge alike."""
    spec = config.settings().tasks.get(task)
    return (spec.rubric if spec else None) or DEFAULT_RUBRIC


def per_day(task: str) -> int:
    """The labels a day that the task's owner plans with."""
    spec = config.settings().tasks.get(task)
    return spec.reviews_per_day if spec else int(TaskSettings.model_fields["reviews_per_day"].default)


def plan(known: Known, candidate: str) -> Plan:
    """With which chance pairs are chosen, settled for the day."""
    since = review_plan.window(known.last, payload_days=config.settings().retention.payload_days)
    settled = review_plan.settled_at(since, first=known.first, newest=known.last)
    return _plan(known.task, candidate, since, settled, per_day(known.task), _known=known)


# Kept for the day, and not for seconds: a chance that changes while a pair waits is not the one it was chosen with.
@st.cache_data(ttl=timedelta(days=1), max_entries=200, show_spinner="Counting what there is to choose from …")
def _plan(task: str, candidate: str, since: datetime, settled_at: datetime, labels: int, *, _known: Known) -> Plan:
    counted = progress(task, candidate, since, {})
    return review_plan.plan(
        counted, since=since, settled_at=settled_at, first=_known.first, newest=_known.last, per_day=labels
    )


@st.cache_data(ttl=_COUNTED_FOR, max_entries=200, show_spinner=False)
def progress(task: str, candidate: str, since: datetime, probabilities: dict[str, float]) -> Progress:
    """How far people have come with the pairs of a plan."""
    with snapshot() as connection:
        return review.review_progress(
            connection, task=task, candidate=candidate, probabilities=probabilities,
            threshold=config.disagreement_below(task), since=since,
        )  # fmt: skip


@cached
def today(task: str, candidate: str) -> dict[str, int]:
    """Labels that each reviewer gave since midnight (UTC)."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with snapshot() as connection:
        return dict(review.labelled_since(connection, task=task, candidate=candidate, since=midnight))


@cached
def agreement(task: str) -> list[ReviewerAgreement]:
    """What every two reviewers said of the pairs that both labelled."""
    with snapshot() as connection:
        return stored_labels.reviewer_agreement(connection, task=task)


@cached
def judge(task: str, candidate: str) -> Calibration:
    """The judge held against people, over everything stored, as `shadow judge calibrate` does."""
    with snapshot() as connection:
        cells = rollup_reads.read(
            connection, task=task, candidate=candidate, kinds=cache.KINDS, dimension=ALL[0], per="window",
            histograms=False,
        )  # fmt: skip
    return calibration.calibrate(cells, half_width=HALF_WIDTH)


def in_front(desk: Desk, task: str, candidate: str, settled: Plan) -> StoredPair | None:
    """The pair in front of the reviewer, fetched anew; None where nothing is left to label.

    Pairs that somebody else has labelled meanwhile, and those whose words are gone, are passed over.
    """
    refilled = False
    with snapshot() as connection:
        while True:
            if desk.current is None and desk.take() is None:
                if refilled:
                    return None
                refilled = True
                desk.refill(_awaiting(connection, desk, task, candidate, settled))
                continue
            if desk.current is not None and (pair := _fit(connection, desk.current)) is not None:
                return pair
            desk.drop()


def _awaiting(connection: Connection, desk: Desk, task: str, candidate: str, settled: Plan) -> list[review.ReviewPair]:
    return review.awaiting_label(
        connection, task=task, candidate=candidate, reviewer=desk.reviewer, probabilities=settled.probabilities,
        threshold=config.disagreement_below(task), since=settled.since, limit=BATCH + len(desk.skipped),
        second_opinions=review_plan.SECOND_OPINIONS,
    )  # fmt: skip


def _fit(connection: Connection, waiting: Waiting) -> StoredPair | None:
    pair = stored_pairs.by_key(connection, [waiting.name]).get(waiting.name)
    if pair is None or not pair.payload_kept or (pair.human is not None and not waiting.second):
        return None
    return pair


def label(desk: Desk, choice: Choice, note: str) -> None:
    """Store what the reviewer says of the pair in front of them, counted at once."""
    waiting = desk.current
    if waiting is None:
        return
    frontier_left = blind.frontier_is_left(waiting.name, desk.reviewer)
    redactor = Redactor(config.settings().redaction)
    try:
        said = Label(
            **waiting.name._asdict(),
            reviewer=desk.reviewer,
            preference=blind.preference(choice, frontier_left=frontier_left),
            probability=waiting.probability,
            stratum=waiting.stratum,
            note=redactor.text(note.strip()),
            labelled_at=datetime.now(UTC),
        )
        with transaction() as connection:
            given = stored_labels.record_labels(connection, [said])
    except ShadowError as fault:
        desk.trouble = refused(fault)
        return
    desk.done()
    if given.unknown or given.not_comparable:
        desk.trouble = "That pair is no longer stored, so the label was not kept."
    cache.forget()


def undo(desk: Desk, task: str, candidate: str) -> None:
    """Take back the reviewer's last word, and put its pair in front of them again."""
    if desk.last_was_skip:
        desk.put_back(desk.skipped[-1])
        return
    try:
        with snapshot() as connection:
            last = review.last_label(connection, task=task, candidate=candidate, reviewer=desk.reviewer)
        if last is None:
            desk.trouble = "There is nothing to take back."
            return
        with transaction() as connection:
            stored_labels.remove_label(connection, last.pair, desk.reviewer)
    except ShadowError as fault:
        desk.trouble = refused(fault)
        return
    # Whether it was a second opinion or not: it is to be shown, whoever else labelled it.
    desk.put_back(Waiting(last.pair, last.probability, last.stratum, second=True), note=last.note)
    cache.forget()


def refused(fault: ShadowError) -> str:
    """Why something could not be written, in one line."""
    code = getattr(getattr(fault.__cause__, "orig", None), "sqlstate", None)
    hint = (
        " This dashboard may only read: its database role needs the right to write labels."
        if code in _READ_ONLY
        else ""
    )
    return f"Nothing was stored, and nothing changed. {fault}.{hint}"
