"""How a message is read, and what its dead letter says; no broker."""

from datetime import UTC, datetime

import pytest

from consumers.kafka.messages import MAX_DETAIL, MAX_PAYLOAD, IncomingMessage, dead_letter, read_exchange
from shadow import wire
from shadow.errors import WireError
from shadow.records import CaptureCounts, DeadLetter
from tests.support.consuming import an_exchange


def incoming(value=b"", **changes):
    return IncomingMessage(topic="t", partition=3, offset=7, value=value, **changes)


def test_a_dead_letter_says_where_why_and_what_and_can_always_be_stored():
    message = incoming(b"x" * 100_000, headers=[("ce_id", b"claimed")])
    letter = dead_letter(message, WireError("not_json", "a\0b\ud800" + "c" * 9_000), stage="worker", identity="a\0b")
    assert (letter.id, letter.reason) == ("t/3/7", "not_json")
    assert (letter.topic, letter.partition, letter.offset) == ("t", 3, 7)
    assert letter.payload == b"x" * MAX_PAYLOAD
    assert len(letter.detail) == MAX_DETAIL
    assert wire.decode(DeadLetter, wire.encode(letter, source="test").value) == letter


def test_the_same_message_and_error_make_the_same_dead_letter():
    letters = [dead_letter(incoming(b"x"), ValueError("x"), stage="scorer", identity="id") for _ in range(2)]
    assert letters[0] == letters[1]


def test_counts_of_capture_are_recognised_by_their_header():
    counts = CaptureCounts(source="s", at=wire.utc_now(), counts={})
    message = wire.encode(counts, source="s")
    assert read_exchange(incoming(message.value, headers=message.headers)) == counts


@pytest.mark.parametrize("timestamp_ms", [1_790_000_000_000_000, 1_790_000_000_000_000_000, -(2**62), 2**63 - 1])
def test_a_message_with_an_impossible_timestamp_can_still_become_a_dead_letter(timestamp_ms):
    letter = dead_letter(incoming(b"{", timestamp_ms=timestamp_ms), ValueError("x"), stage="scorer", identity="id")
    assert letter.at == datetime(1970, 1, 1, tzinfo=UTC)


def test_a_message_was_sent_at_kafkas_timestamp():
    assert incoming(timestamp_ms=1_790_000_000_500).at == datetime(2026, 9, 21, 14, 13, 20, 500_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "wrong", [{"id": ""}, {"id": "x" * 600}, {"id": "\U00020000" * 200}, {"task": ""}, {"task": "a\0b"}]
)
def test_an_exchange_must_have_names_that_can_be_stored(wrong):
    message = wire.encode(an_exchange(1, **wrong), source="s")
    with pytest.raises(WireError) as refused:
        read_exchange(incoming(message.value))
    assert refused.value.reason == "wrong_shape"
