"""The writes of the Review page, which no other page has: store a label, undo it."""

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection

from dashboard.data import cache, config
from dashboard.data.cache import snapshot, transaction
from dashboard.views.review import plan as plans
from dashboard.views.review import side_assignment
from dashboard.views.review.plan import Plan
from dashboard.views.review.review_queue import BATCH, QueuedPair, ReviewQueue
from dashboard.views.review.side_assignment import Choice
from shadow.errors import ShadowError
from shadow.redact import Redactor
from shadow.store.feedback import labels as stored_labels
from shadow.store.feedback import review
from shadow.store.feedback.labels import Label
from shadow.store.read import pairs as stored_pairs
from shadow.store.read.pairs import StoredPair

#: PostgreSQL's error codes for a missing privilege and for a read-only database.
_READ_ONLY: Final = ("42501", "25006")


def current_pair(queue: ReviewQueue, task: str, candidate: str, plan: Plan) -> StoredPair | None:
    """The pair to show, read from the store; None where none is left to label.

    Skips pairs that another person has labelled meanwhile, and pairs whose text was deleted.
    """
    refilled = False
    with snapshot() as connection:
        while True:
            if queue.current is None and queue.advance() is None:
                if refilled:
                    return None
                refilled = True
                queue.refill(_awaiting_label(connection, queue, task, candidate, plan))
                continue
            if queue.current is not None and (pair := _if_open(connection, queue.current)) is not None:
                return pair
            queue.discard_current()


def _awaiting_label(
    connection: Connection, queue: ReviewQueue, task: str, candidate: str, plan: Plan
) -> list[review.ReviewPair]:
    return review.awaiting_label(
        connection, task=task, candidate=candidate, reviewer=queue.reviewer, probabilities=plan.probabilities,
        threshold=config.agreement_threshold(task), since=plan.since, limit=BATCH + len(queue.skipped),
        second_opinions=plans.SECOND_OPINIONS,
    )  # fmt: skip


def _if_open(connection: Connection, queued: QueuedPair) -> StoredPair | None:
    """The stored pair, where it can still be labelled."""
    pair = stored_pairs.by_key(connection, [queued.name]).get(queued.name)
    if pair is None or not pair.payload_kept or (pair.human is not None and not queued.second):
        return None
    return pair


def label(queue: ReviewQueue, choice: Choice, note: str) -> None:
    """Store the reviewer's choice for the current pair. Cached figures are read again at once."""
    queued = queue.current
    if queued is None:
        return
    frontier_left = side_assignment.frontier_is_left(queued.name, queue.reviewer)
    redactor = Redactor(config.settings().redaction)
    try:
        new = Label(
            **queued.name._asdict(),
            reviewer=queue.reviewer,
            preference=side_assignment.to_preference(choice, frontier_left=frontier_left),
            probability=queued.probability,
            stratum=queued.stratum,
            note=redactor.text(note.strip()),
            labelled_at=datetime.now(UTC),
        )
        with transaction() as connection:
            stored = stored_labels.record_labels(connection, [new])
    except ShadowError as error:
        queue.error = write_error(error)
        return
    queue.finish_current()
    if stored.unknown or stored.not_comparable:
        queue.error = "That pair is no longer stored, so the label was not kept."
    cache.clear()


def undo(queue: ReviewQueue, task: str, candidate: str) -> None:
    """Undo the reviewer's last skip or remove their last label, and show that pair again."""
    if queue.last_was_skip:
        queue.bring_back(queue.skipped[-1])
        return
    try:
        with snapshot() as connection:
            last = review.last_label(connection, task=task, candidate=candidate, reviewer=queue.reviewer)
        if last is None:
            queue.error = "There is no label to undo."
            return
        with transaction() as connection:
            stored_labels.remove_label(connection, last.pair, queue.reviewer)
    except ShadowError as error:
        queue.error = write_error(error)
        return
    # As a second opinion, whether it was one or not: `current_pair` then shows it although another person labelled it.
    queue.bring_back(QueuedPair(last.pair, last.probability, last.stratum, second=True), note=last.note)
    cache.clear()


def write_error(error: ShadowError) -> str:
    """Why something could not be written, in one line."""
    code = getattr(getattr(error.__cause__, "orig", None), "sqlstate", None)
    hint = (
        " This dashboard may only read: grant its database role the right to write labels."
        if code in _READ_ONLY
        else ""
    )
    return f"Nothing was stored. {error}.{hint}"
