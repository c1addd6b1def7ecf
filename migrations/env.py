"""Run migrations one process at a time, and never keep production waiting for a lock.

`shadow.store.migrate` hands over an open connection; this file runs on nothing else.
"""

from typing import Final

from alembic import context
from sqlalchemy import Connection, text

#: Any number, as long as every version of the product uses the same.
ADVISORY_LOCK: Final = 7_308_604_895_151_517

#: A migration that cannot have its lock soon gives up: queries queue behind one that waits.
LOCK_TIMEOUT: Final = "5s"
STATEMENT_TIMEOUT: Final = "10min"


def run() -> None:
    if context.is_offline_mode():  # `shadow migrate --sql`: print it, for a database we may not touch
        context.configure(dialect_name="postgresql", literal_binds=True, transaction_per_migration=False)
        with context.begin_transaction():
            context.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            context.run_migrations()
        return
    connection: Connection = context.config.attributes["connection"]
    context.configure(connection=connection, transaction_per_migration=False)
    with context.begin_transaction():
        limit(connection, "statement_timeout", STATEMENT_TIMEOUT)
        # Held until the commit: whoever comes second waits here, then finds nothing to do.
        limit(connection, "lock_timeout", "0")
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        limit(connection, "lock_timeout", LOCK_TIMEOUT)
        context.run_migrations()


def limit(connection: Connection, setting: str, value: str) -> None:
    connection.execute(text("SELECT set_config(:setting, :value, true)"), {"setting": setting, "value": value})


run()
