"""`shadow report`"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from sqlalchemy import Connection

from scoring.evidence.report import TaskEvidence, evidence, with_crossings
from scoring.evidence.worst_slices import measure_for, worst_crossings
from shadow.aggregates.regret_sources import SOURCES
from shadow.aggregates.tally import Cell, CellKind, Tally
from shadow.aggregates.unit_scores import Measure, UnitScoresByCandidate
from shadow.cli.output import evidence_table
from shadow.cli.output.evidence_table import STANDARD, write_json
from shadow.cli.runtime.storage import database
from shadow.errors import UsageError
from shadow.settings import load
from shadow.store.read import rollup_reads, slices, unit_reads
from shadow.store.schema import engine

_KINDS: Final[tuple[CellKind, ...]] = ("shadow", "reverse", "ceiling", "excess")


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
    Regret is told by source: human, reference, judge. Segments are flagged by
    the task's regret_limit and false_flag_rate. The worst crossings of segments
    are found on one half of the newest pairs and confirmed on the other.

    Example: shadow report --task ticket-intent --since 2026-09-01 --json evidence.json
    """
    settings = load(config)
    moment = since.replace(tzinfo=UTC) if since else None
    with database(settings) as opened, engine.snapshot(opened) as connection:
        counted = rollup_reads.read(connection, task=task, kinds=_KINDS, since=moment)
        units = _units(connection, counted, moment)
        found = [
            _with_crossings(connection, each, moment) for each in evidence(counted, tasks=settings.tasks, units=units)
        ]
    if not found:
        asked = "".join([f" of task {task!r}" if task else "", f" since {moment:%Y-%m-%d %H:%M}" if moment else ""])
        raise UsageError(f"no pair{asked} is stored")
    if json is not None:
        write_json(json, found)
    if json != STANDARD:
        evidence_table.show(found, dimension=segment)


def _units(connection: Connection, counted: Mapping[Cell, Tally], since: datetime | None) -> UnitScoresByCandidate:
    """Scores per unit of every candidate, for agreement and each source of regret that it has."""
    sources: dict[tuple[str, str], set[str]] = {}
    for cell, tally in counted.items():
        if cell.kind in ("shadow", "reverse"):
            known = sources.setdefault((cell.task, cell.candidate), set())
            if tally.regret.n:
                known.add(cell.source)
    found: UnitScoresByCandidate = {}
    for (task, candidate), known in sources.items():
        measures: list[Measure] = ["agreement", *(source for source in SOURCES if source in known)]
        found[task, candidate] = unit_reads.read(
            connection, task=task, candidate=candidate, measures=measures, since=since
        )
    return found


def _with_crossings(connection: Connection, found: TaskEvidence, since: datetime | None) -> TaskEvidence:
    measure = measure_for(found.regret.source, found.regret.n) if found.regret else "agreement"
    rows = slices.rows_for_slices(connection, task=found.task, candidate=found.candidate, since=since, measure=measure)
    crossings = worst_crossings(
        ids=rows.ids,
        units=rows.units,
        dimensions=rows.dimensions,
        scores=rows.scores,
        probabilities=rows.probabilities,
        measure=measure,
        false_flag_rate=found.false_flag_rate,
    )
    return with_crossings(found, crossings)
