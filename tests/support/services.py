"""Real services for tests, without mocks: each starts in about a second.

Tests use them through the fixtures of `conftest.py`. This module has the parts of those fixtures,
so that a fault test can start, freeze and kill a service of its own.
"""

import asyncio
import importlib
import signal
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import uvicorn

from shadow.devstack.services.kafka import ApacheKafka, fetch_jars, find_java
from shadow.devstack.services.postgres import EmbeddedPostgres, with_database
from shadow.devstack.services.processes import free_port, poll_until
from shadow.errors import DevstackError
from shadow.settings import TopicSettings

CHECKOUT = Path(__file__).parents[2]
KAFKA_JARS = CHECKOUT / ".shadow" / "kafka" / "libs"
KAFKA_POM = CHECKOUT / "tests" / "apache-kafka" / "pom.xml"

#: The database every test's own database is copied from.
TEMPLATE = "template_migrated"


@contextmanager
def service_folder(name: str) -> Iterator[Path]:
    """A folder for a service's files.

    Not pytest's own, whose parent is closed to other users, as whom PostgreSQL runs if we are root.
    """
    with tempfile.TemporaryDirectory(prefix=f"shadow-{name}-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def freeze(pid: int) -> None:
    """Stop a process (SIGSTOP), and wait until all its threads have stopped.

    The signal stops one thread at once, and the others when that one is next scheduled. On a busy
    machine they have time to read a few megabytes until then.
    """
    process = psutil.Process(pid)
    process.send_signal(signal.SIGSTOP)

    def has_stopped() -> bool:
        return all(psutil.Process(thread.id).status() == psutil.STATUS_STOPPED for thread in process.threads())

    poll_until(has_stopped, timeout=20.0)


@contextmanager
def apache_kafka() -> Iterator[ApacheKafka]:
    """A running Apache Kafka of our own. Raises DevstackError without Java or the jars."""
    find_java()
    fetch_jars(KAFKA_POM, KAFKA_JARS)
    with service_folder("kafka") as folder:
        kafka = ApacheKafka(jars=KAFKA_JARS, data_dir=folder)
        kafka.start()
        try:
            yield kafka
        finally:
            kafka.stop()


def apache_kafka_or_skip(stack: ExitStack) -> ApacheKafka:
    """Enter `apache_kafka` on `stack`, or skip the test with the reason."""
    try:
        return stack.enter_context(apache_kafka())
    except DevstackError as reason:
        pytest.skip(f"no Apache Kafka here: {reason}")


def unique_topics() -> TopicSettings:
    """Unique topic names, so that tests may share one broker."""
    suffix = uuid.uuid4().hex[:12]
    return TopicSettings(
        exchanges=f"shadow.exchanges.{suffix}",
        trials=f"shadow.trials.{suffix}",
        deadletters=f"shadow.deadletters.{suffix}",
    )


def create_template(server: EmbeddedPostgres) -> None:
    """Migrate one database. The databases of the tests are copied from it in milliseconds."""
    upgrade = importlib.import_module("shadow.store.schema.migrate").upgrade
    _execute(server, f'CREATE DATABASE "{TEMPLATE}"')
    upgrade(with_database(server.url, TEMPLATE))


@contextmanager
def fresh_database(server: EmbeddedPostgres, *, template: str = "template1") -> Iterator[str]:
    """The URL of a new database on `server`, dropped afterwards."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    _execute(server, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
    try:
        yield with_database(server.url, name)
    finally:
        _execute(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def _execute(server: EmbeddedPostgres, statement: str) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(statement.encode())


@contextmanager
def serving(app: Any, *, port: int = 0, configured: Callable[..., uvicorn.Config] = uvicorn.Config) -> Iterator[str]:
    """Run an ASGI app on loopback in a thread; yields its base URL, `http://127.0.0.1:PORT`."""
    port = port or free_port()
    config = configured(app, host="127.0.0.1", port=port, log_level="critical", timeout_graceful_shutdown=1, ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    try:
        poll_until(lambda: server.started, timeout=10.0, alive=thread.is_alive)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=10.0)
