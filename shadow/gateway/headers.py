"""Which headers pass through the gateway, in each direction, and which it reads itself."""

from collections.abc import Iterable
from typing import Final

from multidict import CIMultiDict

RawHeaders = Iterable[tuple[bytes, bytes]]

#: Headers of one connection, which the next one makes for itself (RFC 9110 §7.6.1).
_HOP_BY_HOP: Final = frozenset(
    {
        *(b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization"),
        *(b"te", b"trailer", b"transfer-encoding", b"upgrade"),
    }
)
#: Also not sent on: they are about the gateway's own address, or about bytes already received.
_OWN: Final = frozenset({b"host", b"content-length", b"expect"})
_STOP: Final = _HOP_BY_HOP | _OWN

#: Where clients put credentials. All of them give way when the gateway has a key of its own.
_CREDENTIALS: Final = ("authorization", "api-key", "x-api-key")

#: Ours, never the endpoint's: they may name customers and experiments.
_PRIVATE: Final = b"x-shadow-"

#: What can be undone without further libraries, to read the copy of an answer.
READABLE_ENCODINGS: Final = frozenset({"gzip", "deflate", "identity"})


def read(raw: RawHeaders) -> tuple[CIMultiDict[str], dict[str, str]]:
    """The client's headers as (those to send on, those the gateway reads itself).

    The second holds `x-shadow-*`, `traceparent` and `content-length`, by lower-case name, and
    is all that can ever reach storage: an allow-list, because nobody can list every header
    that some client puts a secret in.
    """
    passing: CIMultiDict[str] = CIMultiDict()
    told: dict[str, str] = {}
    dropped = _STOP
    for name, value in raw:
        if name == b"connection":
            dropped = _STOP | _listed(value)
        elif name.startswith(_PRIVATE) or name == b"content-length":
            told[name.decode("latin-1")] = _text(value)
    for name, value in raw:
        if name not in dropped and not name.startswith(_PRIVATE):
            passing.add(name.decode("latin-1"), _text(value))
    if traceparent := passing.get("traceparent"):
        told["traceparent"] = traceparent
    return passing, told


def authorize(passing: CIMultiDict[str], key: str | None) -> None:
    """Replace the client's credentials by the gateway's own `key`, if it has one."""
    if key is not None:
        for name in _CREDENTIALS:
            passing.popall(name, None)
        passing["authorization"] = f"Bearer {key}"


def ask_for_readable(passing: CIMultiDict[str]) -> None:
    """Narrow `accept-encoding` to what the copy can be read in.

    The client still gets its answer compressed, by the endpoint and untouched by us, if it
    accepts a format that we can read too.
    """
    accepted = passing.get("accept-encoding", "")
    if accepted:
        names = (part.strip() for part in accepted.split(","))
        readable = [name for name in names if name.partition(";")[0].strip().lower() in READABLE_ENCODINGS]
        passing["accept-encoding"] = ", ".join(readable) or "identity"
    else:
        # Without the header any coding is allowed (RFC 9110 §12.5.3).
        passing["accept-encoding"] = "identity"


def answer(raw: RawHeaders, status: int) -> list[tuple[bytes, bytes]]:
    """The endpoint's headers as the client gets them; names in lower case, values byte for byte."""
    lowered = [(name.lower(), value) for name, value in raw]
    dropped: frozenset[bytes] = _HOP_BY_HOP
    for name, value in lowered:
        if name == b"connection":
            dropped = dropped | _listed(value)
    if status in (204, 304):  # no body follows, whatever length is told
        dropped = dropped | {b"content-length"}
    return [header for header in lowered if header[0] not in dropped]


def _listed(connection: bytes) -> frozenset[bytes]:
    return frozenset(part.strip().lower() for part in connection.split(b","))


def _text(value: bytes) -> str:
    # The client library writes headers as UTF-8, so this is the reading that keeps the bytes.
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
