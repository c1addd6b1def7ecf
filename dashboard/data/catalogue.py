"""Cached reads of what a reader can choose from: tasks, candidates, dimensions, values.

Reads of a single page are in `views/<page>/reads.py`. Everything but single exchanges comes from
rollups, so a page costs the same at ten thousand exchanges and at ten million.
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from dashboard.data import cache, tables
from dashboard.data.cache import cached, snapshot
from dashboard.data.windows import Window
from shadow.aggregates import derived_dimensions
from shadow.aggregates.tally import ALL
from shadow.errors import ConfigError, SchemaError, StoreError
from shadow.store.read import catalogue as stored_catalogue
from shadow.store.read.catalogue import TaskEntry
from shadow.store.schema.revision import require_schema


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """Why no page has anything to show, and the `command` that helps."""

    title: str
    explanation: str
    command: str


_NO_EXCHANGES: Final = Problem(
    title="No exchanges yet",
    explanation=(
        "The database is ready, and no exchange has been compared yet. Send requests through the gateway, "
        "replay recorded pairs, or run the demo:"
    ),
    command="shadow gateway      # then point an OpenAI client's base_url at it\n"
    "shadow replay FILE  # evaluates recorded pairs; needs no broker\n"
    "shadow demo         # everything on this machine, with simulated models",
)


@cached
def problem() -> Problem | None:
    """What keeps the pages from showing anything; None where there is data."""
    try:
        with snapshot() as connection:
            require_schema(connection)
            return None if _entries(connection) else _NO_EXCHANGES
    except ConfigError as error:
        return Problem(title="No usable configuration yet", explanation=str(error), command="shadow check")
    except SchemaError as error:
        return Problem(
            title="The database schema does not match this version", explanation=str(error), command="shadow migrate"
        )
    except StoreError as error:
        return Problem(title="The database cannot be reached", explanation=str(error), command="shadow check")


@cached
def tasks() -> list[TaskEntry]:
    """Every task with pairs about a candidate, in order of name."""
    with snapshot() as connection:
        return _entries(connection)


@cached
def dimensions(task: str, candidate: str, window: Window) -> list[str]:
    """Stored dimensions with data: those of the settings, then derived ones. Without `hour` and `weekday`."""
    found = {cell.dimension for cell in cache.segments(task, candidate, window)} - {ALL[0]}
    return [
        *sorted(found - set(derived_dimensions.DERIVED)),
        *(name for name in derived_dimensions.DERIVED if name in found),
    ]


@cached
def values(task: str, candidate: str, window: Window, dimension: str) -> list[str]:
    """The values of one dimension, the most frequent first."""
    counts = tables.pairs_by_value(cache.segments(task, candidate, window), dimension)
    return sorted(counts, key=lambda value: (-counts[value], value))


def _entries(connection: Connection) -> list[TaskEntry]:
    return [entry for entry in stored_catalogue.tasks(connection) if entry.candidates]
