"""Only a record that the broker will never take is dropped; after every other error it is sent again."""

import pytest
from kafka import errors

from shadow.publisher.kafka_producer import PartitionByChecksum, refusal


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


class Cluster:
    """What the client tells a partitioner: a topic of `number` partitions, of which `leaderless` have no leader."""

    def __init__(self, number: int, leaderless: set[int]):
        self._all = set(range(number))
        self._leaderless = leaderless

    def partitions_for_topic(self, _topic: str) -> set[int]:
        return self._all

    def available_partitions_for_topic(self, _topic: str) -> set[int]:
        return self._all - self._leaderless


def partitions_of(cluster: Cluster) -> dict[bytes, int]:
    keys = [f"key-{n}".encode() for n in range(400)]
    return {key: PartitionByChecksum().partition("t", None, key, None, None, cluster) for key in keys}


def test_keys_of_a_partition_without_a_leader_go_to_the_others_and_the_rest_stay():
    before, after = partitions_of(Cluster(4, set())), partitions_of(Cluster(4, {1}))
    assert set(before.values()) == {0, 1, 2, 3}
    moved = {key for key, partition in before.items() if partition == 1}
    assert {after[key] for key in moved} == {0, 2, 3}
    assert all(after[key] == before[key] for key in before.keys() - moved)


def test_without_any_leader_a_key_keeps_its_partition():
    assert partitions_of(Cluster(4, {0, 1, 2, 3})) == partitions_of(Cluster(4, set()))
