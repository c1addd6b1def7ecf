"""One partition a day, created when the first row of the day is written.

Event times come from the clocks of other machines. A date in the future, or too long ago, gets no
partition: its rows go to the table's default partition, so that a client with a wrong clock cannot
create a million tables.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, text

from shadow.store.schema import locks

#: Days from today - OLDEST to today + NEWEST get a partition.
OLDEST: Final = timedelta(days=400)
NEWEST: Final = timedelta(days=2)

# Reads the catalogue: `to_regclass` uses a cache, which misses what another session has just created.
_MISSING: Final = text("""
    SELECT name FROM unnest(CAST(:names AS text[])) AS name
    WHERE NOT EXISTS (
        SELECT FROM pg_class
        WHERE relname = name AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass(:table))
    )
""")
_LIST: Final = text(
    "SELECT child.relname FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid"
    " WHERE inhparent = to_regclass(:table) ORDER BY child.relname"
)


def ensure(connection: Connection, tables: Sequence[str], moments: Iterable[datetime]) -> None:
    """Create the missing partitions of `tables` for the days (UTC) of `moments`."""
    today = datetime.now(UTC).date()
    days = {day for day in {moment.date() for moment in moments} if today - OLDEST <= day <= today + NEWEST}
    wanted = {name_of(table, day): (table, day) for table in tables for day in sorted(days)}
    if not _missing(connection, wanted):
        return
    locks.lock_until_commit(connection, locks.PARTITIONS)
    for name in _missing(connection, wanted):  # another session may have made some meanwhile
        _create(connection, name, *wanted[name])


def name_of(table: str, day: date) -> str:
    return f"{table}_{day:%Y%m%d}"


def default_of(table: str) -> str:
    return f"{table}_default"


def days_of(connection: Connection, table: str) -> dict[date, str]:
    """The days that have a partition, oldest first, with the partition's name."""
    names = connection.execute(_LIST, {"table": table}).scalars()
    endings = {name: name.removeprefix(f"{table}_") for name in names}
    return {datetime.strptime(end, "%Y%m%d").date(): name for name, end in endings.items() if end.isdigit()}  # noqa: DTZ007 - a date has no zone


def _missing(connection: Connection, wanted: Mapping[str, tuple[str, date]]) -> list[str]:
    if not wanted:
        return []
    any_table, _ = next(iter(wanted.values()))
    return list(connection.execute(_MISSING, {"names": list(wanted), "table": any_table}).scalars())


def _create(connection: Connection, name: str, table: str, day: date) -> None:
    # DDL takes no parameters. All names and dates are made here, from a constant and a `date`.
    start, end = (f"'{moment}T00:00:00Z'" for moment in (day, day + timedelta(days=1)))
    default = default_of(table)
    connection.execute(text(f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS)"))
    # Rows that came while the day was too far in the future are in the default partition.
    taken = f"DELETE FROM {default} WHERE at >= {start} AND at < {end} RETURNING *"  # noqa: S608 - see above
    connection.execute(text(f"WITH taken AS ({taken}) INSERT INTO {name} SELECT * FROM taken"))  # noqa: S608
    # Attached rather than created in place, which would lock the table against every reader.
    connection.execute(text(f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({start}) TO ({end})"))
