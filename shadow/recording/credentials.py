"""What a request carried as a credential reaches no record of it.

Endpoints repeat keys in their errors (`Incorrect API key provided: …`). Patterns find keys of known forms
only, but the key of this very request is known.
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from shadow.records import Exchange, Reply
from shadow.redact.placeholders import SECRET

#: Shorter values are placeholders such as `EMPTY`, and words that occur in any text.
_MIN_LENGTH: Final = 8
_NAME: Final = re.compile(r"auth|key|token|secret|cookie|credential|passw|session", re.IGNORECASE)
#: Named like credentials, and none.
_HARMLESS: Final = frozenset({"idempotency-key", "sec-websocket-key", "max-tokens"})


def credentials_of(headers: Iterable[tuple[str, str]], query: str = "") -> tuple[str, ...]:
    """The credentials in a request's headers and in the query of its URL."""
    found: dict[str, None] = {}
    for name, value in headers:
        if _holds_credentials(name):
            found.update(dict.fromkeys(_values(name.lower(), value)))
    if "=" in query:
        found.update((value, None) for name, value in parse_qsl(query) if _holds_credentials(name))
    return tuple([value for value in found if len(value) >= _MIN_LENGTH])


def without_credentials(exchange: Exchange, credentials: Collection[str], *, raw: bytes) -> Exchange:
    """`exchange` with placeholders for `credentials`. `raw` are the bytes that its request was read from.

    Values that are too short to be secret are left alone, and so is what is no text.
    """
    secret = _longest_first(credentials)
    reply = reply_without_credentials(exchange.reply, secret)
    if reply is not exchange.reply:
        exchange = msgspec.structs.replace(exchange, reply=reply)
    if any(value.encode("utf-8", "surrogatepass") in raw for value in secret):
        exchange = msgspec.structs.replace(
            exchange,
            request=_replaced(exchange.request, secret),
            segment=_replaced(exchange.segment, secret),
            unit=_replaced(exchange.unit, secret),
        )
    return exchange


def reply_without_credentials(reply: Reply, credentials: Collection[str]) -> Reply:
    """`reply` with placeholders for `credentials`; the same where it holds none."""
    secret = _longest_first(credentials)
    if not any(value in text for text in _texts(reply) for value in secret):
        return reply
    return msgspec.convert(_replaced(msgspec.to_builtins(reply), secret), Reply)


def _longest_first(credentials: Collection[str]) -> list[str]:
    """Those long enough to be secret. One may be a part of another."""
    usable = [value for value in credentials if isinstance(value, str) and len(value) >= _MIN_LENGTH]
    return sorted(usable, key=len, reverse=True)


@lru_cache(1_024)
def _holds_credentials(name: str) -> bool:
    return name.lower() not in _HARMLESS and _NAME.search(name) is not None


def _values(name: str, value: str) -> Iterable[str]:
    """The parts of a header's value that are secret by themselves."""
    if "cookie" in name:
        yield from (part.partition("=")[2].strip() for part in value.split(";"))
        return
    scheme, _, rest = value.strip().partition(" ")
    yield rest.strip() or scheme
    if scheme.lower() == "basic":
        try:
            user_and_password = b64decode(rest, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return
        yield user_and_password
        yield user_and_password.partition(":")[2]


def _texts(reply: Reply) -> Iterable[str]:
    yield from filter(None, (reply.content, reply.failure_detail, reply.reasoning, reply.refusal, reply.model))
    for call in reply.tool_calls:
        yield call.name
        yield call.arguments


def _replaced(value: Any, credentials: Collection[str]) -> Any:
    match value:
        case str():
            for credential in credentials:
                value = value.replace(credential, SECRET)
            return value
        case dict():
            return {_replaced(key, credentials): _replaced(item, credentials) for key, item in value.items()}
        case list() | tuple():
            return [_replaced(item, credentials) for item in value]
        case _:
            return value
