"""Stored pairs that people labelled, and the embeddings that the scorer `meaning` needs to compare them."""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from sqlalchemy import Connection

from consumers.embedding_models import EmbeddingModels
from scoring.compare import texts_to_embed
from scoring.judge.scorer_agreement import LabelledPair
from scoring.scorers.meaning.fetched import Embeddings
from shadow.settings import Settings
from shadow.store.read import pairs

#: The newest labelled pairs that are compared.
MAX_PAIRS: Final = 20_000


def read(connection: Connection, *, task: str, candidate: str | None) -> list[LabelledPair]:
    """The newest pairs of two models' replies with a label, of which the replies are still kept."""
    return list(islice(_labelled(connection, task, candidate), MAX_PAIRS))


def embed(labelled: Sequence[LabelledPair], settings: Settings, task: str) -> Embeddings | None:
    """The embeddings of the pairs' replies from the endpoint that the task's scorer names; None where it names none."""
    spec = settings.tasks.get(task)
    models = EmbeddingModels(settings, {task: spec} if spec else {}, scorer="meaning")
    if not models:
        return None
    texts = [text for pair in labelled for text in texts_to_embed(pair.trial, spec, scorer="meaning")]

    async def fetch() -> Embeddings:
        async with models:
            return await models.fetch(texts)

    return asyncio.run(fetch())


def _labelled(connection: Connection, task: str, candidate: str | None) -> Iterator[LabelledPair]:
    for pair in pairs.iterate(connection, task=task, candidate=candidate, labelled=True):
        if pair.human is None or not pair.payload_kept or pair.trial.kind == "ceiling":
            continue
        probability = pair.trial.inclusion_probability * (pair.human_probability or 1.0)
        yield LabelledPair(pair.trial, pair.human, probability)
