"""Rows on their way into a table: one JSON document a statement.

A batch travels as a single bound parameter and PostgreSQL unfolds it into rows. Measured
against COPY into a temporary table it is as fast for the batches we write, and it leaves no
temporary tables behind in the catalogue and works through a transaction-pooling proxy.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Column, Table, Text, bindparam, cast, column, func, select
from sqlalchemy.dialects.postgresql import JSON, Insert, insert
from sqlalchemy.sql.selectable import TableValuedAlias

#: Most bytes of one document. PostgreSQL takes 1 GB; this keeps memory flat on both sides.
DOCUMENT_BYTES: Final = 8 * 2**20

_encoder = msgspec.json.Encoder()


def documents(rows: Iterable[bytes]) -> Iterator[str]:
    """Encoded rows, put together to JSON arrays of about DOCUMENT_BYTES at most."""
    batch: list[bytes] = []
    size = 0
    for row in rows:
        if batch and size + len(row) > DOCUMENT_BYTES:
            yield _array(batch)
            batch, size = [], 0
        batch.append(row)
        size += len(row)
    if batch:
        yield _array(batch)


def document(rows: Sequence[Any]) -> str:
    """Small rows (structs or dicts whose keys are column names) as one document."""
    return _encoder.encode(rows).decode()


def staged(*columns: Column[Any]) -> TableValuedAlias:
    """The rows of the bound parameter `rows`, with these columns' names and types."""
    parameter = cast(bindparam("rows", type_=Text), JSON)
    typed = [column(c.name, c.type) for c in columns]
    return func.json_to_recordset(parameter).table_valued(*typed).render_derived(name="staged", with_types=True)


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


def _array(rows: list[bytes]) -> str:
    return (b"[" + b",".join(rows) + b"]").decode()
