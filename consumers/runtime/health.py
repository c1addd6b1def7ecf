"""What a service reports to its operators: /livez, /readyz and /metrics."""

import asyncio
import time
from collections.abc import Iterator
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from shadow.errors import UsageError


class HealthState:
    """The current problems and the metrics of one service.

    `/livez` answers while the event loop runs, whatever state the dependencies are in. `/readyz` answers
    503 with a line for each current problem.
    """

    def __init__(self) -> None:
        self._problems: dict[str, str] = {}
        self.registry: Final = CollectorRegistry()

    def set_problem(self, subject: str, text: str | None) -> None:
        """Report a problem with `subject`, in place of an earlier one; None reports that it is solved."""
        if text is None:
            self._problems.pop(subject, None)
        else:
            self._problems[subject] = text

    @property
    def problems(self) -> list[str]:
        return list(self._problems.values())

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """A new counter; `name` is its full name without `_total`."""
        return Counter(name, text, labels, registry=self.registry)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """A new gauge; `name` is its full name."""
        return Gauge(name, text, labels, registry=self.registry)

    async def serve(self, host: str, port: int) -> web.AppRunner:
        """Answer on `host`:`port` (0: any free one) until the runner's `cleanup()`.

        Raises UsageError for a port that cannot be listened on.
        """
        application = web.Application()
        application.router.add_get("/livez", self._livez)
        application.router.add_get("/readyz", self._readyz)
        application.router.add_get("/metrics", self._metrics)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            await runner.cleanup()
            raise UsageError(
                f"cannot listen on the health port {host}:{port} ({error.strerror}); "
                "set another `health_port` for this service in shadow.toml"
            ) from None
        return runner

    async def _livez(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        if self._problems:
            return web.Response(status=503, text="".join(f"{text}\n" for text in self.problems))
        return web.Response(text="ok\n")

    async def _metrics(self, _: web.Request) -> web.Response:
        body = await asyncio.to_thread(generate_latest, self.registry)
        return web.Response(body=body, headers={"content-type": CONTENT_TYPE_LATEST})


class ConsumerHealth(HealthState, Collector):
    """The health of a Kafka consumer. Its metrics are named `shadow_<service>_…`.

    The busy share of the concurrency is `rate(shadow_<service>_slot_seconds_total) / shadow_<service>_concurrency`.
    """

    def __init__(self, service: str) -> None:
        super().__init__()
        prefix = f"shadow_{service}_"
        self.messages: Final = self.counter(prefix + "messages", "Messages handled to the end.", "topic")
        self.dead_letters: Final = self.counter(
            prefix + "dead_letters", "Messages that could not be processed.", "reason"
        )
        self.lag: Final = self.gauge(prefix + "lag", "Messages that are not finished yet.", "topic", "partition")
        self.concurrency: Final = self.gauge(prefix + "concurrency", "Maximum number of messages in flight.")
        self.gauge(prefix + "in_flight", "Messages in flight.").set_function(lambda: self._in_flight)
        self._slot_seconds_name: Final = prefix + "slot_seconds"
        self._slot_seconds = 0.0
        self._in_flight = 0
        self._changed_at = time.monotonic()
        self.registry.register(self)

    @property
    def in_flight(self) -> int:
        return self._in_flight

    def change_in_flight(self, by: int) -> None:
        """Note that `by` more messages (fewer, if negative) are in flight."""
        now = time.monotonic()
        self._slot_seconds += self._in_flight * (now - self._changed_at)
        self._changed_at = now
        self._in_flight += by

    def collect(self) -> Iterator[Metric]:
        """The slot seconds, which are counted here because every message changes them twice."""
        yield CounterMetricFamily(self._slot_seconds_name, "Seconds that messages were in flight.", self._slot_seconds)
