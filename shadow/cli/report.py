"""`shadow report`"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from scoring.evidence import evidence
from shadow.cli import evidence_table
from shadow.cli.evidence_table import STANDARD, write_json
from shadow.cli.storage import database
from shadow.errors import UsageError
from shadow.records import TrialKind
from shadow.settings import load
from shadow.store import engine, tallies

_KINDS: Final[tuple[TrialKind, ...]] = ("shadow", "reverse", "ceiling")


def command(
    task: Annotated[str | None, typer.Option(help="Report on this task alone.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="Count hours from this moment on, UTC."),
    ] = None,
    segment: Annotated[str | None, typer.Option(metavar="DIM", help="Show the segments of this dimension.")] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write the evidence as JSON; - for output.")] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="shadow.toml to use.")] = None,
) -> None:
    """Print, or write as JSON, the evidence that is stored, worst segment first.

    Reads the database of shadow.toml, or the embedded one in .shadow/postgres.

    Example: shadow report --task ticket-intent --since 2026-09-01 --json evidence.json
    """
    settings = load(config)
    moment = since.replace(tzinfo=UTC) if since else None
    with database(settings) as opened, engine.snapshot(opened) as connection:
        found = evidence(tallies.read(connection, task=task, kinds=_KINDS, since=moment))
    if not found:
        asked = "".join([f" of task {task!r}" if task else "", f" since {moment:%Y-%m-%d %H:%M}" if moment else ""])
        raise UsageError(f"no pair{asked} is stored")
    if json is not None:
        write_json(json, found)
    if json != STANDARD:
        evidence_table.show(found, dimension=segment)
