"""PostgreSQL's advisory locks: which ones there are, and how to hold them.

Some are held until a transaction ends (`lock_until_commit`). Others are held by a session: of
several processes that could do a piece of work one does it, and the others stand by. A process
that dies loses its session locks, so nothing has to be cleaned up. Session locks do not work
through a proxy that gives out a connection per transaction.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from hashlib import blake2b
from typing import Final

from sqlalchemy import Connection, Engine, text

from shadow.errors import StoreError
from shadow.store.schema.engine import explained

#: The locks with a number of their own. It must stay the same in all versions: during an update, old
#: and new processes run at the same time.
MIGRATIONS: Final = 7_308_604_895_151_517
PARTITIONS: Final = 7_308_604_895_151_518
#: Writers of exchanges share it and a writer of dead letters holds it alone. Otherwise a letter and
#: its exchange, written at the same moment, would not see each other.
DEAD_LETTERS: Final = 7_308_604_895_151_519
MONITOR: Final = 7_308_604_895_151_520

#: The server ends a session of `Locks` that sends nothing for this long. Its process is frozen then,
#: or its machine is gone, and another process may have its locks.
IDLE_TIMEOUT: Final = timedelta(minutes=15)


def lock_until_commit(connection: Connection, lock: int, *, shared: bool = False) -> None:
    """Wait for `lock`, and hold it until the transaction ends."""
    function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    connection.execute(text(f"SELECT {function}(:key)"), {"key": lock})


def try_lock(connection: Connection, lock: int) -> bool:
    """Whether this session holds `lock` now; it then does so until the session ends. Commits."""
    with explained(connection.engine.url):
        taken = connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": lock}).scalar()
        connection.commit()
    return bool(taken)


@contextmanager
def dedicated_session(engine: Engine, *, idle_timeout: timedelta) -> Iterator[Connection]:
    """A connection whose session, with its locks, ends with the block.

    The server ends it as well when it receives nothing for `idle_timeout`. Every transaction is
    REPEATABLE READ: it sees the database as of one moment.
    """
    connection = _open(engine, idle_timeout)
    try:
        connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection
    finally:
        _close(connection)


class Locks:
    """The session locks of one process, on a connection of its own. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._held: set[str] = set()
        self._mutex = threading.Lock()

    def hold(self, name: str) -> bool:
        """Whether this process holds the lock `name`; takes the lock if no other process has it.

        Call it before each piece of work. A lost connection has lost its locks: the first call after
        that raises StoreError.
        """
        with self._mutex:
            try:
                return self._hold(name)
            except StoreError:
                self._release_all()
                raise

    def close(self) -> None:
        """Release every lock."""
        with self._mutex:
            self._release_all()

    def _hold(self, name: str) -> bool:
        if self._connection is None:
            connection = _open(self._engine, IDLE_TIMEOUT)
            self._connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        if name in self._held:
            with explained(self._engine.url):
                self._connection.execute(text("SELECT 1"))  # fails if the connection, and with it the lock, is lost
            return True
        if not try_lock(self._connection, _key(name)):
            return False
        self._held.add(name)
        return True

    def _release_all(self) -> None:
        self._held.clear()
        if self._connection is not None:
            _close(self._connection)
            self._connection = None


def _open(engine: Engine, idle_timeout: timedelta) -> Connection:
    with explained(engine.url):
        connection = engine.connect()
        timeout = f"{round(idle_timeout.total_seconds() * 1000)}ms"
        connection.execute(text("SELECT set_config('idle_session_timeout', :timeout, false)"), {"timeout": timeout})
        connection.commit()
    return connection


def _close(connection: Connection) -> None:
    # Not returned to the pool: there the session would live on and keep its locks.
    connection.invalidate()
    connection.close()


def _key(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=8, person=b"shadow-lock").digest(), signed=True)
