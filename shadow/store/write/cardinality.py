"""The limit on the number of segments of a task and day, for rollups.

Each process remembers the values that the rollups have, so that it queries the database only when a
value is new. It may remember values of a transaction that was rolled back, and miss values that
another process has just written; either changes a limit by a few values at most.
"""

import threading
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Final
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, text

from shadow.aggregates import cardinality
from shadow.aggregates.cardinality import TaskDay, Values, task_day
from shadow.aggregates.tally import Combination, Tally
from shadow.store.rows.names import storable_name

#: Number of days of tasks whose values are remembered.
_MAX_DAYS: Final = 500


def cap_segments(connection: Connection, combinations: Mapping[Combination, Tally]) -> Mapping[Combination, Tally]:
    """`combinations` within the limits (see `aggregates.cardinality`).

    Call it in the transaction that writes them.
    """

    def read(day: TaskDay) -> Values:
        values: Values = {}
        for dimension, value in connection.execute(_VALUES, {"task": storable_name(day.task), "day": day.begins}):
            values.setdefault(dimension, set()).add(value)
        return values

    known = _remembered.setdefault(connection.engine, _Newest())
    return cardinality.cap_segments(combinations, known, group=task_day, read=read)


class _Newest(MutableMapping[TaskDay, Values]):
    """The values of the days that were set last, _MAX_DAYS at most. Thread-safe."""

    def __init__(self) -> None:
        self._days: dict[TaskDay, Values] = {}
        self._mutex = threading.Lock()

    def __getitem__(self, day: TaskDay) -> Values:
        return self._days[day]

    def __setitem__(self, day: TaskDay, values: Values) -> None:
        with self._mutex:
            self._days.pop(day, None)
            self._days[day] = values
            while len(self._days) > _MAX_DAYS:
                del self._days[next(iter(self._days))]

    def __delitem__(self, day: TaskDay) -> None:
        del self._days[day]

    def __iter__(self) -> Iterator[TaskDay]:
        return iter(self._days)

    def __len__(self) -> int:
        return len(self._days)


_remembered: Final[WeakKeyDictionary[Engine, _Newest]] = WeakKeyDictionary()

_VALUES: Final = text("""
    SELECT DISTINCT dimension, value FROM rollups
    WHERE task = :task AND hour >= :day AND hour < CAST(:day AS timestamptz) + INTERVAL '24 hours'
""")
