"""`shadow up`: gateway, worker, scorer and dashboard together, from one shadow.toml."""

from pathlib import Path
from typing import Annotated

import typer

from shadow.cli.together import Service, running, stop_on_signals, watch
from shadow.settings import Settings, load

ConfigOption = Annotated[Path | None, typer.Option("--config", "-c", help="shadow.toml to use.")]


def command(
    config: ConfigOption = None,
    logs: Annotated[Path, typer.Option(help="Folder for the services' logs.")] = Path(".shadow/logs"),
) -> None:
    """Run gateway, worker, scorer and dashboard together; Ctrl-C stops them all.

    Needs a broker and a database: `shadow check` says whether they can be reached.

    Example: shadow up --config shadow.toml
    """
    services = services_of(load(config), config)
    with stop_on_signals() as stop, running(services, logs=logs, announce=typer.echo) as children:
        dashboard = services[-1]
        typer.echo(f"Dashboard: http://127.0.0.1:{dashboard.port}   Logs: {logs}   Ctrl-C stops everything.")
        watch(children, stop)
    typer.echo("Stopped.")


def services_of(settings: Settings, config: Path | None) -> list[Service]:
    """The four services, in the order in which they need each other."""
    arguments = ("--config", str(config)) if config else ()
    gateway, worker, scorer, pages = settings.gateway, settings.worker, settings.scorer, settings.dashboard
    return [
        Service(
            name="scorer",
            port=scorer.health_port,
            ready_url=f"http://{_local(scorer.health_host)}:{scorer.health_port}/readyz",
            arguments=arguments,
        ),
        Service(
            name="worker",
            port=worker.health_port,
            ready_url=f"http://{_local(worker.health_host)}:{worker.health_port}/readyz",
            arguments=arguments,
        ),
        Service(
            name="gateway",
            port=gateway.port,
            ready_url=f"http://{_local(gateway.host)}:{gateway.port}/readyz",
            arguments=arguments,
        ),
        Service(
            name="dashboard",
            port=pages.port,
            ready_url=f"http://{_local(pages.host)}:{pages.port}/_stcore/health",
            arguments=arguments,
        ),
    ]


def _local(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
