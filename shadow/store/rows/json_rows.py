"""Many rows as one bound parameter: a JSON document that PostgreSQL turns back into rows.

It leaves nothing behind in the catalogue, as a temporary table would, and works through a proxy
that pools transactions.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import ColumnClause, Text, bindparam, cast, column, func
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.sql.selectable import TableValuedAlias

#: Maximum size of one document. PostgreSQL takes 1 GB; this keeps memory low on both sides.
DOCUMENT_BYTES: Final = 8 * 2**20

T = TypeVar("T")
_encoder = msgspec.json.Encoder()


def document(rows: Sequence[Any]) -> str:
    """Rows (structs, or dicts whose keys are column names) as one document. For small numbers of rows."""
    return _encoder.encode(rows).decode()


def parts(rows: Sequence[T], size: Callable[[T], int]) -> Iterator[Sequence[T]]:
    """`rows` in runs of about DOCUMENT_BYTES at most; `size` gives a row's encoded size in bytes."""
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


def parameter_rows(*columns: ColumnClause[Any], name: str = "rows") -> TableValuedAlias:
    """The rows of the bound parameter `name`, with the names and types of these columns."""
    parameter = cast(bindparam(name, type_=Text), JSON)
    typed = [column(c.name, c.type) for c in columns]
    return (
        func.json_to_recordset(parameter)
        .table_valued(*typed)
        .render_derived(name=f"{name}_of_parameter", with_types=True)
    )
