"""`shadow migrate`"""

from pathlib import Path
from typing import Annotated

import typer

from shadow.errors import SchemaError
from shadow.settings import load
from shadow.store.schema import migrate
from shadow.store.schema.engine import parse


def command(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; fail unless the schema is as declared.")
    ] = False,
    to: Annotated[
        str, typer.Option(metavar="REVISION", help="Revision to go to, such as 0001; base: no tables.")
    ] = "head",
    sql: Annotated[bool, typer.Option("--sql", help="Print the statements instead of running them.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Go back to an older revision without asking.")] = False,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="shadow.toml to use.")] = None,
) -> None:
    """Bring the database schema to this version, or say how far it is from it.

    Safe to run from several machines at once, and when there is nothing to do.

    Example: shadow migrate --check --config shadow.toml
    """
    url = load(config).postgres_url()
    if check:
        print(checked(url))
    elif sql:
        print(migrate.sql(migrate.current(url), to))
    else:
        print(moved(url, migrate.newest() if to == migrate.HEAD else to, yes=yes))


def checked(url: str) -> str:
    """A line that says all is well. Raises SchemaError with a line for each difference."""
    if differences := migrate.drift(url):
        raise SchemaError("\n".join([f"{name_of(url)} is not as declared; somebody changed it:", *differences]))
    return f"{name_of(url)} is at revision {migrate.current(url)}, as declared."


def moved(url: str, wanted: str, *, yes: bool) -> str:
    """Go to the revision `wanted`, up or down; a line that says what was done."""
    current = migrate.current(url)
    if current == wanted or (current is None and wanted == migrate.BASE):
        return f"{name_of(url)} is at revision {current or 'none'} already."
    if current is not None and (wanted == migrate.BASE or wanted < current):
        if not yes:
            typer.confirm(f"Go back from {current} to {wanted}? What the newer tables hold is lost.", abort=True)
        migrate.downgrade(url, wanted)
    else:
        migrate.upgrade(url, wanted)
    return f"{name_of(url)} went from revision {current or 'none'} to {migrate.current(url) or 'none'}."


def name_of(url: str) -> str:
    """The database, without credentials."""
    address = parse(url)
    host = address.host or "local socket"
    return f"Database {address.database or 'default'} on {host}"
