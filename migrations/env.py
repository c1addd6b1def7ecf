"""Run migrations in one process at a time, and never make production wait for a lock.

Uses the connection that `shadow.store.schema.migrate` passes in, and no other.
"""

from typing import Final

from alembic import context

from shadow.store.schema import locks

#: A migration that does not get its lock in this time gives up: while it waits, queries queue behind it.
LOCK_TIMEOUT: Final = "5s"
STATEMENT_TIMEOUT: Final = "10min"


#: The statements before the first migration.
GUARDS: Final = (
    f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'",
    # Held until the commit: a second process waits here, and then finds the work done.
    "SET LOCAL lock_timeout = 0",
    f"SELECT pg_advisory_xact_lock({locks.MIGRATIONS})",
    f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'",
)


def run() -> None:
    if context.is_offline_mode():  # `shadow migrate --sql`: print the statements, to be run by hand
        context.configure(dialect_name="postgresql", literal_binds=True, transaction_per_migration=False)
    else:
        context.configure(connection=context.config.attributes["connection"], transaction_per_migration=False)
    with context.begin_transaction():
        for statement in GUARDS:
            context.execute(statement)
        context.run_migrations()


run()
