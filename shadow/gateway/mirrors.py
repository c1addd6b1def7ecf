"""Where the proxy leaves what it heard: the port, and the adapter for a publisher in this process."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from shadow.gateway.metrics import Counts
from shadow.gateway.mirroring import Heard, exchange_of
from shadow.records import CaptureCounts, Exchange
from shadow.settings import Settings


class Mirror(Protocol):
    """Takes what was heard. Nothing here blocks or raises, whatever the broker does."""

    async def start(self) -> None:
        """Called once, before the first request."""

    async def stop(self) -> None:
        """Called once, after the last request: deliver what is left, within a deadline."""

    def offer(self, heard: Heard) -> None:
        """Mirror it, or drop and count it."""

    def sampled_out(self, task: str) -> None:
        """Count a request that sampling left out."""

    def counts(self) -> Counts:
        """What capture has done so far; may lag by a fraction of a second."""


class Publisher(Protocol):
    """The part of `shadow.publisher.Publisher` that is needed here."""

    def offer(self, finish: Callable[[], Exchange | None], *, task: str, size: int) -> object: ...
    def count_sampled_out(self, task: str) -> None: ...
    def counts(self) -> CaptureCounts: ...


class InProcess:
    """Mirrors through a publisher of this process. It stays the caller's to close."""

    def __init__(self, settings: Settings, publisher: Publisher) -> None:
        self._settings = settings
        self._publisher = publisher

    async def start(self) -> None: ...
    async def stop(self) -> None: ...

    def offer(self, heard: Heard) -> None:
        self._publisher.offer(partial(exchange_of, heard, self._settings), task=heard.task, size=heard.size)

    def sampled_out(self, task: str) -> None:
        self._publisher.count_sampled_out(task)

    def counts(self) -> Counts:
        return self._publisher.counts().counts
