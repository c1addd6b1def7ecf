"""How much may be with the Kafka producer at once, as learned from what it delivers. No I/O."""

from typing import Final

#: More than this is never handed to the producer at once.
_MAX_IN_FLIGHT_BYTES: Final = 8 * 2**20
#: A producer that acknowledged nothing for so long gets nothing more until it acknowledges something.
_UNANSWERED_S: Final = 1.0
#: Pause before one exchange is tried after a failure; doubled with each further failure, up to the second value.
_FIRST_PAUSE_S: Final = 0.25
_LONGEST_PAUSE_S: Final = 2.0


class FlowControl:
    """Keeps most exchanges in the queue while the broker is away, where they cost nothing and may be evicted.

    After a failure one exchange at a time is tried, with pauses, until the broker answers again.
    Times are seconds of one monotonic clock. `answered` and `failed` may be called from the
    producer's thread, the others from the publisher's.
    """

    def __init__(self, *, queue_bytes: int, stalled_after_s: float) -> None:
        self._max_bytes = min(_MAX_IN_FLIGHT_BYTES, queue_bytes // 2)
        self._stalled_after_s = stalled_after_s
        #: When the last answer came, or, with nothing in flight before, since when one is owed.
        self._answered_at = 0.0
        self._failing = False
        self._pause_s = 0.0
        self._try_again_at = 0.0

    def may_send(self, now: float, *, in_flight: int, in_flight_bytes: int) -> bool:
        """Whether the producer may be given another exchange now."""
        if self._failing:
            return in_flight == 0 and now >= self._try_again_at
        if in_flight and now - self._answered_at > _UNANSWERED_S:
            return False
        return in_flight_bytes < self._max_bytes

    def sending(self, now: float, *, in_flight: int) -> None:
        """An exchange is about to be handed to the producer."""
        if in_flight == 0 and not self._failing:
            self._answered_at = now  # until now no answer was owed

    def answered(self, now: float) -> None:
        """The broker took an exchange, or refused it for its content."""
        self._answered_at = now
        self._failing = False
        self._pause_s = 0.0

    def failed(self, now: float) -> None:
        """The broker was not reached, or the producer gave up an exchange."""
        if not self._failing or now >= self._try_again_at:  # the exchanges of one batch fail together
            self._failing = True
            self._pause_s = min(2 * self._pause_s or _FIRST_PAUSE_S, _LONGEST_PAUSE_S)
            self._try_again_at = now + self._pause_s

    def is_stalled(self, now: float, *, in_flight: int) -> bool:
        """Whether answers are owed and none has come for `stalled_after_s`."""
        return (in_flight > 0 or self._failing) and now - self._answered_at > self._stalled_after_s

    def producer_made(self, now: float) -> None:
        """There is a new producer, which has owed nothing so far."""
        self._answered_at = now
