"""Apache Kafka keeps what it acknowledged, which is why it is here beside the embedded broker."""

import pytest
from kafka import KafkaConsumer, KafkaProducer

from shadow.cli.runtime.preflight import topic_problems
from shadow.devstack.services.kafka import ApacheKafka
from shadow.settings import Settings
from shadow.topics import create_topics, largest_messages
from tests.support import services

pytestmark = pytest.mark.kafka


def test_a_new_topic_accepts_messages_as_large_as_was_asked_for(apache_kafka: ApacheKafka) -> None:
    large, usual = services.unique_topics().exchanges, services.unique_topics().exchanges
    create_topics(apache_kafka.bootstrap, {large: 1}, max_message_bytes=3_000_000)
    create_topics(apache_kafka.bootstrap, {usual: 1})
    assert largest_messages(apache_kafka.bootstrap, [large, usual, "absent"]) == {large: 3_000_000, usual: 1_048_588}
    settings = Settings.model_validate(
        {
            "kafka": {"bootstrap_servers": apache_kafka.bootstrap, "topics": {"exchanges": large, "trials": usual}},
            "publisher": {"max_message_bytes": 2_600_000},
        }
    )
    (problem,) = topic_problems(settings)
    assert problem.startswith(f"topic {usual} accepts messages of 1048588 bytes, and 2925000 are needed; raise")
    assert list(topic_problems(Settings.model_validate({"kafka": {**settings.kafka.model_dump()}}))) == []


def test_acknowledged_messages_survive_a_kill(apache_kafka: ApacheKafka) -> None:
    topic = services.unique_topics().exchanges
    create_topics(apache_kafka.bootstrap, {topic: 2})
    producer = KafkaProducer(bootstrap_servers=apache_kafka.bootstrap, enable_idempotence=False, acks="all")
    for sent in [producer.send(topic, b"%d" % n) for n in range(100)]:
        sent.get(timeout=10)
    producer.close()

    apache_kafka.kill()
    apache_kafka.start()

    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=apache_kafka.bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=3_000,
    )
    assert sorted(int(message.value) for message in consumer) == list(range(100))
    consumer.close()
