"""Checks that broker, database and models can be reached and used. Each problem is one line with its fix."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Final

from shadow import topics
from shadow.errors import BrokerError, SchemaError, StoreError
from shadow.settings import ModelSettings, Settings
from shadow.store.schema import engine, migrate
from shadow.upstream.probe import probe

#: Longest wait for a broker that does not answer.
_BROKER_TIMEOUT_S: Final = 5.0

#: The fix, by words of the message of PostgreSQL or its driver. Messages in other languages get `_OTHER_FIX`.
_FIXES: Final[Mapping[str, str]] = {
    "password authentication failed": "set PGPASSWORD, or write %40 for an @ where the password is in the address",
    "no password supplied": "set PGPASSWORD",
    "permission denied": "grant its role what docs/operator.md lists under Permissions",
    "pg_hba.conf": "let the server's pg_hba.conf admit this user from here",
    "does not exist": "create it on the server, or name another",
}
_OTHER_FIX: Final = "is the server up, and are host, port, database and user right?"


def model_problems(models: Mapping[str, ModelSettings]) -> dict[str, str | None]:
    """The problem of each model, by its name; None for one that answers. All are asked at once."""

    async def probe_all() -> list[str | None]:
        return await asyncio.gather(*(probe(name, model) for name, model in models.items()))

    return dict(zip(models, asyncio.run(probe_all()), strict=True))


def broker_problem(servers: str) -> str | None:
    """The problem with the broker; None if it answers."""
    try:
        topics.wait_for_broker(servers, timeout=_BROKER_TIMEOUT_S)
    except BrokerError as error:
        return f"{error}; is the broker up, and the address right?"
    return None


def topic_problems(settings: Settings) -> Iterator[str]:
    """The topics that do not accept messages as large as the services send. One that does not exist is no problem."""
    names, needed = settings.kafka.topics, settings.publisher.topic_bytes
    wanted = (names.exchanges, names.trials, names.deadletters)
    try:
        limits = topics.largest_messages(settings.kafka.bootstrap_servers, wanted, timeout=_BROKER_TIMEOUT_S)
    except BrokerError as error:
        yield f"whether the topics accept {needed} bytes cannot be read; grant DescribeConfigs on them ({error})"
        return
    for name, limit in limits.items():
        if limit < needed:
            yield (
                f"topic {name} accepts messages of {limit} bytes, and {needed} are needed; raise its max.message.bytes "
                "(and replica.fetch.max.bytes of the brokers), or lower max_message_bytes"
            )


def database_problems(url: str) -> Iterator[str]:
    """Every problem with the database; none if it has this version's schema."""
    try:
        engine.parse(url)
    except StoreError as error:
        yield str(error)
        return
    try:
        for difference in migrate.drift(url):
            yield f"{difference}: differs from the migrations; undo the change that was made by hand"
    except SchemaError as error:
        yield str(error)
    except StoreError as error:
        yield f"{error}; {next((fix for words, fix in _FIXES.items() if words in str(error)), _OTHER_FIX)}"
