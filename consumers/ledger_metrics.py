"""The ledger as metrics: how exchanges were captured and how they ended, as of one moment.

Only the active monitor exports them, so that nothing is counted twice. When the ledger cannot be read,
nothing is exported: an old figure would look like a current one.

Reasons, like tasks, come from other processes, which could invent any number of them. Only the most
frequent reasons have a label of their own.
"""

from collections import Counter
from collections.abc import Container, Iterator, Mapping
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from consumers.runtime.task_label import task_label

#: Reasons with a label of their own, for each outcome.
MAX_REASONS: Final = 20
#: The label of all other reasons.
OTHER: Final = "other"


class LedgerMetrics(Collector):
    """The ledger as of the last `update`; no samples before it and after `clear`. `tasks` are those of the settings."""

    def __init__(self, tasks: Container[str]) -> None:
        self._tasks = tasks
        # Replaced as a whole, so that a reader in another thread sees one moment.
        self._counts: tuple[Counter[tuple[str, str, str]], Counter[tuple[str, str]]] = (Counter(), Counter())

    def update(self, ended: Mapping[tuple[str, str, str], int], captured: Mapping[tuple[str, str], int]) -> None:
        """Export these counts, which `shadow.store.read.ledger` reads.

        `ended` counts exchanges by (task, outcome, reason), `captured` by (task, outcome).
        """
        frequent = _frequent(ended)
        exchanges: Counter[tuple[str, str, str]] = Counter()
        for (task, outcome, reason), n in ended.items():
            label = reason if not reason or (outcome, reason) in frequent else OTHER
            exchanges[task_label(task, self._tasks), outcome, label] += n
        captures: Counter[tuple[str, str]] = Counter()
        for (task, outcome), n in captured.items():
            captures[task_label(task, self._tasks), outcome] += n
        self._counts = exchanges, captures

    def clear(self) -> None:
        """Export nothing until the next `update`."""
        self._counts = Counter(), Counter()

    def collect(self) -> Iterator[Metric]:
        """The samples, whenever the registry is read."""
        exchanges, captures = self._counts
        ended = GaugeMetricFamily(
            "shadow_ledger_exchanges",
            "Mirrored exchanges by how they ended, or in_flight; their sum is the number mirrored.",
            labels=("task", "outcome", "reason"),
        )
        for key, n in sorted(exchanges.items()):
            ended.add_metric(key, n)
        captured = GaugeMetricFamily(
            "shadow_ledger_captured_exchanges",
            "Exchanges by outcome of capture, as reported so far by all capturing processes.",
            labels=("task", "outcome"),
        )
        for capture, n in sorted(captures.items()):
            captured.add_metric(capture, n)
        yield ended
        yield captured


def _frequent(ended: Mapping[tuple[str, str, str], int]) -> set[tuple[str, str]]:
    """(outcome, reason) of the reasons that have a label of their own."""
    by_outcome: dict[str, Counter[str]] = {}
    for (_, outcome, reason), n in ended.items():
        by_outcome.setdefault(outcome, Counter())[reason] += n
    return {(outcome, reason) for outcome, found in by_outcome.items() for reason, _ in found.most_common(MAX_REASONS)}
