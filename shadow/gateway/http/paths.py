"""Paths as servers may resolve them. A path above `/v1` would use the endpoint's key for what it was not given for."""

from typing import Final
from urllib.parse import unquote_to_bytes

#: A path may be encoded more than once: each server on its way may decode it once more.
_MAX_DECODED: Final = 4


def plain(path: str) -> str:
    """`path` without empty and `.` segments, which a base URL with a stray slash adds and most servers ignore."""
    return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))


def may_leave(raw: bytes) -> bool:
    """Whether a server might resolve the path `raw`, as the client wrote it, to one outside of its folder.

    Servers differ in how often they decode it, whether a backslash separates folders (Windows), and whether
    `;` begins parameters of a segment (Java). What is left encoded after four times is not trusted either.
    """
    if b"%" not in raw and b".." not in raw and b"\\" not in raw:
        return False  # as nearly all
    for _ in range(_MAX_DECODED):
        segments = raw.replace(b"\\", b"/").split(b"/")
        if any(segment.partition(b";")[0].strip() == b".." for segment in segments):
            return True
        if b"\\" in raw or min(raw, default=32) < 32:  # control characters end some paths
            return True
        decoded = unquote_to_bytes(raw)
        if decoded == raw:
            return False
        raw = decoded
    return True
