"""The folder of a demo: locked by one demo at a time. Only files of an earlier demo are deleted from it."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from shadow.devstack.services.postgres import EmbeddedPostgres
from shadow.errors import UsageError

#: The default folder. Its name is our own, so its files are ours.
DEFAULT: Final = Path(".shadow/demo")

#: Marks a folder as a demo's, and is locked while one runs. It stays when the demo ends.
MARKER: Final = "demo.lock"


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Create `folder` if it does not exist, and lock it for one demo.

    Raises UsageError if another demo runs in it, if it holds files that are not a demo's, or if it
    cannot be created. The lock ends with the process, in whatever way that ends.
    """
    marker = _open_marker(folder)
    try:
        try:
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"a demo is running in {folder}; stop it or use --folder") from None
        yield
    finally:
        os.close(marker)


def empty(folder: Path) -> None:
    """Delete the database and the logs that an earlier demo left in a locked folder."""
    logs = folder / "logs"
    try:
        EmbeddedPostgres(folder / "postgres").remove()
        if logs.exists():
            shutil.rmtree(logs)
        logs.mkdir()
    except OSError as error:
        raise _unusable(folder, error) from None


def _open_marker(folder: Path) -> int:
    """The file descriptor of the folder's marker. Creates both; refuses a folder with files of others."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if folder != DEFAULT and not (folder / MARKER).exists() and any(folder.iterdir()):
            raise UsageError(
                f"--folder {folder} holds files that are not a demo's, and a demo empties its folder: "
                "name a new or empty folder"
            )
        return os.open(folder / MARKER, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise _unusable(folder, error) from None


def _unusable(folder: Path, error: OSError) -> UsageError:
    return UsageError(f"the demo cannot use {folder}: {error.strerror or error}; name another with --folder")
