"""Promises of the wire format: records are read as they were sent, and bad bytes have a reason."""

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow import wire
from shadow.errors import WireError
from shadow.records import CaptureCounts, DeadLetter, Exchange, Reply, TokenProbabilities, ToolCall, Trial, Usage

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)
TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
TOKEN_PROBABILITIES = st.builds(
    TokenProbabilities,
    n=st.integers(1, 10**6),
    **{name: st.floats(0, 1) for name in ("q0", "q10", "q25", "q50")},
    least_margin=st.none() | st.floats(0, 1),
)
REPLIES = st.builds(
    Reply,
    model=TEXT,
    content=st.none() | TEXT,
    reasoning=st.none() | TEXT,
    tool_calls=st.lists(st.builds(ToolCall, name=TEXT, arguments=TEXT), max_size=2).map(tuple),
    usage=st.none()
    | st.builds(
        Usage,
        prompt_tokens=st.none() | st.integers(0, 10**9),
        reasoning_tokens=st.none() | st.integers(0, 10**9),
    ),
    latency_ms=st.none() | st.floats(0, 1e9),
    confidence=st.none() | st.floats(0, 1),
    confidence_reason=st.none() | st.sampled_from(["not_reported", "refused", "invalid", "not_aligned"]),
    token_probabilities=st.none() | TOKEN_PROBABILITIES,
    failure=st.none() | st.sampled_from(["timeout", "refusal", "truncated"]),
)
EXCHANGES = st.builds(
    Exchange,
    id=TEXT,
    task=TEXT,
    at=st.datetimes(timezones=st.just(UTC)),
    request=st.dictionaries(TEXT, JSON, max_size=3),
    reply=REPLIES,
    segment=st.dictionaries(TEXT, TEXT, max_size=3),
    inclusion_probability=st.floats(0.001, 1),
)


def exchange(**changes) -> Exchange:
    whole = Exchange(id="e1", task="t", at=NOON, request={"messages": []}, reply=Reply(model="m", content="hi"))
    return msgspec.structs.replace(whole, **changes)


def test_a_confidence_that_is_none_is_refused():
    value = wire.encode(exchange(reply=Reply(model="m", confidence=1.5)), source="test").value
    with pytest.raises(WireError, match="confidence") as refused:
        wire.decode(Exchange, value)
    assert refused.value.reason == "wrong_shape"


@given(EXCHANGES)
def test_an_exchange_is_read_as_it_was_sent(sent):
    assert wire.decode(Exchange, wire.encode(sent, source="test").value) == sent


@given(EXCHANGES, REPLIES)
def test_a_trial_carries_its_whole_exchange(sent, reply):
    trial = Trial(exchange=sent, kind="shadow", candidate="small", reply=reply, at=NOON)
    message = wire.encode(trial, source="test")
    assert wire.decode(Trial, message.value) == trial
    assert message.key == sent.id.encode()


@given(EXCHANGES)
def test_a_compressed_message_is_read_as_it_was_sent(sent):
    plain = wire.encode(sent, source="test")
    message = wire.compressed(plain, limit=1_000)
    assert wire.decode(Exchange, message.value) == sent
    assert (message.key, message.headers) == (plain.key, [*plain.headers, ("content-encoding", b"gzip")])
    assert wire.payload(message.value) == plain.value
    assert wire.payload(message.value, limit=10) == wire.payload(plain.value, limit=10) == plain.value[:10]
    assert wire.payload_size(plain.value) == len(plain.value)
    assert wire.payload_size(message.value) == max(len(plain.value), len(message.value))
    assert wire.compressed(message, limit=1_000) == message


@given(st.binary(max_size=200), st.integers(0, 40))
def test_what_begins_like_a_compressed_value_and_is_none_is_refused_with_a_reason(rest, kept):
    whole = wire.compressed(wire.encode(exchange(), source="test"), limit=1_000).value
    for value in (b"\x1f\x8b" + rest, whole[: 2 + kept]):
        with pytest.raises(WireError) as refused:
            wire.decode(Exchange, value)
        assert refused.value.reason == "not_json"


def test_a_better_compression_is_tried_where_it_is_enough():
    request = {"input": " ".join(str(number * number % 9_973) for number in range(20_000))}
    plain = wire.encode(exchange(request=request), source="test")
    fast, better = (len(wire.compressed(plain, limit=limit).value) for limit in (10**6, 45_000))
    assert better < fast
    assert len(wire.compressed(plain, limit=better // 2).value) == fast


def test_a_small_message_does_not_take_much_memory(monkeypatch):
    monkeypatch.setattr(wire, "MAX_VALUE_BYTES", 10_000)
    bomb = wire.compressed(wire.encode(exchange(request={"input": " " * 1_000_000}), source="test"), limit=10**6)
    assert len(bomb.value) < 5_000
    assert len(wire.payload(bomb.value, limit=10_000)) == wire.payload_size(bomb.value) == 10_000


def test_headers_are_cloud_events_in_binary_mode():
    message = wire.encode(exchange(traceparent="00-abc-def-01"), source="gateway/1")
    assert dict(message.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": b"e1",
        "ce_type": b"shadow.exchange.v1",
        "ce_source": b"gateway/1",
        "ce_time": b"2026-09-01T12:00:00+00:00",
        "content-type": b"application/json",
        "traceparent": b"00-abc-def-01",
    }
    assert wire.event_type(message.headers) == "shadow.exchange.v1"


def test_the_same_event_sent_twice_has_the_same_identity():
    trial = Trial(exchange=exchange(), kind="ceiling", candidate="big", reply=Reply(model="big"), at=NOON)
    again = msgspec.structs.replace(trial, at=NOON + timedelta(hours=1))
    assert wire.event_id(trial) == wire.event_id(again) == "e1/ceiling/big"


def test_the_payload_carries_its_version_first():
    assert wire.encode(exchange(), source="s").value.startswith(b'{"v":1,')


def test_an_offset_other_than_utc_is_the_same_instant():
    paris = exchange(at=datetime(2026, 9, 1, 14, tzinfo=timezone(timedelta(hours=2))))
    assert wire.decode(Exchange, wire.encode(paris, source="s").value).at == NOON


def test_dead_letters_keep_the_bytes_that_could_not_be_read():
    letter = DeadLetter(
        id="x",
        at=NOON,
        stage="worker",
        reason="not_json",
        detail="?",
        topic="t",
        partition=0,
        offset=7,
        payload=b"\xff\x00",
    )
    assert wire.decode(DeadLetter, wire.encode(letter, source="s").value).payload == b"\xff\x00"


def test_counts_are_read_as_they_were_sent():
    counts = CaptureCounts(source="host/1", at=NOON, counts={"t": {"accepted": 3, "mirrored": 3}})
    assert wire.decode(CaptureCounts, wire.encode(counts, source="host/1").value) == counts


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "not_json"),
        (b"\xff\xfe", "not_json"),
        (b"{", "not_json"),
        (b"[" * 100_000, "wrong_shape"),
        (b"[]", "wrong_shape"),
        (b"{}", "wrong_shape"),
        (b'{"v":2}', "wrong_version"),
        (b'{"v":1,"id":3}', "wrong_shape"),
        (wire.encode(exchange(), source="s").value.replace(b'"v":1', b'"v":9'), "wrong_version"),
        (wire.encode(exchange(), source="s").value.replace(b'"v":1,', b""), "wrong_version"),
        (wire.encode(exchange(), source="s").value.replace(b"12:00:00Z", b"12:00:00"), "wrong_shape"),
    ],
)
def test_unreadable_bytes_have_a_one_word_reason(value, reason):
    with pytest.raises(WireError) as caught:
        wire.decode(Exchange, value)
    assert caught.value.reason == reason


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_only_wire_errors(value):
    with pytest.raises(WireError):
        wire.decode(Exchange, value)


def test_text_that_utf8_cannot_encode_is_unencodable():
    with pytest.raises(WireError) as caught:
        wire.encode(exchange(reply=Reply(model="m", content="\ud800")), source="s")
    assert caught.value.reason == "unencodable"
