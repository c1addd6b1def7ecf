"""The revision of the schema that this version of the code needs."""

from typing import Final

from sqlalchemy import Connection, inspect, text

from shadow.errors import SchemaError

#: The newest migration.
REVISION: Final = "0007"


def require_schema(connection: Connection) -> None:
    """Raise SchemaError, with what to do, unless the database is at exactly REVISION."""
    if not inspect(connection).has_table("alembic_version"):
        raise SchemaError("the database has no tables of ours yet; run: shadow migrate")
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found is None or found < REVISION:
        raise SchemaError(f"the database is at revision {found or 'none'}, behind {REVISION}; run: shadow migrate")
    if found > REVISION:
        raise SchemaError(f"the database is at revision {found}, ahead of {REVISION}: update this program")
