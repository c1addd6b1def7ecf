"""Embeddings of texts from an OpenAI-compatible endpoint, in batches. Failures are data, never exceptions."""

import asyncio
import math
import time
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import aiohttp
import msgspec

from shadow.openai_api import replies
from shadow.records import Api, Reply
from shadow.upstream import answers
from shadow.upstream.delivery import WHOLE, Delivery
from shadow.upstream.endpoint import Answer, Endpoint, Question

#: A vector, or the reason why there is none.
Embedding: TypeAlias = tuple[float, ...] | str

#: Texts of one request, by number and characters together. Providers accept some 2,000 texts and 300,000 tokens.
_BATCH: Final = 128
_BATCH_CHARACTERS: Final = 200_000

#: Failures of a batch that may be due to one of its texts: one that is too long, say.
_OF_A_TEXT: Final = ("rejected", "ineligible")


class _Vector(msgspec.Struct):
    embedding: tuple[float, ...]
    index: int


class _Vectors(msgspec.Struct):
    data: list[_Vector]


class EmbeddingEndpoint(Endpoint):
    """The `/embeddings` of a model. Concurrency, deadline, retries and pauses are those of `Endpoint`."""

    async def embed(self, texts: Sequence[str]) -> list[Embedding]:
        """The vector of each text, in their order, or the reason why it has none.

        If the endpoint refuses a batch, its halves are asked for, so that a text that is too long costs no other one
        its vector. A batch that is not answered within twice the model's `timeout_s`, pauses included, is given up.
        """
        found = await asyncio.gather(*(self._embed(batch) for batch in _batches(texts)))
        return [embedding for batch in found for embedding in batch]

    async def _embed(self, texts: Sequence[str]) -> list[Embedding]:
        try:
            async with asyncio.timeout(2 * self._model.timeout_s):
                reply = await self._post(texts)
        except TimeoutError:
            reply = replies.failed(self._sent_name, "timeout", "no embeddings before the deadline")
        if reply.failure is None:
            return _read(reply.content or "", len(texts))
        if reply.failure in _OF_A_TEXT and len(texts) > 1:
            middle = len(texts) // 2
            return [*await self._embed(texts[:middle]), *await self._embed(texts[middle:])]
        return [f"{reply.failure}: {reply.failure_detail}"] * len(texts)

    async def _post(self, texts: Sequence[str]) -> Reply:
        """A reply whose content is the JSON of the answer."""
        if self._session is None:
            raise RuntimeError("enter the Endpoint with `async with` before asking")
        request = {"model": self._sent_name, "input": list(texts), "encoding_format": "float"}
        try:
            body = msgspec.json.encode(request)
        except ValueError as error:  # a lone surrogate
            return replies.failed(self._sent_name, "rejected", f"the text cannot be written as JSON: {error}")
        stale_at = time.monotonic() + self._model.timeout_s
        async with self._slots:
            self._in_flight += 1
            try:
                question = Question({}, "chat", lambda _: body, None)
                return await self._ask_until(self._session, question, WHOLE, body, self._model.timeout_s, stale_at)
            finally:
                self._in_flight -= 1

    async def _attempt(
        self, session: aiohttp.ClientSession, _api: Api, body: bytes, _delivery: Delivery, _started: float
    ) -> Answer:
        url = f"{self._model.base_url}/embeddings"
        async with session.post(url, data=body, headers=self._headers, allow_redirects=False) as response:
            if response.status != 200:
                return await self._refused(response)
            content = await answers.read_body(response, answers.MAX_ANSWER_BYTES)
        if content is None:
            return Answer(self._failed("malformed", "the answer is too large", status=200))
        return Answer(Reply(model=self._sent_name, content=content.decode("utf-8", "replace"), status=200))


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    characters = 0
    for text in texts:
        if batch and (len(batch) == _BATCH or characters + len(text) > _BATCH_CHARACTERS):
            yield batch
            batch, characters = [], 0
        batch.append(text)
        characters += len(text)
    if batch:
        yield batch


def _read(content: str, number: int) -> list[Embedding]:
    """The vectors in an answer, in the order of their texts."""
    try:
        vectors = {vector.index: vector.embedding for vector in msgspec.json.decode(content, type=_Vectors).data}
    except (msgspec.MsgspecError, RecursionError) as error:
        return [f"malformed: no embeddings in the answer ({error})"[:300]] * number
    return [_checked(vectors.get(index)) for index in range(number)]


def _checked(vector: tuple[float, ...] | None) -> Embedding:
    if vector is None:
        return "malformed: the answer has no embedding for this text"
    if not any(vector) or not all(map(math.isfinite, vector)):
        return "malformed: the embedding is no direction"
    return vector
