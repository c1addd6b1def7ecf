"""Locks between processes: of several that could do a thing, one does, and the others stand by.

They are PostgreSQL's session-level advisory locks: whoever holds one and dies has lost it, and
nobody has to clean up. A pooler that hands out a connection per transaction cannot keep them.
"""

import threading
from hashlib import blake2b
from typing import Final

from sqlalchemy import Connection, Engine, text

from shadow.errors import StoreError
from shadow.store.schema.engine import explained

#: A process that asks for nothing so long is frozen, or its machine gone: its locks are free then.
MOST_SILENCE: Final = "15min"


class Locks:
    """The locks of one process, held by a connection of its own. May be used from any thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._held: set[str] = set()
        self._one_at_a_time = threading.Lock()

    def hold(self, name: str) -> bool:
        """Whether this process holds the lock `name`, which it takes if nobody does.

        To be asked again before each piece of work: a lost connection has lost its locks, and
        then this raises StoreError, once.
        """
        with self._one_at_a_time:
            try:
                return self._hold(name)
            except StoreError:
                self._let_go()
                raise

    def close(self) -> None:
        """Give every lock back."""
        with self._one_at_a_time:
            self._let_go()

    def _hold(self, name: str) -> bool:
        with explained(self._engine.url):
            if self._connection is None:
                self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
                silence = {"silence": MOST_SILENCE}
                self._connection.execute(text("SELECT set_config('idle_session_timeout', :silence, false)"), silence)
            if name in self._held:
                self._connection.execute(text("SELECT 1"))  # still the connection that holds it
                return True
            taken = self._connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _key(name)}).scalar()
        if taken:
            self._held.add(name)
        return bool(taken)

    def _let_go(self) -> None:
        self._held.clear()
        if self._connection is not None:
            # Not back into the pool: the locks would go with it.
            self._connection.invalidate()
            self._connection.close()
            self._connection = None


def _key(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=8, person=b"shadow-lock").digest(), signed=True)
