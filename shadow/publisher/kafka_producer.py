"""The Kafka producer behind the publisher: how it is made, and how one gets rid of it.

The producer's own delivery timeout works only with idempotence off. With it on (its default),
a batch that is retried until the timeout wedges it for good: no callback, no recovery. What a
retry may send twice is de-duplicated at the sink, on the exchange's id.
"""

import logging
import warnings
import zlib
from collections.abc import Callable
from typing import Any, Final

from shadow.errors import DroppedError
from shadow.settings import KafkaSettings, PublisherSettings
from shadow.wire import Message

with warnings.catch_warnings():
    # The client reads its schemas through a deprecated function of the standard library, and a
    # host that turns warnings into errors must still be able to import us.
    warnings.simplefilter("ignore", DeprecationWarning)
    from kafka import KafkaProducer
    from kafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError
    from kafka.partitioner import Partitioner

#: Longest that building a producer, or asking for a topic's partitions, may hold the thread.
_BLOCK_MS: Final = 1_000
_LINGER_MS: Final = 20
#: Room for the record's envelope above the largest value.
_ENVELOPE_BYTES: Final = 64 * 1024

#: What is called on the producer's thread when a message's fate is known; None means delivered.
Done = Callable[[str | None], None]

#: Producers that a fork left to a child. They share the parent's sockets: closing them here
#: would disturb the parent, so they are kept, unused, for as long as the child lives.
_inherited: Final[list[KafkaProducer]] = []


class Unreachable(Exception):  # noqa: N818 - a state of the world, not an error of ours
    """No broker answers, or the topic is not there (yet). Try again later."""


class _ByChecksum(Partitioner):  # type: ignore[misc] # the client has no types
    """The same key, the same partition. The client's own hash is computed in Python, ten times slower."""

    def partition(self, topic: str, _key: Any, key: bytes, _value: Any, _raw: Any, cluster: Any) -> int:
        return zlib.crc32(key) % len(cluster.partitions_for_topic(topic))


class Courier:
    """One producer. Lives on the publisher's thread, except for `Done`."""

    def __init__(self, kafka: KafkaSettings, limits: PublisherSettings) -> None:
        """Connects; blocks for up to a second. Raises Unreachable."""
        _pin_kafka_logs()
        made: list[Any] = []

        def client(**options: Any) -> Any:
            made.append(KafkaProducer.DEFAULT_CONFIG["kafka_client"](**options))
            return made[0]

        timeout_ms = round(limits.delivery_timeout_s * 1_000)
        try:
            self._producer = KafkaProducer(
                bootstrap_servers=[server.strip() for server in kafka.bootstrap_servers.split(",")],
                enable_idempotence=False,
                acks="all",
                delivery_timeout_ms=max(timeout_ms, 2 * _LINGER_MS + 200),
                # Below half the delivery timeout, so that a frozen broker gets a second chance in time.
                request_timeout_ms=max(100, timeout_ms * 2 // 5),
                retry_backoff_ms=100,
                reconnect_backoff_ms=50,
                reconnect_backoff_max_ms=1_000,
                max_block_ms=_BLOCK_MS,
                bootstrap_timeout_ms=_BLOCK_MS,
                max_request_size=limits.max_message_bytes + _ENVELOPE_BYTES,
                batch_size=256 * 1024,
                linger_ms=_LINGER_MS,
                # gzip, the only codec without further dependencies, cost 1 ms of processor per 4 KB
                # exchange where sending it plain cost 0.03 ms, and this is somebody else's processor.
                compression_type=None,
                metrics_enabled=False,
                partitioner=_ByChecksum(),
                kafka_client=client,
            )
        except KafkaError as fault:
            # A constructor that fails leaves its sockets open; a long outage would use them all up.
            for half_made in made:
                half_made.close()
            raise Unreachable from fault

    def send(self, topic: str, message: Message, done: Done) -> None:
        """Hand a message over. Raises Unreachable (it was not taken) or DroppedError("too_large")."""
        try:
            self._producer.partitions_for(topic)
            future = self._producer.send(topic, message.value, message.key, message.headers)
        except MessageSizeTooLargeError as fault:
            raise DroppedError("too_large", "larger than the producer's limit") from fault
        except KafkaError as fault:
            raise Unreachable from fault
        future.add_callback(lambda _: done(None))
        future.add_errback(lambda fault: done(_reason(fault)))

    def close(self, timeout_s: float) -> None:
        """Close in good order if nothing is in flight, within `timeout_s`; else by force."""
        try:
            self._producer.close(timeout=max(timeout_s, 0.0))
        except KafkaError:
            self.abandon()

    def abandon(self) -> None:
        """Stop a producer that does not deliver, without waiting for it.

        `close()` is no help here: on what cannot be delivered it raises, and leaves its thread
        running. So its thread is told directly; it ends by itself.
        """
        self._disarm()
        self._producer._sender.force_close()  # noqa: SLF001 - see above

    def leave_to_parent(self) -> None:
        """In a child process after a fork: this producer is the parent's, never touch it again."""
        self._disarm()
        _inherited.append(self._producer)

    def _disarm(self) -> None:
        # The producer's exit handler and finaliser would flush, and so wait, once more.
        self._producer._unregister_cleanup()  # noqa: SLF001 - there is no public way
        self._producer._closed = True  # noqa: SLF001 - makes close() and __del__ return at once


def _reason(fault: BaseException) -> str:
    if isinstance(fault, KafkaTimeoutError):
        return "delivery_timeout"
    return "too_large" if isinstance(fault, MessageSizeTooLargeError) else "delivery_failed"


def _pin_kafka_logs() -> None:
    """At DEBUG the Kafka client logs keys, values and headers; never let it.

    What it says at INFO is nothing to an application, unless the application has asked for it.
    """
    kafka = logging.getLogger("kafka")
    kafka.setLevel(max(kafka.level, logging.INFO) if kafka.level else logging.WARNING)
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if name.startswith("kafka.") and isinstance(logger, logging.Logger) and 0 < logger.level < logging.INFO:
            logger.setLevel(logging.INFO)
