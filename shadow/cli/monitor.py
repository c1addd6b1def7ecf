"""`shadow monitor`"""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from shadow.cli.runtime.options import Config

if TYPE_CHECKING:
    from shadow.settings import Settings


def command(
    *,
    once: Annotated[
        bool, typer.Option("--once", help="Process the hours that are complete, then exit instead of watching.")
    ] = False,
    relearn: Annotated[
        str | None,
        typer.Option(metavar="TASK", help="Reset this task's baselines, so that the monitor learns new ones; exit."),
    ] = None,
    config: Config = None,
) -> None:
    """Watch the evidence, and open an incident when a detector fires.

    The detectors find regret that drifts, a segment that becomes worse, lost coverage, failures of
    the candidate, a judge that contradicts people, and a frontier that has changed. One monitor
    is active, others stand by. Runs until Ctrl-C or SIGTERM, and continues where it stopped.

    The monitor learns each task's baselines for a week. After you have accepted a new level of
    regret, reset them with --relearn; you can do that while a monitor runs.

    Example: shadow monitor --config shadow.toml

    Example: shadow monitor --relearn ticket-intent
    """
    from consumers import monitor
    from shadow.cli.runtime import logs
    from shadow.cli.runtime.storage import with_database
    from shadow.settings import load

    settings = load(config)
    if relearn is not None:
        with with_database(settings) as found:
            reset = monitor.reset_detectors(found, relearn)
        print(f"{relearn}: {reset} detectors reset; they learn their baselines again.")
        return
    logs.configure()
    if once:
        with with_database(settings) as found:
            _run_once(found)
    else:
        monitor.run(settings)


def _run_once(settings: "Settings") -> None:
    """Process the complete hours. Prints first what it waits for, and afterwards what it has processed."""
    from consumers import monitor
    from shadow.cli.output.monitor_summary import summary
    from shadow.cli.runtime.storage import open_database
    from shadow.store.monitoring import incidents
    from shadow.store.schema import engine

    print(
        "Processing the hours that are complete. An hour is complete once no pair has arrived for it for "
        f"{settings.monitor.settle_s:g} s (monitor.settle_s).",
        file=sys.stderr,
    )
    monitor.run(settings, once=True)
    with open_database(settings) as opened, engine.snapshot(opened) as connection:
        heartbeat = incidents.heartbeats(connection).get(monitor.SERVICE)
        for line in summary(heartbeat, incidents.read(connection, open_only=True)):
            print(line)
