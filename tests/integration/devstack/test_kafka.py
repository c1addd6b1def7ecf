"""Apache Kafka keeps what it acknowledged, which is why it is here beside the embedded broker."""

import pytest
from kafka import KafkaConsumer, KafkaProducer

from shadow.devstack.services.kafka import ApacheKafka
from shadow.topics import create_topics
from tests.support import services

pytestmark = pytest.mark.kafka


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
