"""What a publisher offers to the code that captures calls."""

from collections.abc import Mapping
from typing import Protocol

from shadow.recording.captured_call import CapturedCall
from shadow.records import Exchange
from shadow.settings import Settings


class ExchangeSource(Protocol):
    """What `shadow.publisher.Publisher` takes: a `CapturedCall`, or an exchange made in another way.

    `size` is about how many bytes it keeps alive. `to_exchange` runs later, on the publisher's
    thread; it raises `DroppedError` where there is nothing that can be mirrored.
    """

    @property
    def task(self) -> str: ...
    @property
    def size(self) -> int: ...
    def to_exchange(self, settings: Settings) -> Exchange: ...


class PublisherPort(Protocol):
    """A publisher as the SDK wrapper and the gateway use it. No method blocks or raises, whatever the broker does.

    `shadow.publisher.Publisher` publishes from a thread of this process,
    `shadow.gateway.mirror.process.MirrorProcess` from a child process.
    """

    settings: Settings

    def offer(self, call: CapturedCall, reserved: int = 0) -> bool:
        """Publish `call`, or drop it and count why (False). Returns bytes `reserved` for it and charges `call.size`."""
        ...

    def reserve(self, size: int) -> bool:
        """Take `size` bytes of the budget for an answer that is still arriving. False: fewer are left."""
        ...

    def release(self, size: int) -> None:
        """Return reserved bytes of an answer that is not offered, or before it is."""

    def refuse(self, task: str, reason: str) -> None:
        """Count an exchange that was wanted and could not be recorded as `dropped:<reason>`."""

    def count_sampled_out(self, task: str) -> None:
        """Count a request that sampling left out."""

    def outcomes(self) -> Mapping[str, Mapping[str, int]]:
        """The counts so far: `outcomes()[task][outcome]`, as in `CaptureCounts`."""
        ...
