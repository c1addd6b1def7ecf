"""Messages as rows of the database: read and compared one by one, written together."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple, TypeAlias, TypeVar

import msgspec
from sqlalchemy import Connection

from consumers.kafka.messages import IncomingMessage, read_exchange
from scoring.compare import scored, texts_to_embed
from scoring.scorers.meaning.fetched import Embeddings, Text
from shadow import wire
from shadow.errors import WireError
from shadow.records import CaptureCounts, Comparison, DeadLetter, Trial
from shadow.settings import Settings
from shadow.store.write import ingest
from shadow.store.write.ingest import Arrival


class ScoredPair(NamedTuple):
    """A trial and its comparison."""

    trial: Trial
    comparison: Comparison


Content: TypeAlias = Arrival | ScoredPair | DeadLetter | CaptureCounts


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What `message` adds to the database. `id` and `task` name it in a dead letter."""

    message: IncomingMessage
    content: Content
    id: str
    task: str


def texts_of(messages: Iterable[IncomingMessage], settings: Settings) -> list[Text]:
    """The texts of which the scorers of these messages' pairs need embeddings of an endpoint."""
    texts: list[Text] = []
    for message in messages:
        if message.topic == settings.kafka.topics.trials:
            with suppress(WireError):  # it has no row, and `read_row` says so
                trial = wire.decode(Trial, message.value)
                texts += texts_to_embed(trial, settings.tasks.get(trial.exchange.task))
    return texts


def read_row(message: IncomingMessage, settings: Settings, embeddings: Embeddings | None = None) -> Row:
    """The row of a message of any of the three topics. Raises WireError for a message without one.

    `embeddings` are those of the texts that `texts_of` names.
    """
    topics = settings.kafka.topics
    if message.topic == topics.trials:
        trial = wire.decode(Trial, message.value)
        pair = ScoredPair(*scored(trial, settings.tasks.get(trial.exchange.task), embeddings=embeddings))
        return Row(message=message, content=pair, id=trial.exchange.id, task=trial.exchange.task)
    if message.topic == topics.deadletters:
        letter = wire.decode(DeadLetter, message.value)
        return Row(message=message, content=letter, id=letter.id, task=letter.task)
    return _mirrored(message)


def _mirrored(message: IncomingMessage) -> Row:
    """The row of a message of the exchanges topic.

    Every message there has arrived, readable or not. For an unreadable one, the worker writes a dead letter
    with the same id.
    """
    try:
        read = read_exchange(message)
    except WireError:
        unreadable = Arrival(id=message.location, task="", at=message.at)
        return Row(message=message, content=unreadable, id=message.location, task="")
    if isinstance(read, CaptureCounts):
        return Row(message=message, content=read, id=wire.event_id(read), task="")
    arrival = Arrival(id=read.id, task=read.task, at=read.at)
    return Row(message=message, content=arrival, id=read.id, task=read.task)


def write_rows(connection: Connection, rows: Sequence[Row]) -> None:
    """Write `rows` in the caller's transaction. Writing them again changes nothing."""
    contents = [row.content for row in rows]
    ingest.record(
        connection,
        arrivals=_of_type(Arrival, contents),
        trials=_of_type(ScoredPair, contents),
        letters=_of_type(DeadLetter, contents),
        counts=_of_type(CaptureCounts, contents),
    )


C = TypeVar("C")


def _of_type(kind: type[C], contents: Sequence[Content]) -> list[C]:
    return [content for content in contents if isinstance(content, kind)]
