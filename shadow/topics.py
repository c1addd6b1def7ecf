"""Create topics and wait for a broker: the same on the embedded broker and on Apache Kafka."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from kafka import KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError

from shadow.errors import BrokerError


def create_topics(
    bootstrap: str, partitions: Mapping[str, int], *, replication: int = 1, timeout: float = 30.0
) -> None:
    """Create every topic of `partitions` ({name: partition count}) that is not there yet.

    A topic that exists is left as it is, whatever its partition count: adding partitions
    would move keys. BrokerError when the broker does not answer within `timeout` seconds.
    """
    with _admin(bootstrap, timeout) as admin:
        existing = set(admin.list_topics())
        for name, count in partitions.items():
            if name in existing:
                continue
            options = {"num_partitions": count, "replication_factor": replication}
            try:
                admin.create_topics({name: options}, wait_for_metadata=True)
            except TopicAlreadyExistsError:  # somebody was faster
                continue


def wait_for_broker(bootstrap: str, *, timeout: float = 30.0) -> None:
    """Return once the broker answers a metadata request; BrokerError after `timeout` seconds."""
    with _admin(bootstrap, timeout) as admin:
        admin.list_topics()


@contextmanager
def _admin(bootstrap: str, timeout: float) -> Iterator[KafkaAdminClient]:
    admin = _connect(bootstrap, timeout)
    try:
        yield admin
    except KafkaError as error:
        raise BrokerError(f"Kafka at {bootstrap} refused: {error}") from error
    finally:
        admin.close()


def _connect(bootstrap: str, timeout: float) -> KafkaAdminClient:
    deadline = time.monotonic() + timeout
    while True:
        try:
            return KafkaAdminClient(bootstrap_servers=bootstrap, bootstrap_timeout_ms=2_000)
        except KafkaError as error:
            if time.monotonic() > deadline:
                raise BrokerError(f"Kafka at {bootstrap} does not answer: {error}") from error
            time.sleep(0.1)
