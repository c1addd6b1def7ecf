"""The tasks that have evidence, with their candidates and dates."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select

from shadow.records import TrialKind
from shadow.store.schema.engine import explained
from shadow.store.schema.tables import catalogue


class TaskEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A task, the candidates of its pairs (ceilings excepted), and the hours of its first and last pair."""

    task: str
    candidates: tuple[str, ...]
    kinds: tuple[TrialKind, ...]
    first_hour: datetime
    last_hour: datetime
    pairs: int


def tasks(connection: Connection) -> list[TaskEntry]:
    """Every task with stored pairs, sorted by name."""
    query = select(catalogue).order_by(catalogue.c.task, catalogue.c.candidate, catalogue.c.kind)
    with explained(connection.engine.url):
        rows = connection.execute(query).all()
    return [_entry(task, list(found)) for task, found in groupby(rows, key=lambda row: str(row.task))]


def _entry(task: str, rows: Sequence[Row[Any]]) -> TaskEntry:
    return TaskEntry(
        task=task,
        candidates=tuple(sorted({row.candidate for row in rows if row.kind != "ceiling"})),
        kinds=tuple(sorted({row.kind for row in rows})),
        first_hour=min(row.first_hour for row in rows),
        last_hour=max(row.last_hour for row in rows),
        pairs=sum(row.pairs for row in rows),
    )
