"""What `shadow migrate` does with a database, and the line it prints about it."""

import typer

from shadow.errors import SchemaError
from shadow.store.schema import migrate
from shadow.store.schema.engine import parse


def check(url: str) -> str:
    """The line for a schema that is as declared. Raises SchemaError with a line for each difference."""
    if differences := migrate.drift(url):
        raise SchemaError("\n".join([f"{_name(url)} differs from the declared schema:", *differences]))
    return f"{_name(url)} is at revision {migrate.current(url)}, as declared."


def move(url: str, wanted: str, *, yes: bool) -> str:
    """Upgrade or downgrade to the revision `wanted`; the line that reports it. Asks before a downgrade unless `yes`."""
    current = migrate.current(url)
    if current == wanted or (current is None and wanted == migrate.BASE):
        return f"{_name(url)} is at revision {current or 'none'} already."
    if current is not None and (wanted == migrate.BASE or wanted < current):
        if not yes:
            typer.confirm(f"Go back from {current} to {wanted}? The data in newer tables is lost.", abort=True)
        migrate.downgrade(url, wanted)
    else:
        migrate.upgrade(url, wanted)
    return f"{_name(url)} went from revision {current or 'none'} to {migrate.current(url) or 'none'}."


def _name(url: str) -> str:
    """The database, without credentials."""
    address = parse(url)
    host = address.host or "local socket"
    return f"Database {address.database or 'default'} on {host}"
