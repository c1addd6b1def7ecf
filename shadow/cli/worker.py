"""`shadow worker`"""

from pathlib import Path
from typing import Annotated

import typer

from consumers import worker
from shadow.cli import logs
from shadow.errors import ConfigError
from shadow.settings import load


def command(
    config: Annotated[Path | None, typer.Option("--config", "-c", help="shadow.toml to use.")] = None,
) -> None:
    """Ask the other model what production asked, and put its replies on the trials topic.

    Nothing it receives is served, and no tool call is executed. Runs until Ctrl-C or
    SIGTERM; start more of them to share the partitions.

    Example: shadow worker --config shadow.toml
    """
    settings = load(config)
    if not settings.tasks:
        raise ConfigError("there are no [tasks], so there is nobody to ask; see shadow.toml")
    logs.configure()
    worker.run(settings)
