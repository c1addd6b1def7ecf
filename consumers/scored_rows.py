"""Messages read into rows, and rows written together, less those no database can keep."""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias, TypeVar

import msgspec
from sqlalchemy import Connection

from consumers.kafka.messages import IncomingMessage, read_exchange
from scoring.compare import scored
from shadow import wire
from shadow.errors import WireError
from shadow.records import CaptureCounts, Comparison, DeadLetter, Trial
from shadow.settings import Settings
from shadow.store.write import ingest
from shadow.store.write.ingest import Arrival


class ScoredPair(NamedTuple):
    """A trial and what the scorer says of it."""

    trial: Trial
    comparison: Comparison


Content: TypeAlias = Arrival | ScoredPair | DeadLetter | CaptureCounts


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What `message` becomes in the database. `id` and `task` name it in a dead letter."""

    message: IncomingMessage
    content: Content
    id: str
    task: str


def read_row(message: IncomingMessage, settings: Settings) -> Row:
    """The row of a message of any of the three topics. Raises WireError for one that has none."""
    topics = settings.kafka.topics
    if message.topic == topics.trials:
        trial = wire.decode(Trial, message.value)
        pair = ScoredPair(*scored(trial, settings.tasks.get(trial.exchange.task)))
        return Row(message=message, content=pair, id=trial.exchange.id, task=trial.exchange.task)
    if message.topic == topics.deadletters:
        letter = wire.decode(DeadLetter, message.value)
        return Row(message=message, content=letter, id=letter.id, task=letter.task)
    return _mirrored(message)


def _mirrored(message: IncomingMessage) -> Row:
    """Whatever is on the exchanges topic has arrived, readable or not; what is not, the worker
    buries under this same id.
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
        arrivals=_those(Arrival, contents),
        trials=_those(ScoredPair, contents),
        letters=_those(DeadLetter, contents),
        counts=_those(CaptureCounts, contents),
    )


C = TypeVar("C")


def _those(kind: type[C], contents: Sequence[Content]) -> list[C]:
    return [content for content in contents if isinstance(content, kind)]
