"""Rows on their way into a table.

Rows that may be there already travel as one JSON document, a single bound parameter, which
PostgreSQL unfolds. For rows of numbers and names that is as fast as COPY into a temporary
table, leaves nothing behind in the catalogue and works through a transaction-pooling proxy.
Payloads, which are long and known to be new, go by COPY.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import Column, Connection, Table, Text, bindparam, cast, column, func, select
from sqlalchemy.dialects.postgresql import JSON, Insert, insert
from sqlalchemy.sql.selectable import TableValuedAlias

#: Most bytes of one document. PostgreSQL takes 1 GB; this keeps memory flat on both sides.
DOCUMENT_BYTES: Final = 8 * 2**20

T = TypeVar("T")
_encoder = msgspec.json.Encoder()


def parts(rows: Sequence[T], size: Callable[[T], int]) -> Iterator[Sequence[T]]:
    """`rows` cut into runs of about DOCUMENT_BYTES at most; `size` is a row's, encoded."""
    first = total = 0
    for position, row in enumerate(rows):
        total += size(row)
        if total > DOCUMENT_BYTES and position > first:
            yield rows[first:position]
            first, total = position, size(row)
    if first < len(rows):
        yield rows[first:]


def join(rows: Iterable[bytes]) -> str:
    """Encoded rows as one document."""
    return (b"[" + b",".join(rows) + b"]").decode()


def document(rows: Sequence[Any]) -> str:
    """Small rows (structs or dicts whose keys are column names) as one document."""
    return _encoder.encode(rows).decode()


def staged(*columns: Column[Any]) -> TableValuedAlias:
    """The rows of the bound parameter `rows`, with these columns' names and types."""
    parameter = cast(bindparam("rows", type_=Text), JSON)
    typed = [column(c.name, c.type) for c in columns]
    return func.json_to_recordset(parameter).table_valued(*typed).render_derived(name="staged", with_types=True)


def copy(connection: Connection, table: Table, rows: Iterable[Sequence[Any]]) -> None:
    """COPY rows, in the order of the table's columns, none of which may be there already."""
    driver = connection.connection.driver_connection
    assert driver is not None
    names = ", ".join(table.columns.keys())
    with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as writer:
        for row in rows:
            writer.write_row(row)


def insert_rows(table: Table) -> Insert:
    """Insert the staged rows; what happens to those `table` has already is for the caller to add.

    In key order, as everywhere: two writers that meet then wait for each other in one
    direction only, and never in a circle.
    """
    rows = staged(*table.columns)
    in_key_order = select(rows).order_by(*(rows.c[key.name] for key in table.primary_key.columns))
    return insert(table).from_select(list(table.columns.keys()), in_key_order)


def add_up(table: Table, *sums: str, **merges: Any) -> Insert:
    """Insert the staged rows, adding the columns `sums` to a row that is there already.

    `merges` names other columns with the SQL function (`func.greatest`, …) that unites them.
    """
    statement = insert_rows(table)
    new = statement.excluded
    united = {name: table.c[name] + new[name] for name in sums}
    united |= {name: unite(table.c[name], new[name]) for name, unite in merges.items()}
    return statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=united)
