"""`shadow up`: every service together, from one shadow.toml."""

from pathlib import Path
from typing import Annotated

import typer

from shadow.cli.runtime.supervisor import Service, running, stop_on_signals, watch
from shadow.settings import JudgeSettings, MonitorSettings, ScorerSettings, Settings, WorkerSettings, load

ConfigOption = Annotated[Path | None, typer.Option("--config", "-c", help="shadow.toml to use.")]


def command(
    config: ConfigOption = None,
    logs: Annotated[Path, typer.Option(help="Folder for the services' logs.")] = Path(".shadow/logs"),
) -> None:
    """Run gateway, worker, scorer, judge, monitor and dashboard together; Ctrl-C stops them all.

    The judge runs where a task names one. All need a broker and a database: `shadow check` says
    whether these can be reached.

    Example: shadow up --config shadow.toml
    """
    services = services_of(load(config), config)
    with stop_on_signals() as stop, running(services, logs=logs, announce=typer.echo) as children:
        dashboard = services[-1]
        typer.echo(f"Dashboard: http://127.0.0.1:{dashboard.port}   Logs: {logs}   Ctrl-C stops everything.")
        watch(children, stop)
    typer.echo("Stopped.")


def services_of(settings: Settings, config: Path | None) -> list[Service]:
    """The services that these settings need, in the order in which they need each other."""
    arguments = ("--config", str(config)) if config else ()
    gateway, pages = settings.gateway, settings.dashboard
    has_judge = any(task.judge for task in settings.tasks.values())
    return [
        _consumer("scorer", settings.scorer, *arguments),
        _consumer("worker", settings.worker, *arguments),
        *([_consumer("judge", settings.judge, "run", *arguments)] if has_judge else ()),
        _consumer("monitor", settings.monitor, *arguments),
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


def _consumer(
    name: str, section: WorkerSettings | ScorerSettings | JudgeSettings | MonitorSettings, *arguments: str
) -> Service:
    """A service that has nothing but its health to say over HTTP."""
    port = section.health_port
    ready_url = f"http://{_local(section.health_host)}:{port}/readyz"
    return Service(name=name, port=port, ready_url=ready_url, arguments=arguments)


def _local(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
