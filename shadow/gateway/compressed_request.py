"""Route a request whose body is compressed: decode it, and send on as few changed bytes as possible."""

import asyncio

import msgspec

from shadow.gateway.http.asgi import BodyTooLargeError
from shadow.gateway.http.headers import Headers
from shadow.gateway.routing import BAD_JSON, Route, Router
from shadow.openai_api import content_encoding
from shadow.openai_api.content_encoding import UnknownEncodingError
from shadow.records import Api

#: Why a request is not mirrored, beside the router's reasons: nothing in this process decodes its body.
UNKNOWN_ENCODING = "unknown_encoding"

_HEADER = b"content-encoding"
#: More encodings on top of each other than any client sends.
_MAX_ENCODINGS = 3


def encodings_of(forwarded: Headers) -> str:
    """The request's `content-encoding`; empty if it has none."""
    return ",".join(value.decode("latin-1") for name, value in forwarded if name == _HEADER)


async def decode(body: bytes, encodings: str, *, limit: int) -> bytes:
    """`body` without its encodings, as far as it can be decoded.

    Decodes in a thread, because megabytes would hold up every other request meanwhile.
    Raises BodyTooLargeError beyond `limit` bytes, none of which are decoded, and UnknownEncodingError.
    """
    if encodings.count(",") >= _MAX_ENCODINGS:
        raise UnknownEncodingError(f"more than {_MAX_ENCODINGS} content encodings")
    decoded = await asyncio.to_thread(content_encoding.decode, [(body, 0.0)], encodings, limit=limit)
    if decoded.cut:
        raise BodyTooLargeError
    return b"".join(piece for piece, _ in decoded.pieces)


async def route(
    router: Router, api: Api, unread: Route, forwarded: Headers, own_headers: dict[str, str], *, limit: int
) -> tuple[bytes, Route, Headers]:
    """The decoded body, where the request goes, and the headers to forward.

    `unread` is the route of the compressed body, and stays the route of one that does not decode to
    a JSON object. A body in which nothing is renamed goes out compressed as it came; a renamed one
    goes out decoded, without `content-encoding`.
    Raises BodyTooLargeError for a body that decodes to more than `limit` bytes.
    """
    compressed = unread.body
    try:
        body = await decode(compressed, encodings_of(forwarded), limit=limit)
    except UnknownEncodingError:
        return compressed, msgspec.structs.replace(unread, unmirrored=UNKNOWN_ENCODING), forwarded
    found = router.route(api, body, own_headers)
    if found.unmirrored == BAD_JSON:
        return compressed, unread, forwarded
    if found.body is body:
        return body, msgspec.structs.replace(found, body=compressed), forwarded
    return body, found, [header for header in forwarded if header[0] != _HEADER]
