"""The evidence that the database holds, computed from its rollups."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from scoring.evidence.report import TaskEvidence, evidence, with_crossings
from scoring.evidence.worst_slices import measure_for, worst_crossings
from shadow.aggregates.regret_sources import SOURCES
from shadow.aggregates.tally import Cell, CellKind, Tally
from shadow.aggregates.unit_scores import Measure, UnitScoresByCandidate
from shadow.settings import TaskSettings
from shadow.store.read import rollup_reads, slices, unit_reads

_KINDS: Final[tuple[CellKind, ...]] = ("shadow", "reverse", "ceiling", "excess")


def stored_evidence(
    connection: Connection, tasks: Mapping[str, TaskSettings], *, task: str | None, since: datetime | None
) -> list[TaskEvidence]:
    """The evidence of every stored task, or of `task`, over the hours from `since` on."""
    counted = rollup_reads.read(connection, task=task, kinds=_KINDS, since=since)
    units = _units(connection, counted, since)
    return [_with_crossings(connection, found, since) for found in evidence(counted, tasks=tasks, units=units)]


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
