"""The moment before which rows have been deleted; what comes from before it is refused.

The rows of exchanges and comparisons are the only record of what the ledger and the rollups have
counted. When they are deleted, a message that is delivered again could be counted again. So `prune`
stores the moment up to which it deleted rows, and `ingest` refuses everything from before it. A
database from which no row was ever deleted refuses nothing, however old.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from shadow.store.rows.names import unstorable
from shadow.store.schema.tables import forgotten

REASON: Final = "older than the rows that are kept: it may have been counted already"

_ROWS: Final = "rows"
_BEFORE: Final = select(forgotten.c.before).where(forgotten.c.what == _ROWS)


def raise_to(connection: Connection, last: date) -> None:
    """Store that rows up to and including the day `last` (UTC) are deleted.

    Call it in the transaction that deletes them, while it holds the lock DEAD_LETTERS alone.
    """
    before = datetime.combine(last + timedelta(days=1), time(), UTC)
    statement = insert(forgotten).values(what=_ROWS, before=before)
    later = {"before": func.greatest(forgotten.c.before, statement.excluded.before)}
    connection.execute(statement.on_conflict_do_update(index_elements=[forgotten.c.what], set_=later))


def refuse_older(connection: Connection, events: Iterable[tuple[str, datetime]]) -> None:
    """Raise UnstorableError, with the ids, if any of the exchanges (id, event time) is from before the watermark."""
    before = connection.execute(_BEFORE).scalar()
    if before is None:
        return
    if refused := {exchange_id: REASON for exchange_id, at in events if at < before}:
        raise unstorable(refused)
