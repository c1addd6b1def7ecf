"""The database of the commands that people run by hand: the configured one, or one on this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from shadow.devstack.services.postgres import embedded_postgres
from shadow.errors import UsageError
from shadow.settings import Settings
from shadow.store.schema import engine, migrate
from shadow.store.schema.revision import require_schema

#: Where the embedded database keeps its files, under the working folder.
EMBEDDED: Final = Path(".shadow/postgres")


@contextmanager
def with_database(settings: Settings, *, create: bool = False) -> Iterator[Settings]:
    """The settings with the URL of a database: the configured one, else the embedded one of this folder.

    The embedded database runs while the context lasts, and is migrated to this version. `create`
    creates it if it does not exist; without `create` its absence raises UsageError. A configured
    database is never migrated here: that takes `shadow migrate`.
    """
    if settings.postgres.url is not None:
        yield settings
        return
    if not create and not EMBEDDED.exists():
        raise UsageError(
            f"nothing is stored yet: postgres.url is not set in shadow.toml, and there is no {EMBEDDED} here; "
            "run: shadow replay FILE"
        )
    with embedded_postgres(EMBEDDED) as url:
        migrate.upgrade(url)
        yield settings.model_copy(update={"postgres": settings.postgres.model_copy(update={"url": url})})


@contextmanager
def open_database(settings: Settings, *, create: bool = False) -> Iterator[Engine]:
    """An engine for the database of `with_database`. Raises SchemaError if its schema is not this version's."""
    with with_database(settings, create=create) as found:
        opened = engine.connect(found.postgres_url())
        try:
            with opened.connect() as connection:
                require_schema(connection)
            yield opened
        finally:
            opened.dispose()
