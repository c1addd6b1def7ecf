"""Decodes the content encoding of an answer, piece by piece and up to a limit.

The standard library decodes gzip and deflate. For Brotli and Zstandard this uses whichever library
the process has: a client that asks for these encodings has one, so we need not depend on one.
"""

import zlib
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from itertools import chain, islice
from typing import Any, Final, NamedTuple, TypeAlias

from shadow.errors import DroppedError

#: Received bytes, and the time of their arrival (seconds of `time.perf_counter()`).
Piece: TypeAlias = tuple[bytes, float]

_GZIP_MAGIC: Final = b"\x1f\x8b"


class UnknownEncodingError(DroppedError):
    """No library in this process decodes the content encoding of an answer, so the call cannot be mirrored."""

    def __init__(self, detail: str) -> None:
        super().__init__("unknown_coding", detail)


class Decoded(NamedTuple):
    """The decoded pieces. `cut`: they end at the limit. `error`: why the bytes after them cannot be decoded."""

    pieces: Sequence[Piece]
    cut: bool = False
    error: str | None = None


class _Decoder(NamedTuple):
    """`decode(data, limit)` returns the decoded `data`, up to `limit` bytes or a few more; it may raise `error`."""

    decode: Callable[[bytes, int], bytes]
    error: type[Exception]


def decode(pieces: Sequence[Piece], encodings: str, *, limit: int) -> Decoded:
    """Decode an answer whose `content-encoding` header is `encodings`, up to `limit` bytes in all.

    A few bytes may decode to gigabytes, so nothing beyond the limit is decoded.
    Raises UnknownEncodingError.
    """
    decoded = Decoded(pieces)
    for encoding in reversed(encodings.lower().split(",")):
        if (name := encoding.strip()) not in ("", "identity"):
            decoded = _decode_one(decoded, name, limit)
    return decoded


def _decode_one(encoded: Decoded, encoding: str, limit: int) -> Decoded:
    make = _DECODERS.get(encoding)
    if make is None:
        raise UnknownEncodingError(f"unknown content encoding {encoding[:40]!r}")
    magic = bytes(islice(chain.from_iterable(piece for piece, _ in encoded.pieces), len(_GZIP_MAGIC)))
    decoder = make(magic)
    decoded: list[Piece] = []
    left = limit
    for piece, at in encoded.pieces:
        try:
            part = decoder.decode(piece, left + 1)
        except decoder.error as error:
            return Decoded(decoded, encoded.cut, f"not {encoding}: {error}"[:200])
        decoded.append((part[:left], at))
        left -= len(part)
        if left < 0:
            return Decoded(decoded, cut=True)
    return encoded._replace(pieces=decoded)


def _gzip(_magic: bytes) -> _Decoder:
    return _Decoder(zlib.decompressobj(zlib.MAX_WBITS | 32).decompress, zlib.error)  # 32: gzip's or zlib's format


def _deflate(magic: bytes) -> _Decoder:
    # The name means zlib's format; some servers omit its header, and some send gzip.
    has_zlib_header = len(magic) == 2 and magic[0] & 15 == 8 and int.from_bytes(magic) % 31 == 0
    if len(magic) < len(_GZIP_MAGIC) or magic == _GZIP_MAGIC or has_zlib_header:
        return _gzip(magic)
    return _Decoder(zlib.decompressobj(-zlib.MAX_WBITS).decompress, zlib.error)


def _brotli(_magic: bytes) -> _Decoder:
    library = _library("brotli", "brotlicffi")
    decoder = library.Decompressor()
    if not hasattr(decoder, "can_accept_more_data"):  # before 1.2, which takes an output limit
        return _Decoder(_in_small_steps(decoder.process, 16), library.error)

    def decode(data: bytes, limit: int) -> bytes:
        part: bytes = decoder.process(data, output_buffer_limit=limit)
        return part

    return _Decoder(decode, library.error)


def _zstd(_magic: bytes) -> _Decoder:
    library = _library("compression.zstd", "backports.zstd", "zstandard")
    if library.__name__ == "zstandard":
        frames = library.ZstdDecompressor().decompressobj(read_across_frames=True)
        return _Decoder(_in_small_steps(frames.decompress, 256), library.ZstdError)
    frame = library.ZstdDecompressor()

    def decode(data: bytes, limit: int) -> bytes:
        nonlocal frame
        decoded = b""
        while data and len(decoded) < limit:
            if frame.eof:  # servers that flush each piece may put each into its own frame
                frame = library.ZstdDecompressor()
            decoded += frame.decompress(data, limit - len(decoded))
            data = frame.unused_data
        return decoded

    return _Decoder(decode, library.ZstdError)


def _in_small_steps(decode: Callable[[bytes], bytes], step: int) -> Callable[[bytes, int], bytes]:
    """Limit the output of a decoder that has no such option: `step` bytes decode to 32 MiB at most."""

    def bounded(data: bytes, limit: int) -> bytes:
        decoded = bytearray()
        for start in range(0, len(data), step):
            decoded += decode(data[start : start + step])
            if len(decoded) >= limit:
                break
        return bytes(decoded)

    return bounded


def _library(*names: str) -> Any:
    library = _first_importable(names)
    if library is None:
        raise UnknownEncodingError(f"none of these is installed: {', '.join(names)}")
    return library


@cache
def _first_importable(names: tuple[str, ...]) -> Any:
    """The first of these modules that can be imported, or None. Cached, because a failing import is slow."""
    for name in names:
        try:
            return import_module(name)
        except ImportError:
            continue
    return None


_DECODERS: Final[dict[str, Callable[[bytes], _Decoder]]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}
