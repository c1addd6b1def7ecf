"""A limit on the number of segments, so that a dimension that holds ids does not fill memory or tables.

A dimension such as `user_id`, declared by mistake, has a value for every user, and each value would
be a cell of every hour. The first MAX_VALUES values of a dimension have cells of their own; later
ones are counted together, as OVERFLOW. Names of dimensions are limited in the same way: a dimension
beyond MAX_DIMENSIONS has no cells, and its pairs are in the totals only. The store and `replay`
apply both limits to each task and day. Below the limits the result does not depend on the order in
which pairs come. Above them, a value keeps the cell that it first got.
"""

from collections.abc import Callable, Hashable, Mapping, MutableMapping
from datetime import datetime
from typing import Final, NamedTuple, TypeAlias, TypeVar

from shadow.aggregates.tally import ALL, OVERFLOW, Combination, Tally, tally_at

#: Maximum number of values of one dimension, of one task and day.
MAX_VALUES: Final = 2_000
#: Maximum number of dimensions of one task and day. An exchange has 16 at most, and those that the platform adds.
MAX_DIMENSIONS: Final = 100

#: The values of each dimension that have cells of their own.
Values: TypeAlias = dict[str, set[str]]

G = TypeVar("G", bound=Hashable)


class TaskDay(NamedTuple):
    """A task, and the start of a day (UTC)."""

    task: str
    begins: datetime


def task_day(combination: Combination) -> TaskDay:
    return TaskDay(combination.task, combination.hour.replace(hour=0))


def cap_segments(
    combinations: Mapping[Combination, Tally],
    known: MutableMapping[G, Values],
    *,
    group: Callable[[Combination], G],
    read: Callable[[G], Values] | None = None,
    max_values: int | None = None,
) -> Mapping[Combination, Tally]:
    """`combinations`, with the segments beyond the limits replaced by OVERFLOW or left out.

    The limits (MAX_DIMENSIONS, and `max_values` or MAX_VALUES) hold for each `group`. `known` has
    the values of each group so far, and is updated. `read` gives a group's values from elsewhere;
    it is called at most once for a group, when a value is new and there is room for it.
    """
    new = [key for key in combinations if not _all_known(key, known.get(group(key)))]
    if not new:
        return combinations
    kept = dict(combinations)
    capped: dict[Combination, Tally] = {}
    have_read: set[G] = set()
    for key in sorted(new):
        name = group(key)
        values = known.get(name)
        segments = []
        for dimension, value in key.segments:
            if values is None or (name not in have_read and _has_room(values, dimension, value, max_values)):
                values = known.get(name, {}) if read is None else read(name)
                values.setdefault(ALL[0], {ALL[1]})
                known[name] = values
                have_read.add(name)
            if _has_room(values, dimension, value, max_values):
                values.setdefault(dimension, set()).update({value} - {OVERFLOW})
            if value in values.get(dimension, ()):
                segments.append((dimension, value))
            elif dimension in values:
                segments.append((dimension, OVERFLOW))
        if tuple(segments) != key.segments:
            tally_at(capped, key._replace(segments=tuple(segments))).merge(kept.pop(key))
    for key, counted in capped.items():
        if key in kept:  # a tally of the caller, which must not change
            counted.merge(kept[key])
        kept[key] = counted
    return kept


def _all_known(key: Combination, values: Values | None) -> bool:
    return values is not None and all(value in values.get(dimension, ()) for dimension, value in key.segments)


def _has_room(values: Values, dimension: str, value: str, max_values: int | None) -> bool:
    """Whether the value is new, and below the limits."""
    known = values.get(dimension)
    if known is None:
        return len(values) < MAX_DIMENSIONS
    return value not in known and value != OVERFLOW and len(known) < (max_values or MAX_VALUES)
