"""Where the proxy leaves what it heard: the port, and the adapter for a publisher in this process."""

from typing import Any, Protocol

from shadow.gateway.metrics import Counts
from shadow.gateway.mirror.exchange import Heard, exchange_of
from shadow.publisher import Build
from shadow.records import CaptureCounts
from shadow.settings import Settings


class Mirror(Protocol):
    """Takes what was heard. Nothing here blocks or raises, whatever the broker does."""

    async def start(self) -> None:
        """Called once, before the first request."""

    async def stop(self) -> None:
        """Called once, after the last request: deliver what is left, within a deadline."""

    def offer(self, heard: Heard) -> None:
        """Mirror it, or drop and count it."""

    def reserve(self, size: int) -> bool:
        """Room for what is still being heard; see `shadow.openai_api.body_buffer.Budget`."""
        ...

    def release(self, size: int) -> None:
        """Give such room back, before what was heard is offered."""

    def no_room(self, task: str) -> None:
        """Count an exchange for whose answer there was no room."""

    def sampled_out(self, task: str) -> None:
        """Count a request that sampling left out."""

    def counts(self) -> Counts:
        """What capture has done so far; may lag by a fraction of a second."""


class Publisher(Protocol):
    """The part of `shadow.publisher.Publisher` that is needed here."""

    def offer(self, task: str, size: int, build: Build, *args: Any) -> object: ...
    def reserve(self, size: int) -> bool: ...
    def release(self, size: int) -> None: ...
    def refuse(self, task: str, reason: str) -> None: ...
    def count_sampled_out(self, task: str) -> None: ...
    def counts(self) -> CaptureCounts: ...


class InProcess:
    """Mirrors through a publisher of this process. It stays the caller's to close."""

    def __init__(self, settings: Settings, publisher: Publisher) -> None:
        self._settings = settings
        self._publisher = publisher
        self.reserve = publisher.reserve
        self.release = publisher.release

    async def start(self) -> None: ...
    async def stop(self) -> None: ...

    def offer(self, heard: Heard) -> None:
        self._publisher.offer(heard.task, heard.size, exchange_of, heard, self._settings)

    def no_room(self, task: str) -> None:
        self._publisher.refuse(task, "byte_budget")

    def sampled_out(self, task: str) -> None:
        self._publisher.count_sampled_out(task)

    def counts(self) -> Counts:
        return self._publisher.counts().counts
