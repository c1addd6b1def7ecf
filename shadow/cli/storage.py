"""The database of the commands that people run by hand: their own, or one on this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from shadow.devstack.postgres import embedded_postgres
from shadow.errors import UnstorableError, UsageError
from shadow.records import Comparison, Trial
from shadow.settings import Settings
from shadow.store import engine, ingest, migrate
from shadow.store.ingest import Arrival

#: Where the embedded database keeps its files, under the working folder.
EMBEDDED: Final = Path(".shadow/postgres")

#: Pairs written in one transaction.
BATCH: Final = 500


@contextmanager
def database(settings: Settings, *, create: bool = False) -> Iterator[Engine]:
    """The configured database, else the embedded one of this folder.

    `create` makes the embedded one if need be; without it, a missing one is a UsageError. A
    database of the user's own is never migrated here: that takes `shadow migrate`.
    """
    if settings.postgres.url is not None:
        with _opened(settings.postgres.url) as opened:
            yield opened
        return
    if not create and not EMBEDDED.exists():
        raise UsageError(
            f"nothing is stored yet: no database is named in shadow.toml, and there is no {EMBEDDED} here; "
            "run: shadow replay FILE"
        )
    with embedded_postgres(EMBEDDED) as url:
        migrate.upgrade(url)
        with _opened(url) as opened:
            yield opened


class Keeper:
    """Stores scored pairs in batches. `new` counts those that were not there yet.

    `refused` holds pairs that no database can keep (a NUL in a text, a lone surrogate).
    """

    def __init__(self, database: Engine) -> None:
        self._engine = database
        self._waiting: list[tuple[Trial, Comparison]] = []
        self.new = 0
        self.refused: list[str] = []

    def keep(self, trial: Trial, comparison: Comparison) -> None:
        self._waiting.append((trial, comparison))
        if len(self._waiting) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting."""
        pairs, self._waiting = self._waiting, []
        self._write(pairs)

    def _write(self, pairs: list[tuple[Trial, Comparison]]) -> None:
        if not pairs:
            return
        arrivals = [Arrival(trial.exchange.id, trial.exchange.task, trial.exchange.at) for trial, _ in pairs]
        try:
            with engine.transaction(self._engine) as connection:
                self.new += ingest.record(connection, arrivals=arrivals, trials=pairs).trials
        except UnstorableError as fault:
            self._write_the_others(pairs, fault)

    def _write_the_others(self, pairs: list[tuple[Trial, Comparison]], fault: UnstorableError) -> None:
        named = set(fault.exchange_ids)
        if named:
            self.refused.extend(sorted(named))
            self._write([pair for pair in pairs if pair[0].exchange.id not in named])
        elif len(pairs) == 1:
            self.refused.append(pairs[0][0].exchange.id)
        else:
            self._write(pairs[: len(pairs) // 2])
            self._write(pairs[len(pairs) // 2 :])


@contextmanager
def _opened(url: str) -> Iterator[Engine]:
    opened = engine.connect(url)
    try:
        with opened.connect() as connection:
            engine.require_schema(connection)
        yield opened
    finally:
        opened.dispose()
