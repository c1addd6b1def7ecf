r"""Decodes JSON as the official client does, and removes half characters from text.

msgspec is several times faster than the standard library, and refuses some of what that accepts: NaN, a byte order
mark, and half of a surrogate pair. A server in JavaScript may cut an emoji into two escapes (`\ud83d`, `\ude00`) in
two chunks of a stream.
"""

import json
import math
import re
from typing import Any, Final

import msgspec

#: What `decode` raises.
DECODE_ERRORS: Final = (ValueError, RecursionError)
#: The escape of a half that is alone, after any number of escaped backslashes.
_HALF: Final = re.compile(
    rb"(?<!\\)((?:\\\\)*)\\u"
    rb"(?:[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2}\\u)[dD][c-fC-F][0-9a-fA-F]{2})"
)
#: Longer numbers are neither counts nor indexes.
_MAX_DIGITS: Final = 18


def decode(data: bytes) -> Any:
    """The value of a JSON text. Its strings may hold halves of surrogate pairs. Raises one of DECODE_ERRORS."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return json.loads(data)


def without_halves(data: bytes) -> bytes:
    """A JSON text with U+FFFD in place of each half of a surrogate pair that is alone, as JavaScript escapes it."""
    return _HALF.sub(rb"\1\\ufffd", data)


def repaired(data: bytes) -> bytes:
    """A JSON text that Python's `json` wrote, as one that every decoder reads. Raises one of DECODE_ERRORS.

    NaN and the infinities become null, and half characters U+FFFD.
    """
    value = json.loads(data.decode(), parse_constant=lambda _: None)
    return joined(json.dumps(value, ensure_ascii=False)).encode()


def decode_text(data: bytes) -> Any:
    """As `decode`, for a text that must be UTF-8 without a byte order mark, as the data of an event must."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return json.loads(data.decode())


def integer(value: Any) -> int | None:
    """`value` as a whole number, also where a server sends it as text or with a decimal point."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= _MAX_DIGITS:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value != int(value):
        return None
    return int(value)


def joined(text: str) -> str:
    """`text` with every surrogate pair put together, and U+FFFD for a half without its other half."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
