"""Creates topics and waits for a broker; works with the embedded broker and with Apache Kafka."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from kafka import KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError

from shadow.errors import BrokerError
from shadow.kafka_socket import DIRECT


def create_topics(
    bootstrap: str, partitions: Mapping[str, int], *, replication: int = 1, timeout: float = 30.0
) -> None:
    """Create every topic of `partitions` ({name: partition count}) that does not exist yet.

    Existing topics keep their partition count, because more partitions would move keys. Raises
    BrokerError if the broker refuses, or does not answer within `timeout` seconds.
    """
    with _admin(bootstrap, timeout) as admin:
        existing = set(admin.list_topics())
        for name, count in partitions.items():
            if name in existing:
                continue
            options = {"num_partitions": count, "replication_factor": replication}
            try:
                admin.create_topics({name: options}, wait_for_metadata=True)
            except TopicAlreadyExistsError:  # created by another process in the meantime
                continue


def wait_for_broker(bootstrap: str, *, timeout: float = 30.0) -> None:
    """Wait until the broker answers a metadata request. Raises BrokerError after `timeout` seconds."""
    with _admin(bootstrap, timeout) as admin:
        admin.list_topics()


@contextmanager
def _admin(bootstrap: str, timeout: float) -> Iterator[KafkaAdminClient]:
    admin = _connect(bootstrap, timeout)
    try:
        yield admin
    except KafkaError as error:
        raise BrokerError(f"Kafka at {bootstrap} refused the request: {error}") from error
    finally:
        admin.close()


def _connect(bootstrap: str, timeout: float) -> KafkaAdminClient:
    deadline = time.monotonic() + timeout
    while True:
        try:
            return KafkaAdminClient(bootstrap_servers=bootstrap, bootstrap_timeout_ms=2_000, proxy_url=DIRECT)
        except KafkaError as error:
            if time.monotonic() > deadline:
                raise BrokerError(f"Kafka at {bootstrap} does not answer: {error}") from error
            time.sleep(0.1)
