"""`shadow up`: every service together, from one shadow.toml."""

from pathlib import Path
from typing import Annotated

import typer

from shadow.cli.runtime.options import Config


def command(
    config: Config = None,
    logs: Annotated[Path, typer.Option(help="Folder for the services' logs.")] = Path(".shadow/logs"),
) -> None:
    """Run gateway, worker, scorer, judge, monitor and dashboard together; Ctrl-C stops them all.

    The judge runs if a task has one. All need a broker and a database: `shadow check` tells you
    whether these can be reached.

    Example: shadow up --config shadow.toml
    """
    from shadow.cli.runtime.services import services_of
    from shadow.cli.runtime.supervisor import running, stop_on_signals, watch
    from shadow.settings import load

    services = services_of(load(config), config)
    with stop_on_signals() as stop, running(services, logs=logs, announce=typer.echo) as children:
        dashboard = services[-1]
        typer.echo(f"Dashboard: http://127.0.0.1:{dashboard.port}   Logs: {logs}   Ctrl-C stops everything.")
        watch(children, stop)
    typer.echo("Stopped.")
