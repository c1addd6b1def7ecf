"""A file, plain or gzip, cut into pieces of whole lines in constant memory."""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import BinaryIO, Final, NamedTuple, cast

import msgspec

#: A longer line is a BadLine, because it could take any amount of memory. In bytes.
MAX_LINE: Final = 32 * 2**20

#: Number of bytes per read.
CHUNK: Final = 2**19

#: How a UTF-16 file begins: with a byte order mark, or with the brace of its first object.
_UTF16: Final = (
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"), (b"{\0", "utf-16-le"), (b"\0{", "utf-16-be"),
)  # fmt: skip
_GZIP: Final = b"\x1f\x8b"
TOO_LONG: Final = f"longer than {MAX_LINE >> 20} MiB"


class BadLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line that cannot be read: its number, from 1, and the reason."""

    number: int
    reason: str


class Chunk(NamedTuple):
    """Whole lines of a file, not parsed yet. `number` is that of the first line, from 1."""

    number: int
    content: bytes


def chunks(stream: BinaryIO) -> Iterator[Chunk | BadLine]:
    """The file in pieces of about CHUNK bytes, and a BadLine for each line that is too long to hold.

    The lines of a pipe come as soon as they can be read. A damaged gzip file ends with a BadLine,
    after all lines before the damage.
    """
    number = 1
    start: list[bytes] = []  # of the last line, which goes on in the next block
    size, too_long = 0, False
    try:
        with _uncompressed(stream) as blocks:
            for block in _utf8(blocks):
                first_end = block.find(b"\n") + 1
                if not first_end:
                    size += len(block)
                    too_long |= size >= MAX_LINE
                    start = [] if too_long else [*start, block]
                    continue
                if too_long or size + first_end > MAX_LINE:
                    yield BadLine(number=number, reason=TOO_LONG)
                    number += 1
                    start, block = [], block[first_end:]  # noqa: PLW2901 - the line that was too long ends there
                end = block.rfind(b"\n") + 1
                if end:
                    content = b"".join([*start, block[:end]])
                    yield Chunk(number, content)
                    number += content.count(b"\n")
                    start = []
                start.append(block[end:])
                size, too_long = len(block) - end, False
        if too_long:
            yield BadLine(number=number, reason=TOO_LONG)
        elif size:
            yield Chunk(number, b"".join(start))
    except UnicodeDecodeError as error:
        yield BadLine(number=number, reason=f"the file is damaged from here on ({error})")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        yield BadLine(number=number, reason=f"the compressed file is damaged from here on ({error})")


@contextmanager
def _uncompressed(stream: BinaryIO) -> Iterator[Iterator[bytes]]:
    """The content in blocks of at most CHUNK bytes, uncompressed."""
    buffered = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(cast("io.RawIOBase", stream))
    if buffered.peek(2)[:2] != _GZIP:
        yield iter(lambda: buffered.read1(CHUNK), b"")
        return
    with gzip.GzipFile(fileobj=buffered) as uncompressed:
        yield _blocks(uncompressed)


def _utf8(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The blocks of a UTF-16 file, as PowerShell writes it, in UTF-8; those of other files as they are."""
    first = next(blocks, b"")
    name = next((name for start, name in _UTF16 if first.startswith(start)), None)
    if name is None:
        yield first
        yield from blocks
        return
    decoder = codecs.getincrementaldecoder(name)()
    for block in chain((first,), blocks):
        yield decoder.decode(block).encode()
    yield decoder.decode(b"", final=True).encode()


def _blocks(source: gzip.GzipFile) -> Iterator[bytes]:
    """The small blocks that gzip gives, joined. A damaged file gives everything before the damage."""
    parts: list[bytes] = []
    size = 0
    try:
        while part := source.read1(CHUNK):
            parts.append(part)
            size += len(part)
            if size >= CHUNK:
                yield b"".join(parts)
                parts, size = [], 0
    except (EOFError, gzip.BadGzipFile, zlib.error):
        yield b"".join(parts)
        raise
    yield b"".join(parts)
