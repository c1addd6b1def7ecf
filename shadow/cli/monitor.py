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
    relearn: Annotated[
        str | None, typer.Option(metavar="TASK", help="Have this task learn anew what is usual, and end.")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="shadow.toml to use.")] = None,
) -> None:
    """Watch the evidence, and open an incident where something goes wrong.

    Regret that drifts, a segment that turns bad, coverage that is lost, failures of the
    candidate, a judge that contradicts people, a frontier that has changed. One monitor is
    active, others stand by. Runs until Ctrl-C or SIGTERM, and goes on where it stopped.

    It learns for a week what is usual. Where a new level of regret has been accepted, have it
    learn again with --relearn, also while a monitor runs.

    Example: shadow monitor --config shadow.toml
    """
    settings = load(config)
    if relearn is not None:
        forgotten = monitor.relearn(settings, relearn)
        print(f"{forgotten} detectors of {relearn} learn anew what is usual.")
        return
    logs.configure()
    monitor.run(settings, once=once)
