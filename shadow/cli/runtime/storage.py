"""The database of the commands that people run by hand: their own, or one on this machine."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from shadow.devstack.services.postgres import embedded_postgres
from shadow.errors import UsageError
from shadow.records import Comparison, Trial
from shadow.settings import Settings
from shadow.store.schema import engine, migrate
from shadow.store.schema.revision import require_schema
from shadow.store.write import ingest
from shadow.store.write.ingest import Arrival
from shadow.store.write.skip_bad_rows import write_all_but_bad

#: Where the embedded database keeps its files, under the working folder.
EMBEDDED: Final = Path(".shadow/postgres")

#: Pairs written in one transaction.
BATCH: Final = 500

#: So many refusals are kept to be shown; all are counted.
MOST_REFUSALS: Final = 20


@contextmanager
def located(settings: Settings, *, create: bool = False) -> Iterator[Settings]:
    """The settings with a database in them: the configured one, else the embedded one of this folder.

    The embedded one runs for as long as the context lasts. `create` makes it if need be; without
    it, a missing one is a UsageError. A database of the user's own is never migrated here: that
    takes `shadow migrate`.
    """
    if settings.postgres.url is not None:
        yield settings
        return
    if not create and not EMBEDDED.exists():
        raise UsageError(
            f"nothing is stored yet: no database is named in shadow.toml, and there is no {EMBEDDED} here; "
            "run: shadow replay FILE"
        )
    with embedded_postgres(EMBEDDED) as url:
        migrate.upgrade(url)
        yield settings.model_copy(update={"postgres": settings.postgres.model_copy(update={"url": url})})


@contextmanager
def database(settings: Settings, *, create: bool = False) -> Iterator[Engine]:
    """The database of `located`, opened."""
    with located(settings, create=create) as found, _opened(found.postgres_url()) as opened:
        yield opened


class Keeper:
    """Stores scored pairs in batches.

    `new` counts those that were not there yet, and `known` those that were: they stay as they
    are, and count once. `refused` counts exchanges that cannot be kept (a NUL in a text, a lone
    surrogate, an event from before what is kept); `refusals` are the first, each with its reason.
    """

    def __init__(self, database: Engine) -> None:
        self._engine = database
        self._waiting: list[tuple[Trial, Comparison]] = []
        self.new = self.known = self.refused = 0
        self.refusals: list[str] = []
        self._lines: dict[str, str] = {}

    def keep(self, trial: Trial, comparison: Comparison, *, line: str = "") -> None:
        """`line` says where the pair was read."""
        self._lines[trial.exchange.id] = line
        self._waiting.append((trial, comparison))
        if len(self._waiting) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting."""
        pairs, self._waiting = self._waiting, []
        self._write(pairs)
        self._lines.clear()

    def _write(self, pairs: list[tuple[Trial, Comparison]]) -> None:
        bad = write_all_but_bad(pairs, self._write_together, exchange_id=_exchange_id)
        reasons = {_exchange_id(pair): str(error) for pair, error in bad}
        self.refused += len(reasons)
        for exchange_id, reason in islice(reasons.items(), MOST_REFUSALS - len(self.refusals)):
            self.refusals.append(f"{self._lines[exchange_id]}: {exchange_id} cannot be stored: {reason}")

    def _write_together(self, pairs: Sequence[tuple[Trial, Comparison]]) -> None:
        arrivals = [Arrival(trial.exchange.id, trial.exchange.task, trial.exchange.at) for trial, _ in pairs]
        with engine.transaction(self._engine) as connection:
            new = ingest.record(connection, arrivals=arrivals, trials=pairs).trials
        self.new += new
        self.known += len(pairs) - new


def _exchange_id(pair: tuple[Trial, Comparison]) -> str:
    return pair[0].exchange.id


@contextmanager
def _opened(url: str) -> Iterator[Engine]:
    opened = engine.connect(url)
    try:
        with opened.connect() as connection:
            require_schema(connection)
        yield opened
    finally:
        opened.dispose()
