"""Whether broker, database and models can be reached and used: what is wrong, with its mend, where they cannot."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Final

from shadow import topics
from shadow.errors import BrokerError, SchemaError, StoreError
from shadow.settings import ModelSettings
from shadow.store.schema import engine, migrate
from shadow.upstream.probe import probe

#: Longest wait for a broker that does not answer.
_BROKER_TIMEOUT_S: Final = 5.0

#: The mend, by what PostgreSQL or its driver says in English; others may be told apart by nobody.
_MENDS: Final[Mapping[str, str]] = {
    "password authentication failed": "set PGPASSWORD, or write %40 for an @ where the password is in the address",
    "no password supplied": "set PGPASSWORD",
    "permission denied": "grant its role what docs/operator.md lists under Permissions",
    "pg_hba.conf": "let the server's pg_hba.conf admit this user from here",
    "does not exist": "create it on the server, or name another",
}
_ANY_MEND: Final = "is the server up, and are host, port, database and user right?"


def faults(models: Mapping[str, ModelSettings]) -> dict[str, str | None]:
    """What is wrong with each model, by its name; None for one that answers. All are asked at once."""

    async def every() -> list[str | None]:
        return await asyncio.gather(*(probe(name, model) for name, model in models.items()))

    return dict(zip(models, asyncio.run(every()), strict=True))


def broker_fault(servers: str) -> str | None:
    """What is wrong with the broker; None for one that answers."""
    try:
        topics.wait_for_broker(servers, timeout=_BROKER_TIMEOUT_S)
    except BrokerError as fault:
        return f"{fault}; is the broker up, and the address right?"
    return None


def database_faults(url: str) -> Iterator[str]:
    """Everything that is wrong with the database; nothing for one with this version's schema."""
    try:
        engine.parse(url)
    except StoreError as fault:
        yield str(fault)
        return
    try:
        for difference in migrate.drift(url):
            yield f"{difference}: not as the migrations made it; undo by hand what somebody changed by hand"
    except SchemaError as fault:
        yield str(fault)
    except StoreError as fault:
        yield f"{fault}; {next((mend for words, mend in _MENDS.items() if words in str(fault)), _ANY_MEND)}"
