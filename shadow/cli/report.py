"""`shadow report`"""

from datetime import UTC
from pathlib import Path
from typing import Annotated

import typer

from shadow.cli.output.files import STANDARD
from shadow.cli.runtime.options import Config, Since
from shadow.errors import UsageError


def command(
    task: Annotated[str | None, typer.Option(help="Report only on this task.")] = None,
    since: Since = None,
    segment: Annotated[
        str | None, typer.Option(metavar="DIM", help="Show only the segments of this dimension.")
    ] = None,
    json: Annotated[
        Path | None, typer.Option("--json", help="Write the evidence as JSON to this file; - for standard output.")
    ] = None,
    config: Config = None,
) -> None:
    """Print the stored evidence, worst segment first, or write it as JSON.

    Reads the database of shadow.toml, or else the one that `shadow replay` keeps in .shadow/postgres.
    Regret is shown per source: human, reference, judge. A task's regret_limit and false_flag_rate
    decide which segments are flagged. The worst crossings of segments are found on one half of the
    newest pairs and confirmed on the other.

    Example: shadow report --task ticket-intent --since 2026-09-01 --json evidence.json
    """
    from shadow.cli.output import evidence_table
    from shadow.cli.runtime.storage import open_database
    from shadow.cli.runtime.stored_evidence import stored_evidence
    from shadow.settings import load
    from shadow.store.schema import engine

    settings = load(config)
    moment = since.replace(tzinfo=UTC) if since else None
    with open_database(settings) as opened, engine.snapshot(opened) as connection:
        found = stored_evidence(connection, settings.tasks, task=task, since=moment)
    if not found:
        which = "".join([f" of task {task!r}" if task else "", f" since {moment:%Y-%m-%d %H:%M}" if moment else ""])
        raise UsageError(f"no pair{which} is stored")
    if json is not None:
        evidence_table.write_json(json, found)
    if json != STANDARD:
        evidence_table.show(found, dimension=segment)
