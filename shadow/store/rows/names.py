"""Keys, names and ids as PostgreSQL can store them.

PostgreSQL stores no NUL in text, UTF-8 has no lone surrogates, and an index row holds less than
three kilobytes. Names and ids are therefore changed where they must be, in the same way wherever
they come from: the ledger then counts every exchange, and always under the same name.
"""

from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from itertools import islice
from typing import Final, NamedTuple

from shadow.errors import UnstorableError

#: Maximum length of a name or an id, in bytes of UTF-8. A longer one is cut and gets a digest of
#: the whole, so that two long names stay different. An index row has room for 2704 bytes; the key
#: with the most names (of `labels`) has four of them, 2048 bytes, and less than 100 bytes more.
MAX_NAME: Final = 512


class PairKey(NamedTuple):
    """The primary key of `comparisons` and `payloads`: the name of a stored pair."""

    task: str
    at: datetime
    exchange_id: str
    kind: str
    candidate: str


def storable_name(name: str) -> str:
    """`name` as PostgreSQL can store and index it; for almost every name, `name` itself."""
    if 4 * len(name) <= MAX_NAME and name.isprintable():  # a character has four bytes at most
        return name
    text = storable_text(name)
    encoded = text.encode()
    if len(encoded) <= MAX_NAME:
        return text
    start = encoded[: MAX_NAME - 17].decode(errors="ignore")  # drops half a character at the end
    return f"{start}~{digest(name)}"


def storable_text(text: str) -> str:
    """`text` with U+FFFD or `?` for what PostgreSQL cannot store: NUL and lone surrogates."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def digest(text: str) -> str:
    """Sixteen hexadecimal digits that stand for `text`, where that is private or too long."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def unstorable(refused: Mapping[str, str]) -> UnstorableError:
    """The error that names these exchanges, each with its reason."""
    named = "; ".join(f"{storable_name(name)}: {reason}" for name, reason in islice(refused.items(), 5))
    return UnstorableError(tuple(refused), f"{len(refused)} exchanges cannot be stored ({named})", refused)
