"""The connection to the broker: a producer, made when there is something to send, and made again after a failure."""

import time
from collections.abc import Callable
from typing import Final

from shadow.errors import BrokerError
from shadow.publisher.kafka_producer import DeliveryCallback, KafkaProducer
from shadow.publisher.rate_limited_log import RateLimitedLog
from shadow.settings import Settings
from shadow.wire import Message

#: Pause before the next attempt to connect.
_RETRY_S: Final = 0.25


class BrokerConnection:
    """Sends to one topic of one cluster. Used by the publisher's thread; calls `on_connect` for each new producer."""

    def __init__(self, settings: Settings, log: RateLimitedLog, on_connect: Callable[[], None]) -> None:
        self._kafka = settings.kafka
        self._limits = settings.publisher
        self._log = log
        self._on_connect = on_connect
        self._try_again_at = 0.0
        self.producer: KafkaProducer | None = None

    def send(self, message: Message, on_done: DeliveryCallback) -> bool:
        """Hand `message` to the producer. False: it did not accept it, because no broker answers; try again later.

        Blocks for at most two seconds. Raises DroppedError where another attempt is useless.
        """
        try:
            producer = self._connected()
            if producer is None:
                return False
            producer.send(self._kafka.topics.exchanges, message, on_done)
        except BrokerError as error:
            self._log.warning("broker_unreachable", f"{error}; exchanges wait in the queue", error=error.__cause__)
            return False
        return True

    def discard_producer(self) -> None:
        """Abandon a producer that does not deliver; the next `send` makes another."""
        producer, self.producer = self.producer, None
        if producer is not None:
            producer.abandon()

    def close(self, timeout_s: float) -> None:
        producer, self.producer = self.producer, None
        if producer is not None:
            producer.close(timeout_s)

    def leave_to_parent(self) -> None:
        """In a child process after a fork."""
        if self.producer is not None:
            self.producer.leave_to_parent()

    def _connected(self) -> KafkaProducer | None:
        if self.producer is None and time.monotonic() >= self._try_again_at:
            try:
                self.producer = KafkaProducer(self._kafka, self._limits)
            except BrokerError:
                self._try_again_at = time.monotonic() + _RETRY_S
                raise
            self._on_connect()
        return self.producer
