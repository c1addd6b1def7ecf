"""The services that `shadow up` and `shadow demo` run, as the settings require."""

from pathlib import Path

from shadow.cli.runtime.supervisor import Service
from shadow.settings import JudgeSettings, MonitorSettings, ScorerSettings, Settings, WorkerSettings


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
    """A service that serves only its health over HTTP."""
    port = section.health_port
    ready_url = f"http://{_local(section.health_host)}:{port}/readyz"
    return Service(name=name, port=port, ready_url=ready_url, arguments=arguments)


def _local(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
