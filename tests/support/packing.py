"""Answers packed as endpoints pack them, by content coding."""

import gzip
import zlib
from collections.abc import Callable
from typing import Final

import pytest


def _brotli(body: bytes) -> bytes:
    packed: bytes = pytest.importorskip("brotli").compress(body)
    return packed


def _zstd(body: bytes) -> bytes:
    """Two frames, as a server writes them that sends what it has."""
    zstandard = pytest.importorskip("zstandard")
    packed: bytes = zstandard.compress(body[:5]) + zstandard.compress(body[5:])
    return packed


PACK: Final[dict[str, Callable[[bytes], bytes]]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": _brotli,
    "zstd": _zstd,
}
