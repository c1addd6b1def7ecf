"""Records to bytes and back: versioned JSON in CloudEvents 1.0 Kafka binary mode.

Binary mode puts the event's attributes into message headers (`ce_id`, `ce_type`, …) and only the
payload into the value, so a reader can route a message without parsing it. The payload has its own
version `v`, because mirrors and dumps lose headers, and a payload must stay readable without them.

A value too large for its topic is compressed: gzip, which its first bytes show, and the header `content-encoding`.
"""

import zlib
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

import msgspec

from shadow.errors import WireError
from shadow.records import CaptureCounts, DeadLetter, Exchange, Trial

VERSION: Final = 1

#: The first bytes of a compressed value.
_GZIP: Final = b"\x1f\x8b"
#: zlib's number for gzip with the largest window.
_GZIP_FORMAT: Final = 31
#: The fastest level takes 40 ms for a prompt of 1.6 MB; the better one four times as long, and saves a fifth more.
_FAST, _BETTER = 1, 6
_BETTER_SAVES: Final = 0.25
#: Largest value after decompression. A small message must not take much memory.
MAX_VALUE_BYTES: Final = 32 * 2**20

Headers: TypeAlias = list[tuple[str, bytes]]
Event: TypeAlias = Exchange | Trial | DeadLetter | CaptureCounts
E = TypeVar("E", Exchange, Trial, DeadLetter, CaptureCounts)

#: `ce_type` of each record; the number at the end is `VERSION`.
TYPES: Final[dict[type[Any], str]] = {
    Exchange: "shadow.exchange.v1",
    Trial: "shadow.trial.v1",
    DeadLetter: "shadow.deadletter.v1",
    CaptureCounts: "shadow.capture-counts.v1",
}

_encoder = msgspec.json.Encoder()
_decoders: Final[dict[type[Any], msgspec.json.Decoder[Any]]] = {kind: msgspec.json.Decoder(kind) for kind in TYPES}
_version_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Message(NamedTuple):
    """A message for a Kafka producer."""

    key: bytes
    value: bytes
    headers: Headers


def encode(event: Event, *, source: str) -> Message:
    """`event` as a Kafka message. `source` names the sender (CloudEvents `ce_source`).

    Raises WireError("unencodable") for text that UTF-8 cannot encode (a lone surrogate).
    """
    identity = event_id(event)
    try:
        body = _encoder.encode(event)
        key = _exchange_id(event).encode()
    except (UnicodeEncodeError, TypeError, ValueError) as error:
        raise WireError("unencodable", f"{identity!r} cannot be written as JSON: {error}") from None
    value = b'{"v":%d,' % VERSION + body[1:]
    headers: Headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", identity.encode()),
        ("ce_type", TYPES[type(event)].encode()),
        ("ce_source", source.encode()),
        ("ce_time", event.at.astimezone(UTC).isoformat().encode()),
        ("content-type", b"application/json"),
    ]
    traceparent = _traceparent(event)
    if traceparent:
        headers.append(("traceparent", traceparent.encode()))
    return Message(key, value, headers)


def compressed(message: Message, *, limit: int) -> Message:
    """The same message with its value compressed, for what is larger than `limit` bytes otherwise.

    It may be larger still. A better compression is tried only where that is enough.
    """
    if message.value.startswith(_GZIP):
        return message
    value = _gzip(message.value, _FAST)
    if limit < len(value) <= limit * (1 + _BETTER_SAVES):
        value = _gzip(message.value, _BETTER)
    return Message(message.key, value, [*message.headers, ("content-encoding", b"gzip")])


def _gzip(value: bytes, level: int) -> bytes:
    compressor = zlib.compressobj(level, zlib.DEFLATED, _GZIP_FORMAT)
    return compressor.compress(value) + compressor.flush()


def payload(value: bytes, *, limit: int = MAX_VALUE_BYTES) -> bytes:
    """The JSON of a message value, compressed or not: at most the first `limit` bytes.

    Raises WireError("not_json") for a value that begins like gzip and is not.
    """
    if not value.startswith(_GZIP):
        return value[:limit]
    try:
        return zlib.decompressobj(_GZIP_FORMAT).decompress(value, limit)
    except zlib.error as error:
        raise WireError("not_json", f"not gzip: {error}") from None


def payload_size(value: bytes) -> int:
    """The memory in bytes that a value takes when it is read. A compressed one says so at its end."""
    if not value.startswith(_GZIP):
        return len(value)
    return min(max(len(value), int.from_bytes(value[-4:], "little")), MAX_VALUE_BYTES)


def decode(kind: type[E], value: bytes) -> E:
    """The record of type `kind` in a message value, compressed or not.

    Raises WireError with reason `not_json`, `wrong_version` or `wrong_shape`.
    """
    if value.startswith(_GZIP):
        value = payload(value)
    try:
        event: E = _decoders[kind].decode(value)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _wire_error(value, error) from None
    version = version_of(value)
    if version != VERSION:
        raise WireError("wrong_version", f"payload has version {version!r}, this reader supports {VERSION}")
    if event.at.tzinfo is None:
        raise WireError("wrong_shape", "`at` has no time zone")
    return event


def version_of(value: bytes) -> int | None:
    """The version `v` of a payload; None where it has none."""
    prefix = b'{"v":%d,' % VERSION
    if value.startswith(prefix):  # written by this version: no second parse
        return VERSION
    found = _version_decoder.decode(value).get("v")
    try:
        return None if found is None else msgspec.json.decode(found, type=int)
    except (msgspec.ValidationError, msgspec.DecodeError):
        return None


def event_type(headers: Headers | dict[str, bytes] | None) -> str | None:
    """The `ce_type` among a message's headers."""
    found = dict(headers or ()).get("ce_type")
    return found.decode("ascii", "replace") if found else None


def event_id(event: Event) -> str:
    """The `ce_id`: stable, so the same event sent twice has the same one."""
    match event:
        case Exchange() | DeadLetter():
            return event.id
        case Trial():
            return f"{event.exchange.id}/{event.kind}/{event.candidate}"
        case CaptureCounts():
            return f"{event.source}/{event.at.astimezone(UTC).isoformat()}"


def utc_now() -> datetime:
    return datetime.now(UTC)


def _exchange_id(event: Event) -> str:
    return event.exchange.id if isinstance(event, Trial) else event_id(event)


def _traceparent(event: Event) -> str | None:
    match event:
        case Exchange():
            return event.traceparent
        case Trial():
            return event.exchange.traceparent
        case _:
            return None


def _wire_error(value: bytes, error: Exception) -> WireError:
    if isinstance(error, msgspec.ValidationError):
        try:
            version = version_of(value)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            version = None
        if version not in (None, VERSION):
            return WireError("wrong_version", f"payload has version {version}, this reader supports {VERSION}")
        return WireError("wrong_shape", str(error))
    return WireError("not_json", str(error))
