"""Pairs as a scorer receives them, and the least work that stores them."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from sqlalchemy import Column, Engine, MetaData, Table

from shadow import wire
from shadow.records import Exchange, Reply, Trial, Usage
from shadow.settings import TaskSettings
from shadow.store.rows import encode
from shadow.store.schema import tables
from shadow.store.write import bulk_write

TASK = TaskSettings(
    frontier="gpt-x", candidates=("small-7b",), kind="classification", segments=("locale", "plan", "channel")
)
START = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=21)

#: The columns of `comparisons` and `payloads` in one table without an index.
BARE = Table(
    "bare",
    MetaData(),
    *(Column(name, tables.comparisons.c[name].type) for name in encode.PairRow._fields),
    *(Column(name, tables.payloads.c[name].type) for name in encode.Payload._fields),
)


def copy_bare(database: Engine, batches: Sequence[Sequence[bytes]]) -> None:
    """The least work possible: decode, and COPY the same columns in binary into a table without an index."""
    for batch in batches:
        with database.begin() as connection:
            rows = ([_as_binary(column) for column in _columns(wire.decode(Trial, value))] for value in batch)
            bulk_write.copy(connection, BARE, BARE.columns.keys(), rows)


def copy_bare_as_text(database: Engine, batches: Sequence[Sequence[bytes]]) -> None:
    """The same in text, psycopg's default, which costs more time on both sides."""
    for batch in batches:
        with database.begin() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            with (
                driver.cursor() as cursor,
                cursor.copy(f"COPY bare ({', '.join(BARE.columns.keys())}) FROM STDIN") as to,
            ):
                for value in batch:
                    columns = _columns(wire.decode(Trial, value))
                    to.write_row([_as_text(column) for column in columns])


def _as_binary(column: object) -> object:
    return encode.jsonb(msgspec.json.encode(column)) if isinstance(column, dict) else column


def _as_text(column: object) -> object:
    if isinstance(column, dict):
        return msgspec.json.encode(column).decode()
    return column.decode() if isinstance(column, bytes) else column


def _columns(trial: Trial) -> tuple[object, ...]:
    exchange, reply = trial.exchange, trial.reply
    encode = msgspec.json.encode
    return (
        exchange.task,
        exchange.at,
        exchange.id,
        trial.kind,
        trial.candidate,
        trial.at,
        exchange.segment,
        trial.inclusion_probability,
        "label",
        1.0,
        None,
        None,
        None,
        None,
        None,
        None,
        exchange.reply.failure,
        reply.failure,
        exchange.reply.latency_ms,
        reply.latency_ms,
        exchange.reply.cost_usd,
        reply.cost_usd,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        encode(exchange),
        encode(reply),
        b"{}",
    )


def trials(n: int, span: timedelta) -> Iterator[Trial]:
    """`n` pairs in order of time over `span`, with three declared dimensions and prompts of 8 to 120 words."""
    generator = random.Random(7)
    labels = ("delivery", "refund", "invoice", "complaint", "other")
    words = ("my", "parcel", "did", "not", "arrive", "and", "the", "invoice", "is", "wrong", "please", "help")
    for number in range(n):
        label = generator.choice(labels)
        at = START + span * number / n
        exchange = Exchange(
            id=f"{number:016x}-{generator.getrandbits(64):016x}",
            task="ticket-intent",
            at=at,
            request={
                "model": "gpt-x",
                "temperature": 0,
                "messages": [
                    {"role": "system", "content": "Classify the customer's message. " * 10},
                    {"role": "user", "content": " ".join(generator.choices(words, k=generator.randrange(8, 120)))},
                ],
            },
            reply=Reply(
                model="gpt-x",
                content=label,
                finish_reason="stop",
                usage=Usage(prompt_tokens=120, completion_tokens=2),
                latency_ms=generator.lognormvariate(6, 0.4),
                cost_usd=0.0011,
            ),
            segment={
                "locale": generator.choice(("de", "en", "fr", "es", "it")),
                "plan": generator.choice(("free", "pro")),
                "channel": generator.choice(("web", "app", "mail")),
            },
        )
        yield Trial(
            exchange=exchange,
            kind="shadow",
            candidate="small-7b",
            reply=Reply(
                model="small-7b",
                content=label if generator.random() < 0.9 else generator.choice(labels),
                finish_reason="stop",
                usage=Usage(prompt_tokens=118, completion_tokens=2),
                latency_ms=generator.lognormvariate(4.5, 0.3),
                cost_usd=0.00004,
            ),
            at=at + timedelta(seconds=2),
        )
