"""The Kafka producer behind the publisher: how it is made, closed, and abandoned.

The client's own delivery timeout works only with idempotence off. With it on (the client's
default), a batch that is retried until the timeout wedges the producer: no callback, no recovery.
What a retry writes twice is de-duplicated at the sink, by the exchange's id.
"""

import logging
import warnings
import zlib
from collections.abc import Callable
from typing import Any, Final

from shadow.errors import BrokerError, DroppedError
from shadow.kafka_socket import DIRECT
from shadow.settings import KafkaSettings, PublisherSettings
from shadow.wire import Message

with warnings.catch_warnings():
    # The client reads its schemas through a deprecated function of the standard library, and a
    # host that turns warnings into errors must still be able to import this package.
    warnings.simplefilter("ignore", DeprecationWarning)
    import kafka
    from kafka import errors as kafka_errors
    from kafka.partitioner import Partitioner

#: Longest that making a producer, or asking for a topic's partitions, may block the thread.
_BLOCK_MS: Final = 1_000
_LINGER_MS: Final = 20
#: Room for the record's envelope above the largest value.
_ENVELOPE_BYTES: Final = 64 * 1024

_TOO_LARGE: Final = (kafka_errors.MessageSizeTooLargeError, kafka_errors.RecordListTooLargeError)
#: The broker will refuse the same record again. Every other error may pass: a timeout, a broker
#: that restarts, missing permissions, or another record of the same batch.
_REFUSED: Final = (
    kafka_errors.InvalidRecordError,
    kafka_errors.InvalidTimestampError,
    kafka_errors.PolicyViolationError,
    kafka_errors.UnsupportedForMessageFormatError,
)

#: Called once on the producer's thread: None when the broker has the message, else the error.
DeliveryCallback = Callable[[BaseException | None], None]

#: Producers that a fork copied into a child. They share the parent's sockets: closing them here
#: would disturb the parent, so they are kept, unused, for as long as the child lives.
_inherited: Final[list[kafka.KafkaProducer]] = []


def refusal(error: BaseException) -> str | None:
    """Why the broker will never take this record, as a reason to drop it. None: another attempt may succeed."""
    if isinstance(error, _TOO_LARGE):
        return "too_large"
    return "delivery_failed" if isinstance(error, _REFUSED) else None


class PartitionByChecksum(Partitioner):  # type: ignore[misc] # the client has no types
    """The same key, the same partition, as long as that partition has a leader.

    A key whose partition has none goes to another: nothing downstream needs the order, and one lost
    broker must not hold back what belongs on the others. The client's own hash is computed in
    Python, ten times slower.
    """

    def partition(self, topic: str, _key: Any, key: bytes, _value: Any, _raw: Any, cluster: Any) -> int:
        checksum = zlib.crc32(key)
        partition = checksum % len(cluster.partitions_for_topic(topic))
        available = cluster.available_partitions_for_topic(topic)
        if not available or partition in available:
            return int(partition)
        return int(sorted(available)[checksum % len(available)])


class KafkaProducer:
    """One producer of the Kafka client. Used by the publisher's thread only."""

    def __init__(self, settings: KafkaSettings, limits: PublisherSettings) -> None:
        """Connects; blocks for up to a second. Raises BrokerError where no broker answers."""
        _silence_kafka_logs()
        clients: list[Any] = []

        def make_client(**options: Any) -> Any:
            clients.append(kafka.KafkaProducer.DEFAULT_CONFIG["kafka_client"](**options))
            return clients[0]

        timeout_ms = round(limits.delivery_timeout_s * 1_000)
        try:
            self._producer = kafka.KafkaProducer(
                bootstrap_servers=[server.strip() for server in settings.bootstrap_servers.split(",")],
                enable_idempotence=False,
                acks="all",
                delivery_timeout_ms=max(timeout_ms, 2 * _LINGER_MS + 200),
                # Below half the delivery timeout, so that a broker that froze gets a second request in time.
                request_timeout_ms=max(100, timeout_ms * 2 // 5),
                retry_backoff_ms=100,
                reconnect_backoff_ms=50,
                reconnect_backoff_max_ms=1_000,
                max_block_ms=_BLOCK_MS,
                bootstrap_timeout_ms=_BLOCK_MS,
                max_request_size=limits.max_message_bytes + _ENVELOPE_BYTES,
                batch_size=256 * 1024,
                linger_ms=_LINGER_MS,
                # gzip, the only codec without further dependencies, takes 1 ms of processor time for a 4 KB
                # exchange, and sending it uncompressed 0.03 ms; the processor is the application's.
                compression_type=None,
                metrics_enabled=False,
                proxy_url=DIRECT,
                partitioner=PartitionByChecksum(),
                kafka_client=make_client,
            )
        except kafka_errors.KafkaError as error:
            # A constructor that fails leaves its sockets open; a long outage would use up all of them.
            for client in clients:
                client.close()
            raise BrokerError(f"no broker at {settings.bootstrap_servers}") from error

    def send(self, topic: str, message: Message, on_done: DeliveryCallback) -> None:
        """Queue a message in the client; blocks for up to a second where the topic's partitions are unknown.

        Raises BrokerError where the client did not accept it, and DroppedError("too_large").
        """
        try:
            self._producer.partitions_for(topic)
            future = self._producer.send(topic, message.value, message.key, message.headers)
        except kafka_errors.MessageSizeTooLargeError as error:
            raise DroppedError("too_large", "larger than the producer's limit") from error
        except kafka_errors.KafkaError as error:
            raise BrokerError(f"no answer about topic {topic}") from error
        future.add_callback(lambda _: on_done(None))
        future.add_errback(on_done)

    def close(self, timeout_s: float) -> None:
        """Flush within `timeout_s`; what is not delivered by then is abandoned."""
        try:
            self._producer.close(timeout=max(timeout_s, 0.0))
        except kafka_errors.KafkaError:
            self.abandon()

    def abandon(self) -> None:
        """Stop a producer that does not deliver, without waiting for it.

        The client's `close()` raises where something cannot be delivered, and leaves its thread
        running. So its thread is stopped directly; it ends by itself.
        """
        self._disable_cleanup()
        self._producer._sender.force_close()  # noqa: SLF001 - see above

    def leave_to_parent(self) -> None:
        """In a child process after a fork: this producer is the parent's, never touch it again."""
        self._disable_cleanup()
        _inherited.append(self._producer)

    def _disable_cleanup(self) -> None:
        # The client's exit handler and finaliser would flush, and so wait, once more.
        self._producer._unregister_cleanup()  # noqa: SLF001 - there is no public way
        self._producer._closed = True  # noqa: SLF001 - makes close() and __del__ return at once


def _silence_kafka_logs() -> None:
    """Keep the Kafka client's logger at INFO or above: at DEBUG it logs keys, values and headers.

    Its INFO lines are of no use to an application, so without a level of its own it logs warnings only.
    """
    logger = logging.getLogger("kafka")
    logger.setLevel(max(logger.level, logging.INFO) if logger.level else logging.WARNING)
    for name, child in list(logging.root.manager.loggerDict.items()):
        if name.startswith("kafka.") and isinstance(child, logging.Logger) and 0 < child.level < logging.INFO:
            child.setLevel(logging.INFO)
