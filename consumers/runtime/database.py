"""Connect to the database, waiting until it is there: services start before it and outlive its restarts."""

import asyncio

import structlog
from sqlalchemy import Engine

from consumers.runtime.health import HealthState
from shadow.backoff import Backoff
from shadow.errors import StoreError
from shadow.store.schema import engine as database
from shadow.store.schema.revision import require_schema

log = structlog.get_logger()


async def wait_for_database(url: str, *, pool_size: int, service: str, health: HealthState) -> Engine:
    """An engine, once the database is there and has our schema; until then a problem of `health`."""
    backoff = Backoff()
    while True:
        try:
            engine = await asyncio.to_thread(_connect, url, pool_size, f"shadow-{service}")
        except StoreError as error:
            health.set_problem("database", str(error))
            log.warning("waiting for the database", action="waiting_for_database", error=str(error))
            await backoff.wait()
        else:
            health.set_problem("database", None)
            return engine


def _connect(url: str, pool_size: int, application: str) -> Engine:
    engine = database.connect(url, pool_size=pool_size, application=application)
    try:
        with database.transaction(engine) as connection:
            require_schema(connection)
    except StoreError:
        engine.dispose()
        raise
    return engine
