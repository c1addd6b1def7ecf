"""Open the database: timeouts on everything, and faults in words its owner can act on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event, exc, make_url, text
from sqlalchemy.engine import URL

from shadow.errors import StoreError, UnstorableError

CONNECT_TIMEOUT_S: Final = 5
#: Longest wait for one of the pool's connections.
POOL_TIMEOUT_S: Final = 30.0
STATEMENT_TIMEOUT: Final = "60s"
#: Shorter than a statement's: what waits for a lock also makes others wait.
LOCK_TIMEOUT: Final = "15s"
IDLE_IN_TRANSACTION_TIMEOUT: Final = "5min"

#: Has PostgreSQL plan each statement of the transaction for its own parameters. A plan made once, for
#: any window of time, would read the whole window: 600 ms for 50 of 500,000 pairs, instead of 2.
PLAN_EACH: Final = text("SELECT set_config('plan_cache_mode', 'force_custom_plan', true)")

#: How the SQLSTATEs start by which the server refuses certain rows for ever, beside those of a
#: DataError: a limit of the program (of an index row's size, say), and a null where none may be.
#: Other violations of a constraint may be another session's doing, and gone the next time.
_ROWS_TO_BLAME: Final = ("54", "23502")


def connect(url: str, *, pool_size: int = 5, application: str = "shadow") -> Engine:
    """An engine for the `postgresql://` address `url`, after one successful connection.

    `application` is the name under which the sessions show in `pg_stat_activity`. Every session
    speaks UTC and has statement, lock and idle timeouts. Raises StoreError, without the
    password, when the address is wrong or the server cannot be reached.
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
    """`url` with the driver we use. StoreError when it is not a PostgreSQL address."""
    try:
        address = make_url(url)
    except (exc.ArgumentError, ValueError):
        raise StoreError("the database's address cannot be read; it looks like postgresql://user@host/name") from None
    if address.drivername.partition("+")[0] not in ("postgresql", "postgres"):
        raise StoreError(f"the database's address starts with {address.drivername}://; it must be postgresql://")
    if "@" in f"{address.host}{address.database}":
        # What stands before that @ is the end of the password, which nobody may read in an error.
        raise StoreError("the database's address has an @ too many; write %40 for the one in the password")
    return address.set(drivername="postgresql+psycopg")


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction, committed at the end of the block; StoreError for every fault of the database."""
    with explained(engine.url), engine.begin() as connection:
        yield connection


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A read-only transaction in which everything is seen as of one moment, for pages and reports."""
    with explained(engine.url), engine.connect() as connection:
        yield connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


@contextmanager
def browsing(engine: Engine) -> Iterator[Connection]:
    """Every statement by itself, for long walks through the rows: nothing stays locked between them."""
    with explained(engine.url), engine.connect() as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


@contextmanager
def explained(address: URL) -> Iterator[None]:
    """Turn what SQLAlchemy and its driver raise into StoreError, with the server's own words and no password."""
    try:
        yield
    except (exc.DBAPIError, exc.TimeoutError, psycopg.Error) as fault:
        if _blames_rows(_original(fault)):
            raise UnstorableError((), f"PostgreSQL refuses the content of a row: {_words(fault)}") from fault
        raise StoreError(f"PostgreSQL at {_place(address)}: {_words(fault)}") from fault


def _set_up_session(session: Any, _: Any) -> None:
    # By SET and not by start-up options, which connection poolers refuse.
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


def _original(fault: Exception) -> BaseException | None:
    """What the driver said."""
    return fault.orig if isinstance(fault, exc.DBAPIError) else fault


def _blames_rows(original: BaseException | None) -> bool:
    if not isinstance(original, psycopg.Error):
        return False
    return isinstance(original, psycopg.DataError) or (original.sqlstate or "").startswith(_ROWS_TO_BLAME)


def _words(fault: Exception) -> str:
    original = _original(fault)
    lines = str(original).strip().splitlines() or [type(original).__name__]
    return lines[0]
