"""Pairs to label: the replies do not reveal which model wrote them, and there are no labels, references or verdicts."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import blake2b

import msgspec

from shadow.records import Comparison, Exchange, Reply, Trial
from shadow.store.schema import engine
from shadow.store.write import ingest
from tests.browser import world


def answer(number: int, role: str) -> str:
    """A made-up answer, different for each of the two models."""
    return "answer " + blake2b(f"{number} {role}".encode(), digest_size=6).hexdigest()


def fill(url: str, *, task: str, count: int, end: datetime | None = None, candidate: str = world.CANDIDATE) -> None:
    """Store `count` pairs of a task in the last hours, the last of them full of markup."""
    database = engine.connect(url)
    with engine.transaction(database) as connection:
        ingest.record_trials(connection, list(pairs(task, count, end or world.last_hour(), candidate)))
    database.dispose()


def pairs(task: str, count: int, end: datetime, candidate: str = world.CANDIDATE) -> Iterator[tuple[Trial, Comparison]]:
    for number in range(count):
        at = end - timedelta(minutes=count - number)
        hostile = f" {world.HOSTILE}" if number == count - 1 else ""
        messages = [
            {"role": "system", "content": "You answer letters."},
            {"role": "user", "content": f"Letter {number}: where is my parcel?{hostile}"},
        ]
        served, shadow = (
            Reply(model=model, content=answer(number, role) + hostile, latency_ms=latency, cost_usd=cost)
            for model, role, latency, cost in (
                (world.FRONTIER, "frontier", 98_761.0, 987_654.32),
                (candidate, "candidate", 12_349.0, 0.0123),
            )
        )
        exchange = Exchange(
            id=f"{task}-{number:04d}", task=task, at=at, request={"model": world.FRONTIER, "messages": messages},
            reply=served, segment={"channel": "mail"},
        )  # fmt: skip
        trial = Trial(exchange=exchange, kind="shadow", candidate=candidate, reply=shadow, at=at)
        yield trial, Comparison(scorer="text", agreement=float(number % 2))


def with_reply(trial: Trial, reply: Reply) -> Trial:
    """The same trial with another reply of the candidate."""
    return msgspec.structs.replace(trial, reply=reply)
