"""`shadow migrate`"""

from typing import Annotated

import typer

from shadow.cli.runtime.options import Config


def command(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit 1 if the schema differs from the declared one.")
    ] = False,
    to: Annotated[
        str, typer.Option(metavar="REVISION", help="Revision to go to, such as 0001; base removes all tables.")
    ] = "head",
    sql: Annotated[bool, typer.Option("--sql", help="Print the statements instead of running them.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Go back to an older revision without asking.")] = False,
    config: Config = None,
) -> None:
    """Bring the database schema to this version, or check that it is.

    It is safe to run it from several machines at once, and when there is nothing to do.

    Example: shadow migrate --check --config shadow.toml
    """
    from shadow.cli.runtime import migration
    from shadow.settings import load
    from shadow.store.schema import migrate

    url = load(config).postgres_url()
    if check:
        print(migration.check(url))
    elif sql:
        print(migrate.sql(migrate.current(url), to))
    else:
        print(migration.move(url, migrate.newest() if to == migrate.HEAD else to, yes=yes))
