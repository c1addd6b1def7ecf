"""COPY of many new rows, and INSERT of few rows that the table may have already.

COPY takes PostgreSQL a fifth of the time of an INSERT, but fails if a row is already there. INSERT
takes its rows from one JSON document (see `rows.json_rows`) and can update the rows that are there.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from psycopg.errors import UniqueViolation
from psycopg.types.string import BytesBinaryDumper
from sqlalchemy import Boolean, Connection, DateTime, Double, SmallInteger, Table, Text, column, select, text
from sqlalchemy import table as sa_table
from sqlalchemy.dialects.postgresql import JSON, JSONB, Insert, insert

from shadow.store.rows import json_rows

#: The PostgreSQL type in which a column's values are sent. `json` and `jsonb` are sent as bytes: psycopg would
#: encode every object by itself, and most rows share their segments.
_BINARY: Final[dict[type[Any], str]] = {
    Boolean: "bool", DateTime: "timestamptz", Double: "float8", JSON: "bytea", JSONB: "bytea", SmallInteger: "int2",
    Text: "text",
}  # fmt: skip


def copy(
    connection: Connection,
    table: Table,
    names: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    into: str | None = None,
) -> None:
    """COPY rows into the columns `names` of `table`, which must have none of them yet.

    Uses PostgreSQL's binary format, which takes both sides half the time of its text format: nothing
    is escaped. Values of `json` columns are encoded JSON, and those of `jsonb` columns as `encode.jsonb`
    makes them. `into` names another table with the same columns.
    """
    driver = connection.connection.driver_connection
    assert driver is not None
    columns = ", ".join(names)
    with driver.cursor() as cursor:
        cursor.adapters.register_dumper(
            bytes, BytesBinaryDumper
        )  # the one in C, which psycopg does not choose by itself
        with cursor.copy(f"COPY {into or table.name} ({columns}) FROM STDIN (FORMAT binary)") as writer:
            writer.set_types([_BINARY[type(table.c[name].type)] for name in names])
            for row in rows:
                writer.write_row(row)


def copy_if_all_new(connection: Connection, table: Table, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> bool:
    """COPY `rows`, which are in key order. False, and nothing is written: the table has one of them already.

    Nearly always all are new. The COPY ends at the first row that is not, so where all are there already
    the attempt costs next to nothing; not all of `rows` may have been taken then.
    """
    try:
        with connection.begin_nested():
            copy(connection, table, names, rows)
    except UniqueViolation:
        return False
    return True


def copy_missing(
    connection: Connection, table: Table, names: Sequence[str], rows: Iterable[Sequence[Any]]
) -> set[tuple[Any, ...]]:
    """COPY those of `rows` that the table does not have yet, through a temporary table; returns their keys."""
    key = table.primary_key.columns
    incoming = sa_table("incoming", *(column(name) for name in names))
    connection.execute(text(f"CREATE TEMPORARY TABLE incoming (LIKE {table.name})"))
    copy(connection, table, names, rows, into=incoming.name)
    in_key_order = select(incoming).order_by(*(incoming.c[each.name] for each in key))
    new = insert(table).from_select(list(names), in_key_order).on_conflict_do_nothing().returning(*key)
    found = connection.execute(new).all()
    connection.execute(text("DROP TABLE incoming"))
    return {tuple(row) for row in found}


def insert_rows(table: Table) -> Insert:
    """An INSERT of the rows of the parameter `rows`; the caller adds the ON CONFLICT clause.

    Inserts in the order of the primary key, like all writers: two concurrent writers then cannot wait
    for each other in a circle.
    """
    rows = json_rows.parameter_rows(*table.columns)
    in_key_order = select(rows).order_by(*(rows.c[key.name] for key in table.primary_key.columns))
    return insert(table).from_select(list(table.columns.keys()), in_key_order)


def insert_or_add(table: Table, *sums: str, **merges: Any) -> Insert:
    """An INSERT of the rows of the parameter `rows` that adds the columns `sums` to a row that is there already.

    `merges` gives, for other columns, the SQL function (`func.greatest`, …) that combines both values.
    """
    statement = insert_rows(table)
    new = statement.excluded
    combined = {name: table.c[name] + new[name] for name in sums}
    combined |= {name: combine(table.c[name], new[name]) for name, combine in merges.items()}
    return statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=combined)
