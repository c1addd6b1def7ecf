"""The scorer: compares the replies of each pair, and commits everything the ledger needs.

It reads all three topics, because the ledger is about all of them: what was mirrored, what
was compared, what was set aside. A message is acknowledged after its row is committed.
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
from consumers.kafka.consumer import Handler
from consumers.kafka.messages import IncomingMessage, dead_letter
from consumers.kafka.producer import EventProducer
from consumers.runtime import service
from consumers.runtime.database import wait_for_database
from consumers.runtime.health import ConsumerHealth
from consumers.runtime.service import Service
from consumers.runtime.task_label import task_label
from consumers.scored_rows import Row, ScoredPair, read_row, write_rows
from shadow.backoff import Backoff
from shadow.errors import StoreError
from shadow.records import DeadLetter
from shadow.settings import Settings
from shadow.store.schema import engine as database
from shadow.store.write.skip_bad_rows import write_all_but_bad

#: So many batches are being compared or are with the database at once: with fewer one of the two
#: waits for the other, and more would only hold memory.
_AT_ONCE: Final = 3
#: Twice as many, so that the next fill meanwhile.
BATCHES_IN_HAND: Final = 2 * _AT_ONCE

log = structlog.get_logger()


def run(settings: Settings) -> None:
    """Compare and store until SIGTERM or SIGINT."""
    service.run(settings, build(settings))


def build(settings: Settings) -> Service:
    """The scorer as a service of `settings`. Raises ConfigError where no database is named."""
    url = settings.postgres_url()

    @asynccontextmanager
    async def open_handler(
        producer: EventProducer, health: ConsumerHealth, stopping: asyncio.Event
    ) -> AsyncIterator[Handler]:
        engine = await wait_for_database(url, pool_size=settings.postgres.pool_size, service="scorer", health=health)
        scorer = Scorer(settings, engine, producer, health)
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
        concurrency=BATCHES_IN_HAND * settings.scorer.batch,
        health_host=settings.scorer.health_host,
        health_port=settings.scorer.health_port,
        open_handler=open_handler,
    )


class Scorer:
    """Turns messages into rows and commits them in batches, one transaction each."""

    def __init__(self, settings: Settings, engine: Engine, producer: EventProducer, health: ConsumerHealth) -> None:
        self._settings = settings
        self._engine = engine
        self._producer = producer
        self._health = health
        self._batches: BatchWriter[IncomingMessage] = BatchWriter(
            self._write, size=settings.scorer.batch, linger_s=settings.scorer.linger_ms / 1_000
        )
        self._scored: Final = health.counter(
            "shadow_scorer_comparisons", "Pairs compared, by what came of it.", "task", "outcome"
        )

    def handle(self, message: IncomingMessage) -> Awaitable[None]:
        """Done once `message` is committed, or its dead letter is on its topic."""
        return self._batches.add(message)

    async def write(self, stopping: asyncio.Event) -> None:
        """Write batches until cancelled: while the database has some, the next is compared.

        Once `stopping` is set nothing more comes that would be worth a wait.
        """
        await asyncio.gather(*(self._batches.run() for _ in range(_AT_ONCE)), self._hurry(stopping))

    async def _hurry(self, stopping: asyncio.Event) -> None:
        await stopping.wait()
        self._batches.hurry()

    async def _write(self, messages: list[IncomingMessage]) -> None:
        rows, letters = await asyncio.to_thread(self._read, messages)
        left_out = await self._commit(rows)
        letters += [_letter(row.message, fault, row.id, row.task) for row, fault in left_out]
        await asyncio.gather(*(self._bury(letter) for letter in letters))
        buried = {id(row) for row, _ in left_out}
        self._count([row for row in rows if id(row) not in buried])

    def _read(self, messages: list[IncomingMessage]) -> tuple[list[Row], list[DeadLetter]]:
        """The rows of `messages`, comparisons made, and the letters of those that have none."""
        rows: list[Row] = []
        letters: list[DeadLetter] = []
        for message in messages:
            try:
                rows.append(read_row(message, self._settings))
            except Exception as fault:  # noqa: BLE001 - whatever it was, it must not stop the partition
                letters.append(_letter(message, fault, message.location))
        return rows, letters

    async def _commit(self, rows: list[Row]) -> list[tuple[Row, Exception]]:
        """Commit `rows`, waiting as long as the database is away; return those it cannot keep."""
        backoff = Backoff()
        while True:
            try:
                left_out = await asyncio.to_thread(write_all_but_bad, rows, self._transact)
            except StoreError as fault:
                self._health.set_problem("database", str(fault))
                log.warning("the database does not take rows; trying again", action="store_retry", error=str(fault))
                await backoff.wait()
            else:
                self._health.set_problem("database", None)
                return left_out

    def _transact(self, rows: Sequence[Row]) -> None:
        with database.transaction(self._engine) as connection:
            write_rows(connection, rows)

    async def _bury(self, letter: DeadLetter) -> None:
        await self._producer.send(self._settings.kafka.topics.deadletters, letter)
        self._health.dead_letters.labels(letter.reason).inc()

    def _count(self, rows: Sequence[Row]) -> None:
        outcomes = Counter(
            (row.task, row.content.comparison.unscored or "compared")
            for row in rows
            if isinstance(row.content, ScoredPair)
        )
        for (task, outcome), n in outcomes.items():
            self._scored.labels(task_label(task, self._settings.tasks), outcome).inc(n)


def _letter(message: IncomingMessage, fault: Exception, identity: str, task: str = "") -> DeadLetter:
    return dead_letter(message, fault, stage="scorer", identity=identity, task=task)
