"""`shadow scorer`"""

from pathlib import Path
from typing import Annotated

import typer

from consumers import scorer
from shadow.cli.runtime import logs
from shadow.settings import load


def command(
    config: Annotated[Path | None, typer.Option("--config", "-c", help="shadow.toml to use.")] = None,
    health_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of its health page, where it is not the only one here.")
    ] = None,
) -> None:
    """Compare the replies of each pair and keep the evidence in PostgreSQL.

    Waits for the database and the broker, and goes on where it stopped. Runs until Ctrl-C
    or SIGTERM; start more of them to share the partitions.

    Example: shadow scorer --config shadow.toml

    Example: shadow scorer --health-port 18082
    """
    settings = load(config)
    if health_port is not None:
        own = settings.scorer.model_copy(update={"health_port": health_port})
        settings = settings.model_copy(update={"scorer": own})
    logs.configure()
    scorer.run(settings)
