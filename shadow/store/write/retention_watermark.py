"""Of what happened long ago, nobody can tell any more whether it was counted.

The rows of exchanges and comparisons are the only memory of what the ledger and the rollups have
counted. So when they are dropped, the moment before which that happened is kept, and what comes
(again) from before it is refused. A database of which nothing was ever dropped refuses nothing,
however old: it can tell.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from shadow.store.schema.tables import forgotten
from shadow.store.write.rows import unstorable

WHY: Final = "older than the rows that are kept: nobody can tell whether it was counted"

_ROWS: Final = "rows"
_BEFORE: Final = select(forgotten.c.before).where(forgotten.c.what == _ROWS)


def until(connection: Connection, last: date) -> None:
    """Keep in mind that rows up to and of the day `last` (UTC) are gone.

    In the transaction that drops them, and with nobody writing: see `outcomes.lock`.
    """
    before = datetime.combine(last + timedelta(days=1), time(), UTC)
    statement = insert(forgotten).values(what=_ROWS, before=before)
    later = {"before": func.greatest(forgotten.c.before, statement.excluded.before)}
    connection.execute(statement.on_conflict_do_update(index_elements=[forgotten.c.what], set_=later))


def refuse(connection: Connection, events: Iterable[tuple[str, datetime]]) -> None:
    """Raise UnstorableError if there are exchanges (id and event time) from before what is kept; it names them."""
    before = connection.execute(_BEFORE).scalar()
    if before is None:
        return
    if refused := {name: WHY for name, at in events if at < before}:
        raise unstorable(refused)
