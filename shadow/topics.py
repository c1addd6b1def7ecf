"""Creates topics and waits for a broker; works with the embedded broker and with Apache Kafka."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource
from kafka.errors import KafkaError, TopicAlreadyExistsError

from shadow.errors import BrokerError
from shadow.kafka_socket import DIRECT
from shadow.settings import BROKER_MESSAGE_BYTES

#: The configuration of a topic that limits the size of its messages.
_LARGEST_MESSAGE: Final = "max.message.bytes"


def create_topics(
    bootstrap: str,
    partitions: Mapping[str, int],
    *,
    replication: int = 1,
    max_message_bytes: int = BROKER_MESSAGE_BYTES,
    timeout: float = 30.0,
) -> None:
    """Create every topic of `partitions` ({name: partition count}) that does not exist yet.

    New topics accept messages of `max_message_bytes`, if that is more than the broker's default. Existing topics keep
    their partition count, because more partitions would move keys, and their configuration. Raises BrokerError if the
    broker refuses, or does not answer within `timeout` seconds.
    """
    with _admin(bootstrap, timeout) as admin:
        existing = set(admin.list_topics())
        for name, count in partitions.items():
            if name in existing:
                continue
            options: dict[str, Any] = {"num_partitions": count, "replication_factor": replication}
            if max_message_bytes > BROKER_MESSAGE_BYTES:
                options["configs"] = {_LARGEST_MESSAGE: str(max_message_bytes)}
            try:
                admin.create_topics({name: options}, wait_for_metadata=True)
            except TopicAlreadyExistsError:  # created by another process in the meantime
                continue


def largest_messages(bootstrap: str, names: Iterable[str], *, timeout: float = 30.0) -> dict[str, int]:
    """The `max.message.bytes` of each of these topics that exists. Raises BrokerError as `create_topics` does.

    Left out is a topic of which the broker does not report it (the embedded one reports no defaults).
    """
    with _admin(bootstrap, timeout) as admin:
        existing = set(admin.list_topics())
        asked = [ConfigResource("topic", name, None) for name in names if name in existing]
        found = admin.describe_configs(asked, config_filter="all") if asked else {}
    limits = {}
    for name, configs in found.get("topic", {}).items():
        value = configs.get(_LARGEST_MESSAGE, {}).get("value")
        if value is not None and str(value).isdecimal():
            limits[name] = int(value)
    return limits


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
