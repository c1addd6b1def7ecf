"""An answer's bytes without their content coding, piece by piece, and never more than a limit.

gzip and deflate need nothing. For Brotli and Zstandard the libraries are used that the process
has: whoever asks for these codings has one, and nobody has to install it for our sake.
"""

import zlib
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from itertools import chain, islice
from typing import Any, Final, NamedTuple

from shadow.openai_api.body_buffer import Piece

_GZIP: Final = b"\x1f\x8b"


class UnknownCodingError(ValueError):
    """Nothing in this process undoes the content coding."""


class Undone(NamedTuple):
    """What could be read: `cut` where it ends at our limit, `fault` where the bytes are not in their coding."""

    pieces: Sequence[Piece]
    cut: bool = False
    fault: str | None = None


class _Decoder(NamedTuple):
    """`undo(data, most)` gives what `data` adds, `most` bytes of it or a little more, and may raise `error`."""

    undo: Callable[[bytes, int], bytes]
    error: type[Exception]


def undone(pieces: Sequence[Piece], codings: str, *, limit: int) -> Undone:
    """The pieces of an answer with this `content-encoding`, at most `limit` bytes in all.

    A few bytes may unpack to gigabytes, so what is beyond the limit is never unpacked.
    Raises UnknownCodingError.
    """
    plain = Undone(pieces)
    for coding in reversed(codings.lower().split(",")):
        if (name := coding.strip()) not in ("", "identity"):
            plain = _undone(plain, name, limit)
    return plain


def _undone(packed: Undone, coding: str, limit: int) -> Undone:
    make = _DECODERS.get(coding)
    if make is None:
        raise UnknownCodingError(f"unknown content coding {coding[:40]!r}")
    decoder = make(bytes(islice(chain.from_iterable(piece for piece, _ in packed.pieces), len(_GZIP))))
    plain: list[Piece] = []
    room = limit
    for piece, at in packed.pieces:
        try:
            more = decoder.undo(piece, room + 1)
        except decoder.error as fault:
            return Undone(plain, packed.cut, f"not {coding}: {fault}"[:200])
        plain.append((more[:room], at))
        room -= len(more)
        if room < 0:
            return Undone(plain, cut=True)
    return packed._replace(pieces=plain)


def _gzip(_head: bytes) -> _Decoder:
    return _Decoder(zlib.decompressobj(zlib.MAX_WBITS | 32).decompress, zlib.error)  # 32: or zlib's format


def _deflate(head: bytes) -> _Decoder:
    # The name means zlib's format; some servers leave its header out, and some send gzip.
    if len(head) < len(_GZIP) or head == _GZIP or (head[0] & 15 == 8 and int.from_bytes(head) % 31 == 0):
        return _gzip(head)
    return _Decoder(zlib.decompressobj(-zlib.MAX_WBITS).decompress, zlib.error)


def _brotli(_head: bytes) -> _Decoder:
    library = _library("brotli", "brotlicffi")
    decoder = library.Decompressor()
    if not hasattr(decoder, "can_accept_more_data"):  # before 1.2, which is told where to stop
        return _Decoder(_by_little(decoder.process, 16), library.error)

    def undo(data: bytes, most: int) -> bytes:
        plain: bytes = decoder.process(data, output_buffer_limit=most)
        return plain

    return _Decoder(undo, library.error)


def _zstd(_head: bytes) -> _Decoder:
    library = _library("compression.zstd", "backports.zstd", "zstandard")
    if library.__name__ == "zstandard":
        frames = library.ZstdDecompressor().decompressobj(read_across_frames=True)
        return _Decoder(_by_little(frames.decompress, 256), library.ZstdError)
    frame = library.ZstdDecompressor()

    def undo(data: bytes, most: int) -> bytes:
        nonlocal frame
        plain = b""
        while data and len(plain) < most:
            if frame.eof:  # servers that send each piece at once may give each its own frame
                frame = library.ZstdDecompressor()
            plain += frame.decompress(data, most - len(plain))
            data = frame.unused_data
        return plain

    return _Decoder(undo, library.ZstdError)


def _by_little(undo: Callable[[bytes], bytes], width: int) -> Callable[[bytes, int], bytes]:
    """For a library that cannot be told where to stop: from `width` bytes it makes 32 MiB at most."""

    def bounded(data: bytes, most: int) -> bytes:
        plain = bytearray()
        for start in range(0, len(data), width):
            plain += undo(data[start : start + width])
            if len(plain) >= most:
                break
        return bytes(plain)

    return bounded


def _library(*names: str) -> Any:
    library = _imported(names)
    if library is None:
        raise UnknownCodingError(f"none of these is installed: {', '.join(names)}")
    return library


@cache
def _imported(names: tuple[str, ...]) -> Any:
    """The first of these modules that there is, or None; looked for once, for looking takes its time."""
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
