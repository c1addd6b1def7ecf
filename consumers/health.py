"""What a consumer tells its operators: /livez, /readyz and /metrics."""

import asyncio
import time
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest

from shadow.errors import UsageError


class Health:
    """The state and the measures of one consumer. `service` starts their names.

    `/livez` says that the event loop turns, whatever became of the dependencies; `/readyz`
    answers 503 with one line for each thing that is amiss. The share of the concurrency that
    is busy is `rate(shadow_<service>_slot_seconds_total) / shadow_<service>_concurrency`.
    """

    def __init__(self, service: str) -> None:
        self._troubles: dict[str, str] = {}
        self.registry: Final = CollectorRegistry()
        start = f"shadow_{service}_"
        self.messages: Final = self._counter(start + "messages", "Messages handled to the end.", "topic")
        self.dead_letters: Final = self._counter(start + "dead_letters", "Messages nobody could process.", "reason")
        self.lag: Final = Gauge(
            start + "lag", "Messages not finished yet.", ["topic", "partition"], registry=self.registry
        )
        self.concurrency: Final = Gauge(start + "concurrency", "Most messages in hand at once.", registry=self.registry)
        self._in_flight: Final = Gauge(start + "in_flight", "Messages in hand.", registry=self.registry)
        self._slot_seconds: Final = self._counter(start + "slot_seconds", "Seconds of messages in hand.")
        self._in_hand = 0
        self._changed_at = time.monotonic()

    def trouble(self, what: str, text: str | None) -> None:
        """`what` is amiss as `text` says, or well again with None."""
        if text is None:
            self._troubles.pop(what, None)
        else:
            self._troubles[what] = text

    @property
    def troubles(self) -> list[str]:
        return list(self._troubles.values())

    @property
    def in_hand(self) -> int:
        return self._in_hand

    def take(self, messages: int) -> None:
        """So many more messages (fewer, if negative) are in hand."""
        now = time.monotonic()
        self._slot_seconds.inc(self._in_hand * (now - self._changed_at))
        self._changed_at = now
        self._in_hand += messages
        self._in_flight.set(self._in_hand)

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """A further counter, named in full without its `_total`."""
        return self._counter(name, text, *labels)

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

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    async def _livez(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        if self._troubles:
            return web.Response(status=503, text="".join(f"{text}\n" for text in self.troubles))
        return web.Response(text="ok\n")

    async def _metrics(self, _: web.Request) -> web.Response:
        body = await asyncio.to_thread(generate_latest, self.registry)
        return web.Response(body=body, headers={"content-type": CONTENT_TYPE_LATEST})
