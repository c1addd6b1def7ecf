"""The way to the broker: a producer made when there is something to send, and made anew."""

import time
from collections.abc import Callable
from typing import Final

from shadow.publisher.kafka_producer import Courier, Done, Unreachable
from shadow.publisher.reporting import Reporter
from shadow.settings import Settings
from shadow.wire import Message

#: Pause before trying a broker again that could not be reached.
_RETRY_S: Final = 0.25


class Connection:
    """One topic of one cluster. Belongs to the publisher's thread; `made` runs after each connecting."""

    def __init__(self, settings: Settings, report: Reporter, made: Callable[[], None]) -> None:
        self._kafka = settings.kafka
        self._limits = settings.publisher
        self._report = report
        self._made = made
        self._try_again_at = 0.0
        self.courier: Courier | None = None

    def send(self, message: Message, done: Done) -> bool:
        """Hand `message` to the producer. False: no broker, or not yet; try again later.

        Blocks for at most a second or two. Raises Dropped where trying again is no use.
        """
        courier = self._connected()
        if courier is None:
            return False
        topic = self._kafka.topics.exchanges
        try:
            courier.send(topic, message, done)
        except Unreachable as fault:
            self._report.warn("broker_unreachable", f"no answer about topic {topic}", fault=fault.__cause__)
            return False
        return True

    def give_up(self) -> None:
        """Abandon a producer that does not deliver; the next send makes another."""
        courier, self.courier = self.courier, None
        if courier is not None:
            courier.abandon()

    def close(self, timeout_s: float) -> None:
        courier, self.courier = self.courier, None
        if courier is not None:
            courier.close(timeout_s)

    def leave_to_parent(self) -> None:
        """In a child process after a fork."""
        if self.courier is not None:
            self.courier.leave_to_parent()

    def _connected(self) -> Courier | None:
        if self.courier is None and time.monotonic() >= self._try_again_at:
            try:
                self.courier = Courier(self._kafka, self._limits)
            except Unreachable as fault:
                self._try_again_at = time.monotonic() + _RETRY_S
                self._report.warn(
                    "broker_unreachable",
                    f"no broker at {self._kafka.bootstrap_servers}; exchanges wait, then are dropped",
                    fault=fault.__cause__,
                )
            else:
                self._made()
        return self.courier
