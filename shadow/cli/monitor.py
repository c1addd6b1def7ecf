"""`shadow monitor`"""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from consumers import monitor
from shadow.cli.output.evidence_table import plain
from shadow.cli.runtime import logs
from shadow.cli.runtime.storage import database, located
from shadow.settings import Settings, load
from shadow.store.monitoring import incidents
from shadow.store.monitoring.incidents import Heartbeat, Incident
from shadow.store.schema import engine


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
        with located(settings) as found:
            forgotten = monitor.reset_detectors(found, relearn)
        print(f"{forgotten} detectors of {relearn} learn anew what is usual.")
        return
    logs.configure()
    if once:
        with located(settings) as found:
            _catch_up(found)
    else:
        monitor.run(settings)


def _catch_up(settings: Settings) -> None:
    """Take in what is complete, and say before it what is waited for, and after it how things stand."""
    print(
        "Taking in the hours that are complete. This ends once nothing has come for "
        f"{settings.monitor.settle_s:g} s (monitor.settle_s): an hour must look complete for so long.",
        file=sys.stderr,
    )
    monitor.run(settings, once=True)
    with database(settings) as opened, engine.snapshot(opened) as connection:
        beat = incidents.heartbeats(connection).get(monitor.SERVICE)
        for line in standing(beat, incidents.read(connection, open_only=True)):
            print(line)


def standing(beat: Heartbeat | None, still_open: list[Incident]) -> Iterator[str]:
    """A line of each task: up to when its hours are taken in, and how many incidents are open."""
    tasks = beat.detail["tasks"] if beat else {}
    if not tasks:
        yield "no pair is stored, so there was nothing to take in"
    for name, detail in tasks.items():
        next_hour = detail.get("scored", {}).get("next_hour")
        until = (
            f"up to {datetime.fromisoformat(next_hour).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
            if next_hour
            else "nothing yet"
        )
        n = sum(incident.task == name for incident in still_open)
        yield f"{plain(name)}: taken in {until}, {n} incident{'' if n == 1 else 's'} open"
