"""How many segments are told apart: an id gone astray must not fill the rollups.

A dimension such as `user_id`, declared by mistake, has a value for every user, and each would be
a row of the rollups in every hour. Of a task's day so many values of a dimension are counted by
themselves; what comes after them is counted together, as OVERFLOW. There is a limit to dimensions
too, for names are no safer from ids than values: those beyond it are in the totals only. Below
the limits nothing depends on the order of delivery. Above them a value stays what it once was.

What is there already is remembered by this process, so that nothing is asked of the database
while no new value comes. What it remembers of a transaction that was rolled back, or does not
know yet of another process, moves a limit by a few values and no more.
"""

import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, text

from shadow.aggregates.tally import OVERFLOW, Cell, Tally
from shadow.store.write.rows import clean

#: Of a task's day and one dimension.
MAX_VALUES: Final = 2_000
#: Of a task's day. An exchange has at most 16 and those that the platform adds.
MAX_DIMENSIONS: Final = 100

#: Days of tasks whose values are remembered.
_MAX_DAYS: Final = 500


class _Day(NamedTuple):
    task: str
    begins: datetime


#: The values of each dimension.
_Values: TypeAlias = dict[str, set[str]]

_remembered: Final[WeakKeyDictionary[Engine, dict[_Day, _Values]]] = WeakKeyDictionary()
_changing: Final = threading.Lock()


def told_apart(connection: Connection, cells: Mapping[Cell, Tally]) -> Mapping[Cell, Tally]:
    """`cells`, with those beyond the limits put together or left out.

    Runs in the transaction that will write them.
    """
    days = _remembered.setdefault(connection.engine, {})
    strange = [cell for cell in cells if cell.value not in days.get(_day(cell), {}).get(cell.dimension, ())]
    if not strange:
        return cells
    kept = dict(cells)
    read: set[_Day] = set()
    for cell in sorted(strange):
        day = _day(cell)
        values = days.get(day)
        if values is None or (day not in read and _has_room(values, cell)):
            values = _read(connection, day)
            read.add(day)
            _remember(days, day, values)
        if cell.value in values.get(cell.dimension, ()):
            continue
        if _has_room(values, cell):
            values.setdefault(cell.dimension, set()).add(cell.value)
            continue
        counted = kept.pop(cell)
        if cell.dimension in values:
            kept.setdefault(cell._replace(value=OVERFLOW), Tally()).merge(counted)
    return kept


def _day(cell: Cell) -> _Day:
    return _Day(cell.task, cell.hour.replace(hour=0))


def _has_room(values: _Values, cell: Cell) -> bool:
    known = values.get(cell.dimension)
    return len(values) < MAX_DIMENSIONS if known is None else len(known) < MAX_VALUES


def _read(connection: Connection, day: _Day) -> _Values:
    values: _Values = {}
    for dimension, value in connection.execute(_VALUES, {"task": clean(day.task), "day": day.begins}):
        values.setdefault(dimension, set()).add(value)
    return values


def _remember(days: dict[_Day, _Values], day: _Day, values: _Values) -> None:
    with _changing:  # batches are written by several threads
        days.pop(day, None)
        days[day] = values
        while len(days) > _MAX_DAYS:
            del days[next(iter(days))]


_VALUES: Final = text("""
    SELECT DISTINCT dimension, value FROM rollups
    WHERE task = :task AND hour >= :day AND hour < CAST(:day AS timestamptz) + INTERVAL '24 hours'
""")
