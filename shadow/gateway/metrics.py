"""The gateway's Prometheus metrics.

Requests only add to plain numbers, on the one thread that serves them; these become metrics when
`/metrics` is requested. No label holds an id or a name from a request: task labels are the tasks
of the settings, so a client that makes up task names cannot make up time series.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate
from typing import Final, TypeAlias

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from shadow.records import Role

#: `counts[task][outcome]`, as in `CaptureCounts`.
Counts: TypeAlias = Mapping[str, Mapping[str, int]]

CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"

#: Task label of requests that belong to no task of the settings.
NO_TASK: Final = "none"
#: Status label of a request whose client disconnected before the answer (nginx's convention).
CLIENT_CLOSED_REQUEST: Final = 499

#: Upper edges of the histogram's buckets.
_SECONDS: Final = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_EDGES: Final = (*(str(edge) for edge in _SECONDS), "+Inf")


class _Durations:
    """A histogram of durations in seconds, and their sum."""

    def __init__(self) -> None:
        self._counts = [0] * len(_EDGES)
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        self._counts[bisect_left(_SECONDS, seconds)] += 1
        self.sum += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Per upper edge, how many took at most that long."""
        return list(zip(_EDGES, accumulate(self._counts), strict=True))


class Metrics(Collector):
    """One gateway's figures, in a registry of their own. `in_flight` is the requests being served now."""

    def __init__(self, counts: Callable[[], Counts]) -> None:
        self.in_flight = 0
        self._captured = counts
        self._requests: Counter[tuple[str, int, Role]] = Counter()
        self._upstream: defaultdict[tuple[str, Role], _Durations] = defaultdict(_Durations)
        self._unmirrored: Counter[str] = Counter()
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def served(self, *, task: str | None, arm: Role, status: int, seconds: float) -> None:
        """Count one answered request that took `seconds`."""
        label = task or NO_TASK
        self._requests[label, status, arm] += 1
        self._upstream[label, arm].add(seconds)

    def unmirrored(self, reason: str) -> None:
        self._unmirrored[reason] += 1

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment, for the registry."""
        requests = CounterMetricFamily(
            "shadow_gateway_requests",
            "Requests answered, by task, status sent to the client, and arm that served.",
            labels=("task", "status", "arm"),
        )
        for (task, status, arm), number in self._requests.items():
            requests.add_metric((task, str(status), arm), number)
        upstream = HistogramMetricFamily(
            "shadow_gateway_upstream_seconds",
            "From sending a request to the last byte of its answer.",
            labels=("task", "arm"),
        )
        for labels, durations in self._upstream.items():
            upstream.add_metric(labels, durations.buckets(), durations.sum)
        unmirrored = CounterMetricFamily(
            "shadow_gateway_unmirrored",
            "Requests to mirrored paths that were not offered to the publisher, by reason.",
            labels=("reason",),
        )
        for reason, number in self._unmirrored.items():
            unmirrored.add_metric((reason,), number)
        captured = CounterMetricFamily(
            "shadow_capture_exchanges",
            "Exchanges by outcome of capture; accepted = mirrored + dropped + queued.",
            labels=("task", "outcome"),
        )
        for task, outcomes in self._captured().items():
            for outcome, number in outcomes.items():
                captured.add_metric((task, outcome), number)
        yield requests
        yield upstream
        yield unmirrored
        yield captured
        yield GaugeMetricFamily("shadow_gateway_in_flight", "Requests that are being served now.", self.in_flight)
