"""Files that commands read and write, where `-` is standard input or output."""

import gzip
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

from shadow.errors import UsageError

#: As a file's name: standard input or output.
STANDARD: Final = Path("-")


@contextmanager
def open_input(file: Path) -> Iterator[BinaryIO]:
    """The bytes of `file`. Raises UsageError if it cannot be opened."""
    if file == STANDARD:
        yield sys.stdin.buffer
        return
    try:
        stream = file.open("rb")
    except OSError as error:
        raise UsageError(f"{file}: cannot be read ({error.strerror})") from None
    with stream:
        yield stream


@contextmanager
def open_output(file: Path) -> Iterator[BinaryIO]:
    """A stream to write `file` to, compressed if its name ends in .gz. Raises UsageError if it cannot be written.

    `file` appears complete when the context ends, or not at all after an exception. Each process
    writes to an unfinished file of its own, so that two that write the same file do not mix.
    """
    if file == STANDARD:
        yield sys.stdout.buffer
        return
    unfinished = file.with_name(f"{file.name}.{secrets.token_hex(4)}.unfinished")
    try:
        with unfinished.open("xb") as stream:
            if file.suffix == ".gz":
                with gzip.open(stream, "wb", compresslevel=6) as compressed:
                    yield cast("BinaryIO", compressed)
            else:
                yield stream
        unfinished.replace(file)
    except OSError as error:
        raise UsageError(f"{file}: cannot be written ({error.strerror})") from None
    finally:
        unfinished.unlink(missing_ok=True)
