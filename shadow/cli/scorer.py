"""`shadow scorer`"""

from pathlib import Path
from typing import Annotated

import typer

from consumers import scorer
from shadow.cli import logs
from shadow.settings import load


def command(
    config: Annotated[Path | None, typer.Option("--config", "-c", help="shadow.toml to use.")] = None,
) -> None:
    """Compare the replies of each pair and keep the evidence in PostgreSQL.

    Waits for the database and the broker, and goes on where it stopped. Runs until Ctrl-C
    or SIGTERM; start more of them to share the partitions.

    Example: shadow scorer --config shadow.toml
    """
    settings = load(config)
    logs.configure()
    scorer.run(settings)
