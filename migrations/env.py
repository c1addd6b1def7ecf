"""Run migrations one process at a time, and never keep production waiting for a lock.

`shadow.store.schema.migrate` hands over an open connection; this file runs on nothing else.
"""

from typing import Final

from alembic import context

#: Any number, as long as every version of the product uses the same.
ADVISORY_LOCK: Final = 7_308_604_895_151_517

#: A migration that cannot have its lock soon gives up: queries queue behind one that waits.
LOCK_TIMEOUT: Final = "5s"
STATEMENT_TIMEOUT: Final = "10min"


#: What comes first, whoever runs the migrations.
GUARDS: Final = (
    f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'",
    # Held until the commit: whoever comes second waits here, then finds it done.
    "SET LOCAL lock_timeout = 0",
    f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})",
    f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'",
)


def run() -> None:
    if context.is_offline_mode():  # `shadow migrate --sql`: print it, for a database we may not touch
        context.configure(dialect_name="postgresql", literal_binds=True, transaction_per_migration=False)
    else:
        context.configure(connection=context.config.attributes["connection"], transaction_per_migration=False)
    with context.begin_transaction():
        for statement in GUARDS:
            context.execute(statement)
        context.run_migrations()


run()
