"""Whether models can be reached, asked of all of them at once."""

import asyncio
from collections.abc import Mapping

from shadow.settings import Model
from shadow.upstream.probe import probe


def faults(models: Mapping[str, Model]) -> dict[str, str | None]:
    """What is wrong with each model, by its name; None for one that answers."""

    async def every() -> list[str | None]:
        return await asyncio.gather(*(probe(name, model) for name, model in models.items()))

    return dict(zip(models, asyncio.run(every()), strict=True))
