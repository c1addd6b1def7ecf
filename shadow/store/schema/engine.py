"""Connections with timeouts, transactions, and errors of the database as StoreError."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event, exc, make_url, text
from sqlalchemy.engine import URL

from shadow.errors import StoreError, UnstorableError

CONNECT_TIMEOUT_S: Final = 5
#: Maximum wait for a connection of the pool.
POOL_TIMEOUT_S: Final = 30.0
STATEMENT_TIMEOUT: Final = "60s"
#: Shorter than a statement's: a session that waits for a lock makes other sessions wait, too.
LOCK_TIMEOUT: Final = "15s"
IDLE_IN_TRANSACTION_TIMEOUT: Final = "5min"

#: Has PostgreSQL plan each statement of the transaction for its own parameters. A plan made once, for
#: any window of time, would read the whole window: 600 ms for 50 of 500,000 pairs, instead of 2.
PLAN_EACH: Final = text("SELECT set_config('plan_cache_mode', 'force_custom_plan', true)")

#: The first digits of the SQLSTATEs, beside those of a DataError, of errors that a row will always cause:
#: a limit of the program (of the size of an index row, for example), and a NULL that is not allowed.
#: Other violations of constraints may be caused by another session, and may not happen the next time.
_ROW_ERRORS: Final = ("54", "23502")


def connect(url: str, *, pool_size: int = 5, application: str = "shadow") -> Engine:
    """An engine for the `postgresql://` address `url`, after one successful connection.

    `application` is the sessions' name in `pg_stat_activity`. Every session uses UTC and has statement,
    lock and idle timeouts. Raises StoreError, without the password in it, if the address is wrong or
    the server cannot be reached.
    """
    address = parse(url)
    engine = create_engine(
        address,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_S,
        pool_pre_ping=True,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "application_name": application},
    )
    event.listen(engine, "connect", _set_up_session)
    try:
        with explained(address), engine.connect():
            return engine
    except StoreError:
        engine.dispose()
        raise


def parse(url: str) -> URL:
    """`url` as SQLAlchemy needs it. Raises StoreError if it is not a PostgreSQL address."""
    try:
        address = make_url(url)
    except (exc.ArgumentError, ValueError):
        raise StoreError("the database's address cannot be read; it looks like postgresql://user@host/name") from None
    if address.drivername.partition("+")[0] not in ("postgresql", "postgres"):
        raise StoreError(f"the database's address starts with {address.drivername}://; it must be postgresql://")
    if "@" in f"{address.host}{address.database}":
        # The text before that @ is the end of the password, which must not be in an error.
        raise StoreError("the database's address has an @ too many; write %40 for the one in the password")
    return address.set(drivername="postgresql+psycopg")


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction, committed at the end of the block. Errors of the database are raised as StoreError."""
    with explained(engine.url), engine.begin() as connection:
        yield connection


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A read-only transaction that sees the database as of one moment, for pages and reports."""
    with explained(engine.url), engine.connect() as connection:
        yield connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


@contextmanager
def browsing(engine: Engine) -> Iterator[Connection]:
    """A connection in autocommit, for reading many rows page by page: nothing stays locked between statements."""
    with explained(engine.url), engine.connect() as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


@contextmanager
def explained(address: URL) -> Iterator[None]:
    """Raise errors of SQLAlchemy and its driver as StoreError, with the server's message and no password."""
    try:
        yield
    except (exc.DBAPIError, exc.TimeoutError, psycopg.Error) as error:
        if _is_about_a_row(_driver_error(error)):
            raise UnstorableError((), f"PostgreSQL refuses the content of a row: {_message(error)}") from error
        raise StoreError(f"PostgreSQL at {_place(address)}: {_message(error)}") from error


def _set_up_session(session: Any, _: Any) -> None:
    # By statements: connection poolers refuse start-up options.
    with session.cursor() as cursor:
        for setting, value in (
            ("timezone", "UTC"),
            ("statement_timeout", STATEMENT_TIMEOUT),
            ("lock_timeout", LOCK_TIMEOUT),
            ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_TIMEOUT),
        ):
            cursor.execute("SELECT set_config(%s, %s, false)", (setting, value))
    session.commit()


def _place(address: URL) -> str:
    host = address.host or address.query.get("host") or "the local socket"
    return f"{host}{f':{address.port}' if address.port else ''}, database {address.database or 'default'}"


def _driver_error(error: Exception) -> BaseException | None:
    return error.orig if isinstance(error, exc.DBAPIError) else error


def _is_about_a_row(error: BaseException | None) -> bool:
    if not isinstance(error, psycopg.Error):
        return False
    return isinstance(error, psycopg.DataError) or (error.sqlstate or "").startswith(_ROW_ERRORS)


def _message(error: Exception) -> str:
    """The first line of the server's message."""
    original = _driver_error(error)
    lines = str(original).strip().splitlines() or [type(original).__name__]
    return lines[0]
