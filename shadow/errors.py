"""Every error the platform raises on purpose.

    ShadowError                  raised on purpose; one that reaches the CLI is printed as one line
    ├── ConfigError              shadow.toml or the environment is wrong (file, key, fix)
    ├── WireError                bytes on a topic, or a line of a file, that cannot be read
    ├── StoreError               the database refuses or cannot be reached
    │   ├── SchemaError          the database is there but its schema is not ours, or not yet
    │   └── UnstorableError      rows that no database could keep; leave them out and go on
    ├── BrokerError              Kafka cannot be reached or refuses
    │   └── ConsumerCrashedError a consumer's session ended by itself; a new one may succeed
    ├── DroppedError             a captured call that cannot be mirrored; counted under its reason
    │   └── UnknownEncodingError no library decodes the body             (shadow.openai_api.content_encoding)
    ├── TransportError           a peer of the gateway broke the HTTP exchange off
    │   ├── ClientDisconnected   the client went away                    (shadow.gateway.http.asgi)
    │   ├── BodyTooLargeError    a request body beyond max_body_bytes    (shadow.gateway.http.asgi)
    │   ├── BodyBudgetError      request bodies beyond max_bodies_bytes  (shadow.gateway.http.asgi)
    │   ├── RequestRefusedError  a request that is not read to its end   (shadow.gateway.http.protocol)
    │   ├── RemoteProtocolError  the endpoint's answer is not whole      (shadow.gateway.http.connections)
    │   └── ReadTimeout          the endpoint sent nothing for too long  (shadow.gateway.http.connections)
    ├── Unreadable               a reply holds nothing to compare        (scoring.scorers.scorer)
    │   └── AmbiguousJsonError   readers of JSON differ about the text   (scoring.scorers.json_text)
    ├── Uncomparable             two replies that a scorer cannot tell   (scoring.scorers.scorer)
    ├── NotComputableError       a text is no expression with a value    (scoring.scorers.numbers.expressions)
    ├── TooManyReferencesError   a JSON schema refers in circles         (scoring.scorers.json_schema)
    ├── RedactionError           a text could not be searched for what is private; it goes nowhere
    ├── DevstackError            an embedded service could not be started
    └── UsageError               a command was given something it cannot work with

A class with a module beside it is defined there, because it belongs to one caller alone.
Failures of a *model* are not in this tree: they are data (`Reply.failure`), because a candidate
that times out is what the platform measures.
"""

from collections.abc import Mapping
from types import MappingProxyType


class ShadowError(Exception):
    """The base of every error that is raised on purpose. The message is for people: what is wrong, and what to do."""


class ConfigError(ShadowError):
    """The configuration cannot be used; the message names file, key and fix."""


class WireError(ShadowError):
    """A message or a line is not in a format we read.

    `reason` is a stable, machine-readable word (it becomes the reason of a dead letter);
    the message says what was found.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class StoreError(ShadowError):
    """The database cannot do what was asked of it."""


class SchemaError(StoreError):
    """The database schema is missing, behind or ahead of this version."""


class UnstorableError(StoreError):
    """Rows that PostgreSQL cannot store: NUL, lone surrogates, impossible numbers, or too old.

    Too old: from before the rows that are kept, so that they may have been counted already. If the
    store found the rows, `exchange_ids` has the ids of the exchanges and `reasons` a reason for each;
    both are empty if the database itself refused one row of many.
    """

    def __init__(
        self, exchange_ids: tuple[str, ...], message: str, reasons: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        super().__init__(message)
        self.exchange_ids = exchange_ids
        self.reasons = reasons


class BrokerError(ShadowError):
    """Kafka cannot be reached, or refuses what was asked of it."""


class ConsumerCrashedError(BrokerError):
    """A consumer's session ended by itself: Faust crashed or did not start, or a handler raised."""


class RedactionError(ShadowError):
    """A pattern of the settings took too long on a text, which therefore may not be passed on."""


class DroppedError(ShadowError):
    """A captured call cannot be mirrored: it is dropped and counted for this `reason`, a stable word."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason


class TransportError(ShadowError):
    """A client or an endpoint of the gateway broke an HTTP exchange off."""


class DevstackError(ShadowError):
    """An embedded service could not be started."""


class UsageError(ShadowError):
    """A command was given something that it cannot work with."""
