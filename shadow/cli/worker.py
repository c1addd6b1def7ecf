"""`shadow worker`"""

from pathlib import Path
from typing import Annotated

import typer

from consumers import worker
from shadow.cli.runtime import logs
from shadow.errors import ConfigError
from shadow.settings import load


def command(
    config: Annotated[Path | None, typer.Option("--config", "-c", help="shadow.toml to use.")] = None,
    health_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of its health page, where it is not the only one here.")
    ] = None,
) -> None:
    """Ask the other model what production asked, and put its replies on the trials topic.

    Nothing it receives is served, and no tool call is executed. Runs until Ctrl-C or
    SIGTERM; start more of them to share the partitions.

    Example: shadow worker --config shadow.toml

    Example: shadow worker --health-port 18081
    """
    settings = load(config)
    if health_port is not None:
        own = settings.worker.model_copy(update={"health_port": health_port})
        settings = settings.model_copy(update={"worker": own})
    if not settings.tasks:
        raise ConfigError("there are no [tasks], so there is nobody to ask; see shadow.toml")
    logs.configure()
    worker.run(settings)
