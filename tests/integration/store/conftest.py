from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from shadow.store.schema import engine


@pytest.fixture
def database(postgres_url: str) -> Iterator[Engine]:
    """A migrated database of this test's own."""
    opened = engine.connect(postgres_url)
    yield opened
    opened.dispose()
