"""Bring the schema to a revision, and list where the live schema differs from the declared one.

The migrations are in `migrations/` of a checkout and in `shadow/_migrations` of a wheel.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, inspect, text

import shadow
from shadow.errors import SchemaError, StoreError
from shadow.store.schema import engine
from shadow.store.schema.revision import require_schema
from shadow.store.schema.tables import metadata

BASE: Final = "base"
HEAD: Final = "head"


def upgrade(url: str, revision: str = HEAD) -> None:
    """Bring the schema up to `revision`. Safe to run from several machines at once."""
    with _connection(url) as (connection, config):
        _run(command.upgrade, _over(connection, config), revision)


def downgrade(url: str, revision: str) -> None:
    """Take the schema back to `revision` (`base`: no tables). Deletes the data of newer tables."""
    with _connection(url) as (connection, config):
        _run(command.downgrade, _over(connection, config), revision)


def current(url: str) -> str | None:
    """The database's revision; None before the first migration."""
    with _connection(url) as (connection, _):
        return _current(connection)


def newest() -> str:
    """The newest revision of this version of the program."""
    return ScriptDirectory.from_config(_config()).get_current_head() or BASE


def sql(start: str | None = None, revision: str = HEAD) -> str:
    """The SQL statements from `start` (default: an empty database) up to `revision`, to be run by hand."""
    output = io.StringIO()
    config = _config()
    config.output_buffer = output
    _run(command.upgrade, config, f"{start or BASE}:{revision}", sql=True)
    return output.getvalue()


def drift(url: str) -> list[str]:
    """The differences between the live schema and the declared one, a line each.

    Compares tables, columns, types, nullability, primary keys and indexes, but not daily partitions.
    Raises SchemaError if the schema is not at this version's revision.
    """
    with _connection(url) as (connection, _):
        require_schema(connection)
        partitions = _partitions(connection)

        def ours(_object: Any, name: str | None, kind: str, _reflected: bool, _compared: Any) -> bool:
            return not (kind == "table" and name in partitions)

        context = MigrationContext.configure(connection, opts={"include_object": ours, "compare_type": True})
        found = [_line(difference) for difference in compare_metadata(context, metadata)]
        return found + _different_keys(connection)


def _different_keys(connection: Connection) -> list[str]:
    # Alembic does not compare primary keys.
    inspector = inspect(connection)
    live = set(inspector.get_table_names())
    keys = {
        table.name: (inspector.get_pk_constraint(table.name)["constrained_columns"], list(table.primary_key.columns))
        for table in metadata.sorted_tables
        if table.name in live
    }
    return [
        f"primary key of {name}: declared ({', '.join(c.name for c in declared)}), live ({', '.join(found)})"
        for name, (found, declared) in keys.items()
        if found != [column.name for column in declared]
    ]


def _partitions(connection: Connection) -> set[str]:
    return set(connection.execute(text("SELECT relname FROM pg_class WHERE relispartition")).scalars())


def _line(difference: Any) -> str:
    # Alembic returns a tuple per table, and a list of tuples per changed column.
    operation, *subjects = difference[0] if isinstance(difference, list) else difference
    return " ".join([operation.replace("_", " "), *(str(subject) for subject in subjects if subject is not None)])


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


@contextmanager
def _connection(url: str) -> Iterator[tuple[Connection, Config]]:
    database = engine.connect(url, pool_size=1, application="shadow migrate")
    try:
        with engine.explained(database.url), database.connect() as connection:
            yield connection, _config()
            connection.commit()
    finally:
        database.dispose()


def _over(connection: Connection, config: Config) -> Config:
    found = _current(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise SchemaError(f"the database is at revision {found}, which this version does not know: update it first")
    connection.commit()  # the migrations start their own transaction with their lock
    config.attributes["connection"] = connection
    return config


def _run(action: Any, config: Config, revision: str, **options: Any) -> None:
    try:
        action(config, revision, **options)
    except CommandError as error:
        raise StoreError(f"cannot migrate to {revision!r}: {error}") from None


def _config() -> Config:
    config = Config()
    # `%` is doubled because the option parser interpolates.
    config.set_main_option("script_location", str(_location()).replace("%", "%%"))
    return config


def _location() -> Path:
    package = Path(shadow.__file__).parent
    found = next((place for place in (package / "_migrations", package.parent / "migrations") if place.is_dir()), None)
    if found is None:
        raise StoreError(f"the migrations are missing beside {package}: install shadow-regret again")
    return found
