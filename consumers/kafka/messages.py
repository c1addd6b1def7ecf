"""A message as consumed, how it is read, and the dead letter for one that cannot be processed."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from shadow import wire
from shadow.errors import RedactionError, UnstorableError, WireError
from shadow.records import CaptureCounts, DeadLetter, Exchange
from shadow.store.rows.names import storable_name, storable_text

#: A dead letter keeps this many bytes of the message's value.
MAX_PAYLOAD: Final = 64 * 2**10
MAX_DETAIL: Final = 500
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


class IncomingMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message. A tombstone (no value) has an empty value; `timestamp_ms` is Kafka's, since the Unix epoch."""

    topic: str
    partition: int
    offset: int
    key: bytes | None = None
    value: bytes = b""
    headers: Sequence[tuple[str, bytes]] = ()
    timestamp_ms: int = 0

    @property
    def at(self) -> datetime:
        """When it was sent. Kafka accepts any number as a timestamp; the Unix epoch stands for impossible ones."""
        try:
            return datetime.fromtimestamp(self.timestamp_ms / 1_000, UTC)
        except (ValueError, OverflowError, OSError):
            return _EPOCH

    @property
    def size(self) -> int:
        """The bytes that the message takes when it is read."""
        return wire.payload_size(self.value)

    @property
    def location(self) -> str:
        """Topic, partition and offset: the id of a message whose own id cannot be read."""
        return f"{self.topic}/{self.partition}/{self.offset}"


def read_exchange(message: IncomingMessage) -> Exchange | CaptureCounts:
    """Read a message of the exchanges topic: an exchange, or the counts of a capturing process.

    Raises WireError for anything else, and for names that the database cannot store. Worker and scorer
    both read through this function, so that they agree on which messages become dead letters.
    """
    kind = wire.event_type(dict(message.headers))
    if kind == wire.TYPES[CaptureCounts]:
        return wire.decode(CaptureCounts, message.value)
    exchange = wire.decode(Exchange, message.value)
    for field, name in (("id", exchange.id), ("task", exchange.task)):
        if not name or storable_name(name) != name:  # a longer name is content in the wrong place
            raise WireError("wrong_shape", f"`{field}` is empty, too long or contains a NUL character")
    return exchange


def dead_letter(
    message: IncomingMessage, error: Exception, *, stage: Literal["worker", "scorer"], identity: str, task: str = ""
) -> DeadLetter:
    """The dead letter of a `message` whose processing raised `error`.

    Its reason is that of a WireError, `unstorable`, `not_redacted`, or the type of any other error. All of
    its texts can be stored. The same message and error always make the same letter, so writing it twice
    counts once.
    """
    match error:
        case WireError():
            reason = error.reason
        case UnstorableError():
            reason = "unstorable"
        case RedactionError():
            reason = "not_redacted"
        case _:
            reason = type(error).__name__
    return DeadLetter(
        id=identity if storable_text(identity) == identity else message.location,
        at=message.at,
        stage=stage,
        reason=reason,
        detail=storable_text(str(error))[:MAX_DETAIL],
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        task=storable_name(task),
        payload=_beginning(message.value),
    )


def _beginning(value: bytes) -> bytes:
    """What a dead letter keeps of a message, so that people can read it."""
    try:
        return wire.payload(value, limit=MAX_PAYLOAD)
    except WireError:
        return value[:MAX_PAYLOAD]
