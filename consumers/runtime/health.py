"""What a service tells its operators: /livez, /readyz and /metrics."""

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
    """The state and the measures of one service.

    `/livez` says that the event loop turns, whatever became of the dependencies; `/readyz`
    answers 503 with one line for each thing that is amiss.
    """

    def __init__(self) -> None:
        self._problems: dict[str, str] = {}
        self.registry: Final = CollectorRegistry()

    def set_problem(self, what: str, text: str | None) -> None:
        """`what` is amiss as `text` says, or well again with None."""
        if text is None:
            self._problems.pop(what, None)
        else:
            self._problems[what] = text

    @property
    def problems(self) -> list[str]:
        return list(self._problems.values())

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """A further counter, named in full without its `_total`."""
        return Counter(name, text, labels, registry=self.registry)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """A further gauge, named in full."""
        return Gauge(name, text, labels, registry=self.registry)

    async def serve(self, host: str, port: int) -> web.AppRunner:
        """Answer on `host`:`port` (0: any free one) until the runner's `cleanup()`.

        Raises UsageError for a port that cannot be had.
        """
        application = web.Application()
        application.router.add_get("/livez", self._livez)
        application.router.add_get("/readyz", self._readyz)
        application.router.add_get("/metrics", self._metrics)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as fault:
            await runner.cleanup()
            raise UsageError(f"health port {host}:{port} cannot be had ({fault.strerror}); set `health_port`") from None
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
    """The health of a consumer. `service` starts the names of its measures.

    The share of the concurrency that is busy is
    `rate(shadow_<service>_slot_seconds_total) / shadow_<service>_concurrency`.
    """

    def __init__(self, service: str) -> None:
        super().__init__()
        start = f"shadow_{service}_"
        self.messages: Final = self.counter(start + "messages", "Messages handled to the end.", "topic")
        self.dead_letters: Final = self.counter(start + "dead_letters", "Messages nobody could process.", "reason")
        self.lag: Final = self.gauge(start + "lag", "Messages not finished yet.", "topic", "partition")
        self.concurrency: Final = self.gauge(start + "concurrency", "Most messages in hand at once.")
        self.gauge(start + "in_flight", "Messages in hand.").set_function(lambda: self._in_hand)
        self._slot_seconds_name: Final = start + "slot_seconds"
        self._slot_seconds = 0.0
        self._in_hand = 0
        self._changed_at = time.monotonic()
        self.registry.register(self)

    @property
    def in_hand(self) -> int:
        return self._in_hand

    def take(self, messages: int) -> None:
        """So many more messages (fewer, if negative) are in hand."""
        now = time.monotonic()
        self._slot_seconds += self._in_hand * (now - self._changed_at)
        self._changed_at = now
        self._in_hand += messages

    def collect(self) -> Iterator[Metric]:
        """What the registry asks for when somebody looks. Counted here, where every message passes twice."""
        yield CounterMetricFamily(self._slot_seconds_name, "Seconds of messages in hand.", self._slot_seconds)
