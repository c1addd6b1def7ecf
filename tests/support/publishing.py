"""Exchanges to publish, and what has arrived on a topic."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from shadow import wire
from shadow.devstack.services.processes import poll_until
from shadow.kafka_socket import DIRECT
from shadow.publisher import Publisher
from shadow.records import CaptureCounts, Exchange, Reply
from shadow.settings import KafkaSettings, PublisherSettings, Settings, TopicSettings

#: Short limits, so that a fault test waits for seconds and not for minutes.
LIMITS = PublisherSettings(delivery_timeout_s=2.0, stalled_after_s=3.0, counts_every_s=0.3, drain_timeout_s=3.0)


def settings_for(bootstrap, topics=None, **limits):
    return Settings(
        kafka=KafkaSettings(bootstrap_servers=bootstrap, topics=topics or TopicSettings()),
        publisher=LIMITS.model_copy(update=limits),
    )


def exchange(id, text="hello"):  # noqa: A002 - it is the exchange's id
    request = {"model": "big", "messages": [{"role": "user", "content": text}]}
    return Exchange(
        id=id, task="intent", at=datetime.now(UTC), request=request, reply=Reply(model="big", content="yes")
    )


@dataclass
class Source:
    """What is offered to a publisher: `build(*args)` makes its exchange, or raises."""

    build: Callable[..., Exchange]
    args: tuple[Any, ...] = ()
    task: str = "intent"
    size: int = 10

    def to_exchange(self, _settings: Settings) -> Exchange:
        return self.build(*self.args)


def offer(publisher: Publisher, *ids: str, text="hello"):
    """Offer one exchange for each id; the number taken."""
    return sum(publisher.offer(Source(exchange, (name, text), size=len(text) + 200)) for name in ids)


def settled(publisher: Publisher, timeout=20.0):
    """Wait until nothing is queued any more; the counts of the task."""
    poll_until(lambda: not publisher.snapshot().queued, timeout=timeout)
    return publisher.snapshot().counts.get("intent", {})


def assert_accounted_for(publisher: Publisher):
    snapshot = publisher.snapshot()
    counts = snapshot.counts.get("intent", {})
    settled = sum(n for outcome, n in counts.items() if outcome == "mirrored" or outcome.startswith("dropped:"))
    assert counts.get("accepted", 0) == settled + snapshot.queued.get("intent", 0)
    assert 0 <= snapshot.bytes <= publisher.settings.publisher.queue_bytes


def messages(bootstrap, topic, *, quiet_s=0.6):
    """Every message now on `topic`: up to its end, and on until none comes for a while.

    The embedded broker's end offsets may lag behind what it has acknowledged, and an Apache Kafka
    may take longer than that while for its first answer.
    """
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, proxy_url=DIRECT)
    try:
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        # Not `seek_to_beginning`: the embedded broker once gave 5 as the beginning of a partition of two writers.
        for partition in partitions:
            consumer.seek(partition, 0)
        found = []
        while True:
            batch = consumer.poll(timeout_ms=round(quiet_s * 1000))
            found += [record for records in batch.values() for record in records]
            if not batch and all(consumer.position(partition) >= end for partition, end in ends.items()):
                return found
    finally:
        consumer.close()


def arrived(bootstrap, topic):
    """The exchanges, and the counts in the order of their reports, that are now on `topic`."""
    exchanges, counts = [], []
    for message in messages(bootstrap, topic):
        if wire.event_type(message.headers) == wire.TYPES[Exchange]:
            exchanges.append(wire.decode(Exchange, message.value))
        else:
            counts.append(wire.decode(CaptureCounts, message.value))
    return exchanges, sorted(counts, key=lambda report: report.at)
