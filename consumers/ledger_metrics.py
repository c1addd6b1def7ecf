"""The ledger as a metric: how exchanges were captured and how they ended, as of one moment.

One process tells it, the monitor that is active, so that nothing is counted twice. What it cannot
read it does not tell: a figure that is old looks like one that is true.

Reasons, like tasks, come from other people's processes, which could make up any number of them. Those
of which there are most are told by name.
"""

from collections import Counter
from collections.abc import Container, Iterator, Mapping
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from consumers.runtime.task_label import task_label

#: Reasons told apart, of each outcome.
MAX_REASONS: Final = 20
#: The reason label of all others.
OTHER: Final = "other"


class LedgerMetrics(Collector):
    """What was last told of the ledger; no samples until then. `tasks` are those of the settings."""

    def __init__(self, tasks: Container[str]) -> None:
        self._tasks = tasks
        # Replaced as a whole, so that a reader in another thread sees one moment.
        self._told: tuple[Counter[tuple[str, str, str]], Counter[tuple[str, str]]] = (Counter(), Counter())

    def tell(self, ended: Mapping[tuple[str, str, str], int], captured: Mapping[tuple[str, str], int]) -> None:
        """From now on tell these, as `shadow.store.read.ledger` reads them."""
        kept = _frequent(ended)
        exchanges: Counter[tuple[str, str, str]] = Counter()
        for (task, outcome, reason), n in ended.items():
            label = reason if not reason or (outcome, reason) in kept else OTHER
            exchanges[task_label(task, self._tasks), outcome, label] += n
        captures: Counter[tuple[str, str]] = Counter()
        for (task, outcome), n in captured.items():
            captures[task_label(task, self._tasks), outcome] += n
        self._told = exchanges, captures

    def forget(self) -> None:
        """Tell nothing any more."""
        self._told = Counter(), Counter()

    def collect(self) -> Iterator[Metric]:
        """What the registry asks for when somebody looks."""
        exchanges, captures = self._told
        ended = GaugeMetricFamily(
            "shadow_ledger_exchanges",
            "Mirrored exchanges by how they ended or in_flight; mirrored is the sum.",
            labels=("task", "outcome", "reason"),
        )
        for key, n in sorted(exchanges.items()):
            ended.add_metric(key, n)
        captured = GaugeMetricFamily(
            "shadow_ledger_captured_exchanges",
            "Exchanges by outcome of capture, of all capturing processes, as far as they have said.",
            labels=("task", "outcome"),
        )
        for capture, n in sorted(captures.items()):
            captured.add_metric(capture, n)
        yield ended
        yield captured


def _frequent(ended: Mapping[tuple[str, str, str], int]) -> set[tuple[str, str]]:
    """(outcome, reason) of the reasons that are told by name."""
    by_outcome: dict[str, Counter[str]] = {}
    for (_, outcome, reason), n in ended.items():
        by_outcome.setdefault(outcome, Counter())[reason] += n
    return {(outcome, reason) for outcome, found in by_outcome.items() for reason, _ in found.most_common(MAX_REASONS)}
