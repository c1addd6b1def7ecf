"""The folder of a demo: held by one demo at a time, and emptied of nothing but what a demo put there."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from shadow.devstack.services.postgres import EmbeddedPostgres
from shadow.errors import UsageError

#: Where a demo lives unless told otherwise: a name of our own, so what is in it is ours.
DEFAULT: Final = Path(".shadow/demo")

#: Says that a folder is a demo's, and is locked while one runs. It stays when the demo ends.
MARKER: Final = "demo.lock"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Have `folder`, which is made if need be, for one demo alone.

    UsageError where another demo runs in it, where it holds somebody else's files, or where it
    cannot be made. The lock goes with the process, however that ends.
    """
    lock = _marked(folder)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"a demo is running in {folder}; stop it or use --folder") from None
        yield
    finally:
        os.close(lock)


def empty(folder: Path) -> None:
    """Delete the database and the logs that an earlier demo left in a held folder."""
    logs = folder / "logs"
    try:
        EmbeddedPostgres(folder / "postgres").remove()
        if logs.exists():
            shutil.rmtree(logs)
        logs.mkdir()
    except OSError as fault:
        raise _unusable(folder, fault) from None


def _marked(folder: Path) -> int:
    """The marker of a folder that is a demo's, or may become one's, opened."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if folder != DEFAULT and not (folder / MARKER).exists() and any(folder.iterdir()):
            raise UsageError(
                f"--folder {folder} holds files that are not a demo's, and a demo empties its folder: "
                "name one that is new or empty"
            )
        return os.open(folder / MARKER, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as fault:
        raise _unusable(folder, fault) from None


def _unusable(folder: Path, fault: OSError) -> UsageError:
    return UsageError(f"the demo cannot use {folder}: {fault.strerror or fault}; name another with --folder")
