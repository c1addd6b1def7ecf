"""Which headers the gateway forwards, in each direction, and which it reads itself."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, TypeAlias

#: Names in lower case where they come from a client; values byte for byte.
Headers: TypeAlias = list[tuple[bytes, bytes]]
RawHeaders: TypeAlias = Sequence[tuple[bytes, bytes]]

#: Headers of one connection, which the next connection sets for itself (RFC 9110 §7.6.1).
_HOP_BY_HOP: Final = frozenset(
    {
        *(b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization"),
        *(b"te", b"trailer", b"transfer-encoding", b"upgrade"),
    }
)
#: Also not forwarded: they are about the gateway's own address, or about bytes already received.
_OF_ONE_HOP: Final = frozenset({b"host", b"content-length", b"expect"})
_NOT_FORWARDED: Final = _HOP_BY_HOP | _OF_ONE_HOP

_NONE: Final[frozenset[bytes]] = frozenset()

#: What a client sends on beside the gateway's own key, or to an endpoint that its credentials are not meant
#: for. An allow-list, because the headers in which clients put credentials cannot all be listed.
WITHOUT_CREDENTIALS: Final = frozenset(
    {
        *(b"accept", b"accept-encoding", b"accept-language", b"content-type", b"content-encoding", b"content-language"),
        *(b"user-agent", b"http-referer", b"x-title", b"x-request-id", b"x-client-request-id", b"idempotency-key"),
        *(b"traceparent", b"tracestate", b"openai-beta", b"anthropic-version", b"anthropic-beta", b"range"),
        # What the official clients say about themselves.
        *(b"x-stainless-lang", b"x-stainless-package-version", b"x-stainless-os", b"x-stainless-arch"),
        *(b"x-stainless-runtime", b"x-stainless-runtime-version", b"x-stainless-async", b"x-stainless-retry-count"),
        *(b"x-stainless-read-timeout", b"x-stainless-timeout", b"x-stainless-helper-method"),
        b"x-stainless-raw-response",
        *(b"if-match", b"if-none-match", b"if-modified-since", b"cache-control", b"priority", b"x-should-retry"),
    }
)

#: For the gateway, never forwarded: they may name customers and experiments.
_PRIVATE: Final = b"x-shadow-"

_DESCRIBING_BODY: Final = frozenset({b"content-type", b"content-encoding", b"content-length"})

#: The encodings that the standard library decodes, to read the copy of an answer.
READABLE_ENCODINGS: Final = frozenset({b"gzip", b"x-gzip", b"deflate", b"identity"})


def read(raw: RawHeaders) -> tuple[Headers, dict[str, str]]:
    """The client's headers as (those to forward, those the gateway reads itself).

    The second holds `x-shadow-*`, `traceparent` and `content-length`. Only these can ever reach
    storage: an allow-list, because the headers in which clients put secrets cannot all be listed.
    """
    forwarded: Headers = []
    own: dict[str, str] = {}
    for header in raw:
        name, value = header
        if name in _NOT_FORWARDED:
            if name == b"content-length":
                own["content-length"] = value.decode("latin-1")
        elif name.startswith(_PRIVATE):
            own[name.decode("latin-1")] = value.decode("utf-8", "replace")
        else:
            forwarded.append(header)
            if name == b"traceparent":
                own["traceparent"] = value.decode("latin-1")
    if listed := _listed(raw):
        forwarded = [header for header in forwarded if header[0] not in listed]
    return forwarded, own


def authorized(forwarded: Headers, key: str | None, *, meant: bool) -> Headers:
    """`forwarded` with the gateway's own `key` in place of the client's credentials.

    Without a key the client's own pass, where they are `meant` for this endpoint.
    """
    if key is None and meant:
        return forwarded
    kept = [header for header in forwarded if header[0] in WITHOUT_CREDENTIALS]
    return kept if key is None else [*kept, (b"authorization", b"Bearer " + key.strip().encode())]


def readable(forwarded: Headers) -> Headers:
    """`forwarded` with `accept-encoding` narrowed to what the copy can be read in.

    The client still gets its answer compressed, as the endpoint sent it, if it accepts an encoding
    that can be read here too. Without the header any encoding would be allowed (RFC 9110 §12.5.3),
    so it is always set.
    """
    accepted = b",".join([value for name, value in forwarded if name == b"accept-encoding"])
    kept = [header for header in forwarded if header[0] != b"accept-encoding"]
    kept.append((b"accept-encoding", _known(accepted)))
    return kept


def answer(raw: RawHeaders, status: int) -> Headers:
    """The endpoint's headers as the client gets them; names in lower case, values byte for byte."""
    lowered = [(name.lower(), value) for name, value in raw]
    listed = _listed(lowered)
    dropped = _HOP_BY_HOP | listed if listed else _HOP_BY_HOP
    if status in (204, 304):  # no body follows, whatever length is declared
        dropped |= {b"content-length"}
    return [header for header in lowered if header[0] not in dropped]


def describing_body(headers: Headers) -> dict[str, str]:
    """Content type, encoding and length by name in lower case; the first value of each that is there."""
    found: dict[str, str] = {}
    for name, value in headers:
        if name in _DESCRIBING_BODY:
            found.setdefault(name.decode("latin-1"), value.decode("latin-1"))
    return found


@lru_cache(maxsize=64)  # as many as there are kinds of clients
def _known(accepted: bytes) -> bytes:
    """The encodings of `accepted` that the copy can be read in."""
    encodings = (part.strip() for part in accepted.split(b","))
    known = [encoding for encoding in encodings if encoding.partition(b";")[0].strip().lower() in READABLE_ENCODINGS]
    return b", ".join(known) or b"identity"


def _listed(raw: RawHeaders) -> frozenset[bytes]:
    """Headers that `connection` declares to belong to this connection too."""
    values = [value for name, value in raw if name == b"connection"]
    return frozenset([part.strip().lower() for value in values for part in value.split(b",")]) if values else _NONE
