"""What there is evidence about: the tasks, candidates and dates a page can offer."""

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
    """A task with the candidates it has pairs of (any kind but ceilings), and its first and last hour."""

    task: str
    candidates: tuple[str, ...]
    kinds: tuple[TrialKind, ...]
    first_hour: datetime
    last_hour: datetime
    pairs: int


def tasks(connection: Connection) -> list[TaskEntry]:
    """Every task with stored pairs, in order of name."""
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
