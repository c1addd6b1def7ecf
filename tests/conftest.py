"""Fixtures for all tests. A session shares the services; each test has its own topics and databases."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import streamlit as st

from shadow.devstack.services.broker import embedded_broker
from shadow.devstack.services.kafka import ApacheKafka
from shadow.devstack.services.postgres import EmbeddedPostgres
from shadow.settings import KAFKA_VARIABLE, POSTGRES_VARIABLE, TopicSettings
from shadow.topics import create_topics
from tests.support import services


@pytest.fixture(scope="session")
def broker() -> Iterator[str]:
    """`host:port` of a Kafka: the one SHADOW_KAFKA names, else the embedded broker."""
    if named := os.environ.get(KAFKA_VARIABLE):
        yield named
        return
    with services.service_folder("broker") as folder, embedded_broker(log=folder / "broker.log") as running:
        yield running.bootstrap


@pytest.fixture(scope="session")
def apache_kafka() -> Iterator[ApacheKafka]:
    """A real Apache Kafka that this session started; skips where it cannot run."""
    with ExitStack() as stack:
        yield services.apache_kafka_or_skip(stack)


@pytest.fixture
def topics(broker: str) -> TopicSettings:
    """The platform's topics under names of this test's own, created with 4 partitions each."""
    names = services.unique_topics()
    create_topics(broker, dict.fromkeys((names.exchanges, names.trials, names.deadletters), 4))
    return names


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedPostgres]:
    """An embedded PostgreSQL, without our tables."""
    with services.service_folder("postgres") as folder:
        server = EmbeddedPostgres(folder, throwaway=True)
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="session")
def migrated_template(postgres_server: EmbeddedPostgres) -> str:
    services.create_template(postgres_server)
    return services.TEMPLATE


@pytest.fixture
def postgres_url(postgres_server: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    """A migrated database of this test's own."""
    with services.fresh_database(postgres_server, template=migrated_template) as url:
        yield url


@pytest.fixture
def serve() -> Iterator[Callable[[Any], str]]:
    """`serve(app)` runs an ASGI app on a free loopback port and returns its base URL."""
    with ExitStack() as stack:
        yield lambda app: stack.enter_context(services.serving(app))


@pytest.fixture(autouse=True)
def main_module_is_kept() -> Iterator[None]:
    """Give `__main__` back after a test: Streamlit's script runner puts the page it ran in its place.

    multiprocessing prepares a new process by running the file of `__main__`, which would then be that page.
    """
    kept = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = kept


@pytest.fixture
def empty_page_caches(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Empty the dashboard's caches: what they hold from other tests is of another database."""
    st.cache_data.clear()
    st.cache_resource.clear()
    monkeypatch.delenv(POSTGRES_VARIABLE, raising=False)
    yield
    st.cache_data.clear()
    st.cache_resource.clear()
