"""A message as it came off a topic, what it is, and the dead letter it becomes if it is nothing."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from shadow import wire
from shadow.errors import RedactionError, UnstorableError, WireError
from shadow.records import CaptureCounts, DeadLetter, Exchange
from shadow.store.rows.names import storable_name, storable_text

#: Of a message nobody could process this much is kept for whoever looks.
MAX_PAYLOAD: Final = 64 * 2**10
MAX_DETAIL: Final = 500
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


class IncomingMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message. A tombstone (no value) reads as an empty value; `timestamp_ms` is Kafka's, of the Unix epoch."""

    topic: str
    partition: int
    offset: int
    key: bytes | None = None
    value: bytes = b""
    headers: Sequence[tuple[str, bytes]] = ()
    timestamp_ms: int = 0

    @property
    def at(self) -> datetime:
        """When it was sent. Kafka takes any number for it, of microseconds too: what is no time is the Unix epoch."""
        try:
            return datetime.fromtimestamp(self.timestamp_ms / 1_000, UTC)
        except (ValueError, OverflowError, OSError):
            return _EPOCH

    @property
    def location(self) -> str:
        """What identifies a message that cannot be read."""
        return f"{self.topic}/{self.partition}/{self.offset}"


def read_exchange(message: IncomingMessage) -> Exchange | CaptureCounts:
    """What is on the exchanges topic: an exchange, or what a capturing process counted.

    Raises WireError for anything else, and for names no database would take. Worker and
    scorer both read through here, so that they agree on what is a dead letter.
    """
    kind = wire.event_type(dict(message.headers))
    if kind == wire.TYPES[CaptureCounts]:
        return wire.decode(CaptureCounts, message.value)
    exchange = wire.decode(Exchange, message.value)
    for what, name in (("id", exchange.id), ("task", exchange.task)):
        if not name or storable_name(name) != name:  # a longer one is content gone astray
            raise WireError("wrong_shape", f"`{what}` is empty, too long or holds a NUL")
    return exchange


def dead_letter(
    message: IncomingMessage, fault: Exception, *, stage: Literal["worker", "scorer"], identity: str, task: str = ""
) -> DeadLetter:
    """`message` with the reason why it could not be processed.

    The reason is that of a WireError, `unstorable`, `not_redacted`, or the type of any other fault; every text in it
    can be stored.
    The same message always makes the same letter, so burying it twice leaves one grave.
    """
    match fault:
        case WireError():
            reason = fault.reason
        case UnstorableError():
            reason = "unstorable"
        case RedactionError():
            reason = "not_redacted"
        case _:
            reason = type(fault).__name__
    return DeadLetter(
        id=identity if storable_text(identity) == identity else message.location,
        at=message.at,
        stage=stage,
        reason=reason,
        detail=storable_text(str(fault))[:MAX_DETAIL],
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        task=storable_name(task),
        payload=message.value[:MAX_PAYLOAD],
    )
