"""The embedding models that tasks name for the scorer `meaning`, and the vectors of texts from their endpoints."""

from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from typing import Any, Self

from scoring.compare import embedding_models
from scoring.scorers.meaning.fetched import Embeddings, Text, as_vector
from shadow.settings import Settings, TaskSettings
from shadow.upstream.embeddings import EmbeddingEndpoint


class EmbeddingModels:
    """The endpoints of all embedding models that the scorers of `tasks` use; false if they use none.

    Use as an asynchronous context manager, in one event loop. `scorer` is used instead of the tasks' own.
    """

    def __init__(self, settings: Settings, tasks: Mapping[str, TaskSettings], *, scorer: str | None = None) -> None:
        names = embedding_models(tasks, scorer=scorer)
        self._models = {name: model for name, model in settings.models.items() if name in names}
        self._endpoints: dict[str, EmbeddingEndpoint] = {}
        self._opened = AsyncExitStack()

    def __bool__(self) -> bool:
        return bool(self._models)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opening:
            for name, model in self._models.items():
                self._endpoints[name] = await opening.enter_async_context(EmbeddingEndpoint(name, model))
            self._opened = opening.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    async def fetch(self, texts: Iterable[Text]) -> Embeddings:
        """The unit vectors of `texts`, or the reason why there is none; each distinct text is asked for once."""
        by_model: dict[str, list[str]] = {}
        for model, text in dict.fromkeys(texts):
            by_model.setdefault(model, []).append(text)
        found: dict[Text, Any] = {}
        for model, wanted in by_model.items():
            if (endpoint := self._endpoints.get(model)) is not None:
                vectors = await endpoint.embed(wanted)
                found |= {Text(model, text): as_vector(vector) for text, vector in zip(wanted, vectors, strict=True)}
        return found
