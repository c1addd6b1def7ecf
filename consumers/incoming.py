"""A message as it came off a topic, what it is, and the dead letter it becomes if it is nothing."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from shadow import wire
from shadow.errors import UnstorableError, WireError
from shadow.records import CaptureCounts, DeadLetter, Exchange

#: Of a message nobody could process this much is kept for whoever looks.
MAX_PAYLOAD: Final = 64 * 2**10
MAX_DETAIL: Final = 500
#: A longer id or task name is content gone astray; indexes refuse it.
MAX_NAME: Final = 256


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
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
        return datetime.fromtimestamp(self.timestamp_ms / 1_000, UTC)

    @property
    def place(self) -> str:
        """What identifies a message that cannot be read."""
        return f"{self.topic}/{self.partition}/{self.offset}"


def read_exchange(message: Incoming) -> Exchange | CaptureCounts:
    """What is on the exchanges topic: an exchange, or what a capturing process counted.

    Raises WireError for anything else, and for names no database would take. Worker and
    scorer both read through here, so that they agree on what is a dead letter.
    """
    kind = wire.event_type(dict(message.headers))
    if kind == wire.TYPES[CaptureCounts]:
        return wire.decode(CaptureCounts, message.value)
    exchange = wire.decode(Exchange, message.value)
    for what, name in (("id", exchange.id), ("task", exchange.task)):
        if not name or len(name) > MAX_NAME or not _storable(name):
            raise WireError("wrong_shape", f"`{what}` is empty, too long or holds a NUL")
    return exchange


def dead_letter(
    message: Incoming, fault: Exception, *, stage: Literal["worker", "scorer"], identity: str, task: str = ""
) -> DeadLetter:
    """`message` with the reason why it could not be processed.

    The reason is that of a WireError, `unstorable`, or the type of any other fault; every text in it can be stored.
    The same message always makes the same letter, so burying it twice leaves one grave.
    """
    if isinstance(fault, WireError):
        reason = fault.reason
    else:
        reason = "unstorable" if isinstance(fault, UnstorableError) else type(fault).__name__
    return DeadLetter(
        id=identity if _storable(identity) else message.place,
        at=message.at,
        stage=stage,
        reason=reason,
        detail=clean(str(fault))[:MAX_DETAIL],
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        task=clean(task)[:MAX_NAME],
        payload=message.value[:MAX_PAYLOAD],
    )


def clean(text: str) -> str:
    """`text` without what neither UTF-8 nor Postgres takes: lone surrogates and NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _storable(name: str) -> bool:
    return clean(name) == name
