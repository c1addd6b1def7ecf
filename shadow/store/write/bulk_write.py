"""Rows on their way into a table.

Few rows that may be there already travel as one JSON document, a single bound parameter, which
PostgreSQL unfolds: that leaves nothing behind in the catalogue and works through a
transaction-pooling proxy. Many rows go by COPY, which takes PostgreSQL a fifth of the time.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

import msgspec
from psycopg.errors import UniqueViolation
from psycopg.types.json import set_json_dumps
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    DateTime,
    Double,
    Table,
    Text,
    bindparam,
    cast,
    column,
    func,
    select,
    text,
)
from sqlalchemy import table as sa_table
from sqlalchemy.dialects.postgresql import JSON, JSONB, Insert, insert
from sqlalchemy.sql.selectable import TableValuedAlias

#: Most bytes of one document. PostgreSQL takes 1 GB; this keeps memory flat on both sides.
DOCUMENT_BYTES: Final = 8 * 2**20

#: The type that a column's values have on their way; of `json`, the text as it is.
_BINARY: Final[dict[type[Any], str]] = {
    Boolean: "bool", DateTime: "timestamptz", Double: "float8", JSON: "bytea", JSONB: "jsonb", Text: "text"
}  # fmt: skip

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


def copy(
    connection: Connection,
    table: Table,
    names: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    into: str | None = None,
) -> None:
    """COPY rows into the columns `names` of `table`; none of them may be there already.

    In PostgreSQL's binary format, which takes both sides half the time of its text: nothing is
    escaped. `json` columns come as encoded text, `jsonb` as objects. `into` is another table like it.
    """
    driver = connection.connection.driver_connection
    assert driver is not None
    columns = ", ".join(names)
    with driver.cursor() as cursor:
        set_json_dumps(_encoder.encode, cursor)
        with cursor.copy(f"COPY {into or table.name} ({columns}) FROM STDIN (FORMAT binary)") as writer:
            writer.set_types([_BINARY[type(table.c[name].type)] for name in names])
            for row in rows:
                writer.write_row(row)


def copy_new(
    connection: Connection, table: Table, names: Sequence[str], rows: Sequence[Sequence[Any]]
) -> set[tuple[Any, ...]] | None:
    """COPY those of `rows` that are not there yet; their keys, or None where that was all of them.

    `rows` are in key order. Nearly always all are new. Where one is not, which only a COPY that
    fails can tell, they go into a table of this transaction's own first.
    """
    try:
        with connection.begin_nested():
            copy(connection, table, names, rows)
    except UniqueViolation:
        pass
    else:
        return None
    key = table.primary_key.columns
    arrived = sa_table("arrived", *(column(name) for name in names))
    connection.execute(text(f"CREATE TEMPORARY TABLE arrived (LIKE {table.name})"))
    copy(connection, table, names, rows, into=arrived.name)
    in_key_order = select(arrived).order_by(*(arrived.c[each.name] for each in key))
    new = insert(table).from_select(list(names), in_key_order).on_conflict_do_nothing().returning(*key)
    found = connection.execute(new).all()
    connection.execute(text("DROP TABLE arrived"))
    return {tuple(row) for row in found}


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
