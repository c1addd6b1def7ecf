"""The gateway's Prometheus metrics.

No label holds an id or a name from a request: task labels are the tasks of the settings, so
a client that makes up task names cannot make up time series.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from shadow.records import Role

#: `counts[task][outcome]`, as in `CaptureCounts`.
Counts: TypeAlias = Mapping[str, Mapping[str, int]]

CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"

#: Task label of what belongs to no task of the settings.
NO_TASK: Final = "none"
#: Status label of a request whose client hung up before the answer (nginx's convention).
HUNG_UP: Final = 499

_SECONDS: Final = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class Metrics:
    """One gateway's figures, in a registry of their own."""

    def __init__(self, counts: Callable[[], Counts]) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "shadow_gateway_requests",
            "Requests answered, by task, status sent to the client, and arm that served.",
            ("task", "status", "arm"),
            registry=self._registry,
        )
        self._upstream = Histogram(
            "shadow_gateway_upstream_seconds",
            "From sending a request to the last byte of its answer.",
            ("task", "arm"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._unmirrored = Counter(
            "shadow_gateway_unmirrored",
            "Requests to mirrored paths that were not offered to the publisher, by reason.",
            ("reason",),
            registry=self._registry,
        )
        self.in_flight = Gauge(
            "shadow_gateway_in_flight", "Requests that are being served now.", registry=self._registry
        )
        self._registry.register(_Captured(counts))

    def served(self, *, task: str | None, arm: Role, status: int, seconds: float) -> None:
        """Count one answered request that took `seconds`."""
        self._requests.labels(task or NO_TASK, str(status), arm).inc()
        self._upstream.labels(task or NO_TASK, arm).observe(seconds)

    def unmirrored(self, reason: str) -> None:
        self._unmirrored.labels(reason).inc()

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry)


class _Captured(Collector):
    """Capture's own cumulative counts, read when somebody looks."""

    def __init__(self, counts: Callable[[], Counts]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(
            "shadow_capture_exchanges",
            "Exchanges by outcome of capture; accepted = mirrored + dropped + queued.",
            labels=("task", "outcome"),
        )
        for task, outcomes in self._counts().items():
            for outcome, count in outcomes.items():
                family.add_metric((task, outcome), count)
        yield family
