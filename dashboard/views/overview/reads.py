"""Cached reads of the Overview."""

from dashboard.data.cache import KINDS, cached, snapshot
from dashboard.data.config import settings
from dashboard.data.windows import Window
from scoring.evidence import report
from scoring.evidence.report import TaskEvidence
from shadow.aggregates.tally import ALL
from shadow.store.read import ledger as stored_ledger
from shadow.store.read import rollup_reads
from shadow.store.read.ledger import Ledger


@cached
def ledger(task: str | None) -> Ledger:
    """The outcome of every exchange, of one task or of all."""
    with snapshot() as connection:
        return stored_ledger.read(connection, task=task)


@cached
def evidence(task: str | None, window: Window) -> list[TaskEvidence]:
    """Evidence of every task and candidate, or of one task's candidates; without segments."""
    with snapshot() as connection:
        found = rollup_reads.read(
            connection, task=task, kinds=(*KINDS, "ceiling", "excess"), since=window.since, until=window.until,
            dimension=ALL[0], per="window",
        )  # fmt: skip
    return report.evidence(found, tasks=settings().tasks)
