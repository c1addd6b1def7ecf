"""Write a batch without the rows that cannot be stored."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from shadow.errors import StoreError, UnstorableError

R = TypeVar("R")


def write_all_but_bad(
    rows: Sequence[R], write: Callable[[Sequence[R]], None], *, exchange_id: Callable[[R], str] | None = None
) -> list[tuple[R, Exception]]:
    """Call `write` with `rows`, and in as few more calls as possible without the rows that it cannot write.

    Returns the bad rows, each with its error. If an UnstorableError names exchanges and
    `exchange_id` is given, their rows are left out at once; otherwise the batch is halved until the
    bad rows are alone. Any other StoreError is not about rows (the database is down, the schema is
    missing) and is raised. `write` must write all of its rows or none, and writing a row again must
    be harmless.
    """
    if not rows:
        return []
    try:
        write(rows)
    except UnstorableError as error:
        if exchange_id is not None and error.reasons:
            named = [(row, _error_of(exchange_id(row), error)) for row in rows if exchange_id(row) in error.reasons]
            others = [row for row in rows if exchange_id(row) not in error.reasons]
            if named:
                return named + write_all_but_bad(others, write, exchange_id=exchange_id)
        return _write_halves(rows, write, exchange_id, error)
    except StoreError:
        raise
    except Exception as error:  # noqa: BLE001 - an error in our code about one row must not stop the rows behind it
        return _write_halves(rows, write, exchange_id, error)
    return []


def _write_halves(
    rows: Sequence[R],
    write: Callable[[Sequence[R]], None],
    exchange_id: Callable[[R], str] | None,
    error: Exception,
) -> list[tuple[R, Exception]]:
    if len(rows) == 1:
        return [(rows[0], error)]
    middle = len(rows) // 2
    halves = rows[:middle], rows[middle:]
    return [bad for half in halves for bad in write_all_but_bad(half, write, exchange_id=exchange_id)]


def _error_of(exchange_id: str, error: UnstorableError) -> UnstorableError:
    reason = error.reasons[exchange_id]
    return UnstorableError((exchange_id,), reason, {exchange_id: reason})
