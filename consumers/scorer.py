"""The scorer: compares the two replies of each pair, and commits everything that the ledger needs.

It consumes all three topics, because the ledger is about all of them: which exchanges were mirrored,
compared, and dead-lettered. A message's offset is committed after its row.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import structlog
from sqlalchemy import Engine

from consumers.batches import BatchWriter
from consumers.embedding_models import EmbeddingModels
from consumers.kafka.consumer import Handler
from consumers.kafka.messages import IncomingMessage, dead_letter
from consumers.kafka.producer import EventProducer
from consumers.runtime import service
from consumers.runtime.database import wait_for_database
from consumers.runtime.health import ConsumerHealth
from consumers.runtime.service import Service
from consumers.runtime.task_label import task_label
from consumers.scored_rows import Row, ScoredPair, read_row, texts_of, write_rows
from scoring.scorers import require
from scoring.scorers.meaning.fetched import Embeddings
from shadow.backoff import Backoff
from shadow.errors import StoreError
from shadow.records import DeadLetter
from shadow.settings import Settings
from shadow.store.schema import engine as database
from shadow.store.write.skip_bad_rows import write_all_but_bad

#: Batches that are being compared or written to the database at once. With fewer, one of the two waits for
#: the other; more would only use memory.
_CONCURRENT_BATCHES: Final = 3
#: Twice as many, so that the next batches fill in the meantime.
MAX_BATCHES_IN_FLIGHT: Final = 2 * _CONCURRENT_BATCHES

log = structlog.get_logger()


def run(settings: Settings) -> None:
    """Compare and store until SIGTERM or SIGINT."""
    service.run(settings, build(settings))


def build(settings: Settings) -> Service:
    """The scorer as a service of `settings`.

    Raises ConfigError where no database is named, and where the scorer of a task needs what is not installed.
    """
    require(settings.tasks)
    url = settings.postgres_url()

    @asynccontextmanager
    async def open_handler(
        producer: EventProducer, health: ConsumerHealth, stopping: asyncio.Event
    ) -> AsyncIterator[Handler]:
        engine = await wait_for_database(url, pool_size=settings.postgres.pool_size, service="scorer", health=health)
        async with EmbeddingModels(settings, settings.tasks) as models:
            scorer = Scorer(settings, engine, producer, health, models)
            writing = asyncio.create_task(scorer.write(stopping))
            try:
                yield scorer.handle
            finally:
                writing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await writing
                engine.dispose()

    names = settings.kafka.topics
    return Service(
        name="scorer",
        topics=(names.exchanges, names.trials, names.deadletters),
        concurrency=MAX_BATCHES_IN_FLIGHT * settings.scorer.batch,
        health_host=settings.scorer.health_host,
        health_port=settings.scorer.health_port,
        open_handler=open_handler,
    )


class Scorer:
    """Turns messages into rows and commits them in batches, one transaction each."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        producer: EventProducer,
        health: ConsumerHealth,
        models: EmbeddingModels | None = None,
    ) -> None:
        self._settings = settings
        self._models = models
        self._engine = engine
        self._producer = producer
        self._health = health
        self._batches: BatchWriter[IncomingMessage] = BatchWriter(
            self._write_batch, size=settings.scorer.batch, linger_s=settings.scorer.linger_ms / 1_000
        )
        self._comparisons: Final = health.counter(
            "shadow_scorer_comparisons", "Comparisons, by outcome.", "task", "outcome"
        )

    def handle(self, message: IncomingMessage) -> Awaitable[None]:
        """Returns what is done once the row of `message` is committed, or its dead letter is on its topic."""
        return self._batches.add(message)

    async def write(self, stopping: asyncio.Event) -> None:
        """Write batches until cancelled. While the database writes one, the next is compared.

        Once `stopping` is set, no more messages come, so that batches are written before they are full.
        """
        writers = (self._batches.run() for _ in range(_CONCURRENT_BATCHES))
        await asyncio.gather(*writers, self._hurry_when(stopping))

    async def _hurry_when(self, stopping: asyncio.Event) -> None:
        await stopping.wait()
        self._batches.hurry()

    async def _write_batch(self, messages: list[IncomingMessage]) -> None:
        embeddings = None
        if self._models:
            texts = await asyncio.to_thread(texts_of, messages, self._settings)
            embeddings = await self._models.fetch(texts)
        rows, letters = await asyncio.to_thread(self._read, messages, embeddings)
        bad_rows = await self._commit(rows)
        letters += [_letter(row.message, error, row.id, row.task) for row, error in bad_rows]
        await asyncio.gather(*(self._send_dead_letter(letter) for letter in letters))
        bad = {id(row) for row, _ in bad_rows}
        self._count([row for row in rows if id(row) not in bad])

    def _read(
        self, messages: list[IncomingMessage], embeddings: Embeddings | None
    ) -> tuple[list[Row], list[DeadLetter]]:
        """The rows of `messages`, with their comparisons, and the dead letters of messages without a row."""
        rows: list[Row] = []
        letters: list[DeadLetter] = []
        for message in messages:
            try:
                rows.append(read_row(message, self._settings, embeddings))
            except Exception as error:  # noqa: BLE001 - whatever the error, it must not stop the partition
                letters.append(_letter(message, error, message.location))
        return rows, letters

    async def _commit(self, rows: list[Row]) -> list[tuple[Row, Exception]]:
        """Commit `rows`, waiting as long as the database is away; returns those that it cannot store."""
        backoff = Backoff()
        while True:
            try:
                bad_rows = await asyncio.to_thread(write_all_but_bad, rows, self._transact)
            except StoreError as error:
                self._health.set_problem("database", str(error))
                log.warning("the database does not accept rows; trying again", action="store_retry", error=str(error))
                await backoff.wait()
            else:
                self._health.set_problem("database", None)
                return bad_rows

    def _transact(self, rows: Sequence[Row]) -> None:
        with database.transaction(self._engine) as connection:
            write_rows(connection, rows)

    async def _send_dead_letter(self, letter: DeadLetter) -> None:
        await self._producer.send(self._settings.kafka.topics.deadletters, letter)
        self._health.dead_letters.labels(letter.reason).inc()

    def _count(self, rows: Sequence[Row]) -> None:
        outcomes = Counter(
            (row.task, row.content.comparison.unscored or "compared")
            for row in rows
            if isinstance(row.content, ScoredPair)
        )
        for (task, outcome), n in outcomes.items():
            self._comparisons.labels(task_label(task, self._settings.tasks), outcome).inc(n)


def _letter(message: IncomingMessage, error: Exception, identity: str, task: str = "") -> DeadLetter:
    return dead_letter(message, error, stage="scorer", identity=identity, task=task)
