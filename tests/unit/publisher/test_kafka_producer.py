"""Only a record that the broker will never take is dropped; after every other error it is sent again."""

import pytest
from kafka import errors

from shadow.publisher.kafka_producer import refusal


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (errors.MessageSizeTooLargeError, "too_large"),
        (errors.RecordListTooLargeError, "too_large"),
        (errors.InvalidRecordError, "delivery_failed"),
        (errors.InvalidTimestampError, "delivery_failed"),
        (errors.PolicyViolationError, "delivery_failed"),
    ],
)
def test_a_record_that_is_refused_for_its_content_is_dropped(error, reason):
    assert refusal(error()) == reason


@pytest.mark.parametrize(
    "error",
    [
        errors.KafkaTimeoutError,
        errors.KafkaConnectionError,
        errors.RequestTimedOutError,
        errors.NotLeaderForPartitionError,
        errors.NotEnoughReplicasError,
        errors.KafkaStorageError,
        errors.UnknownTopicOrPartitionError,
        errors.TopicAuthorizationFailedError,
        errors.UnknownError,
        errors.IllegalStateError,  # the producer was closed by force
        errors.KafkaError,  # another record of the same batch is invalid
    ],
)
def test_after_every_other_error_it_is_sent_again(error):
    assert refusal(error()) is None
