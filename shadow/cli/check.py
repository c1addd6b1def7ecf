"""`shadow check`"""

from typing import Annotated

import typer

from shadow.cli.runtime.options import Config


def command(
    config: Config = None,
    file_only: Annotated[
        bool, typer.Option("--file-only", help="Check only the file; connect to no broker, database or model.")
    ] = False,
) -> None:
    """Check shadow.toml, the broker, the database and every model.

    Each problem is one line with the file, the key, and how to fix it. Exits 1 if there is a
    problem, so that it can guard a deployment.

    Example: shadow check --config shadow.toml
    """
    from shadow.cli.output.terminal import plain
    from shadow.cli.runtime.checks import results

    problems = 0
    for passed, line in results(config, file_only=file_only):
        problems += not passed
        typer.echo(f"{'ok   ' if passed else 'ERROR'} {plain(line)}", err=not passed)
    if problems:
        raise typer.Exit(1)
