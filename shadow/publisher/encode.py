"""From an offered exchange to the message that is sent: build it, redact it, encode it.

Exchanges pass through these stages together, as many as are given at once. Each stage then finds
its code and data in the processor's caches: this takes a fifth less time than one exchange after
the other.
"""

from collections.abc import Callable, Iterable
from typing import TypeAlias, TypeVar

from shadow.errors import DroppedError, RedactionError
from shadow.publisher import truncate
from shadow.publisher.queue import ExchangeQueue, QueuedExchange
from shadow.publisher.rate_limited_log import RateLimitedLog
from shadow.redact import Redactor
from shadow.settings import Settings

A = TypeVar("A")
B = TypeVar("B")

_Stage: TypeAlias = list[tuple[QueuedExchange, A]]


class Encoder:
    """Makes the messages of queued exchanges. One that cannot be mirrored is dropped and counted.

    An unexpected exception drops the exchange that caused it, and is passed to `on_internal_error`.
    """

    def __init__(
        self,
        queue: ExchangeQueue,
        settings: Settings,
        redactor: Redactor,
        log: RateLimitedLog,
        *,
        on_internal_error: Callable[[Exception], None],
    ) -> None:
        self._queue = queue
        self._settings = settings
        self._redactor = redactor
        self._log = log
        self._on_internal_error = on_internal_error

    def encode(self, entries: Iterable[QueuedExchange], *, source: str, limit: int) -> None:
        """Afterwards each entry has its `message`, of at most `limit` bytes, or an outcome."""
        offered = [(entry, entry.call) for entry in entries if entry.call is not None]
        built = self._each(offered, lambda call: call.to_exchange(self._settings))
        redacted = self._each(built, self._redactor.exchange)
        for entry, message in self._each(
            redacted, lambda exchange: truncate.encode_within(exchange, source=source, limit=limit)
        ):
            entry.keep_only(message)

    def _each(self, before: Iterable[tuple[QueuedExchange, A]], stage: Callable[[A], B]) -> _Stage[B]:
        after: _Stage[B] = []
        for entry, value in before:
            try:
                after.append((entry, stage(value)))
            except DroppedError as outcome:
                self._queue.dropped(entry, outcome.reason)
            except RedactionError as error:
                self._queue.dropped(entry, "not_redacted")
                self._log.warning("not_redacted", f"an exchange is dropped: {error}")
            except Exception as error:  # noqa: BLE001 - whatever a request holds, the next one must go on
                self._on_internal_error(error)
                self._queue.dropped(entry, "build_failed")
                self._log.warning("build_failed", "an exchange could not be built and is dropped", error=error)
        return after
