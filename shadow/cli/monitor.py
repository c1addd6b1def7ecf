"""`shadow monitor`"""

from pathlib import Path
from typing import Annotated

import typer

from consumers import monitor
from shadow.cli import logs
from shadow.settings import load


def command(
    *,
    once: Annotated[bool, typer.Option("--once", help="Take in what is complete, and end.")] = False,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="shadow.toml to use.")] = None,
) -> None:
    """Watch the evidence, and open an incident where something goes wrong.

    Regret that drifts, a segment that turns bad, coverage that is lost, failures of the
    candidate, a judge that contradicts people, a frontier that has changed. One monitor is
    active, others stand by. Runs until Ctrl-C or SIGTERM, and goes on where it stopped.

    Example: shadow monitor --config shadow.toml
    """
    settings = load(config)
    logs.configure()
    monitor.run(settings, once=once)
