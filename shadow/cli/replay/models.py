"""Asks models for replies, and a judge for verdicts, that a pairs file lacks, while the file is being read."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import AsyncExitStack, ExitStack
from typing import Self, TypeAlias

import msgspec

from consumers.embedding_models import EmbeddingModels
from scoring.scorers.meaning.fetched import Embeddings, Text
from shadow.cli.replay.judge import ReplayJudge
from shadow.cli.replay.loop_thread import LoopThread
from shadow.errors import UsageError
from shadow.pairs_file import BadLine, RecordedPair
from shadow.policy.relation import relation
from shadow.records import NOT_COUNTED, Exchange, Reply, Role, was_cut, with_short_detail
from shadow.settings import Settings
from shadow.upstream import Endpoint

Line: TypeAlias = RecordedPair | BadLine


class ReplayModels:
    """The models to ask, by role, the judge of the completed pairs, and the models whose embeddings are compared.

    Use as a context manager. It asks in its own thread, so that scoring and storing do not delay
    answers. Raises UsageError for a name that is not in [models].
    """

    def __init__(
        self,
        settings: Settings,
        names: dict[Role, str],
        votes: ReplayJudge | None = None,
        embedding: EmbeddingModels | None = None,
    ) -> None:
        known = ", ".join(sorted(settings.models)) or "none; is there a shadow.toml?"
        for role, name in names.items():
            if name not in settings.models:
                raise UsageError(f"--{role} {name}: no such model in [models] (known: {known})")
        self._names = names
        self._settings = settings
        self._votes = votes
        self._embedding = embedding
        self._thread = LoopThread()
        self._opened = ExitStack()
        self._endpoints: dict[Role, Endpoint] = {}
        self.asked = 0

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            opening.enter_context(self._thread)
            endpoints = AsyncExitStack()
            opening.callback(lambda: self._thread.run(endpoints.aclose()))
            for role, name in self._names.items():
                endpoint = Endpoint(name, self._settings.models[name])
                self._endpoints[role] = self._thread.run(endpoints.enter_async_context(endpoint))
            if self._votes is not None:
                self._thread.run(self._votes.open(endpoints))
            if self._embedding is not None:
                self._thread.run(endpoints.enter_async_context(self._embedding))
            self._opened = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def complete(self, lines: Iterable[Line]) -> Iterator[Line]:
        """The same lines in the same order, with missing replies and verdicts filled in.

        Reads ahead as many lines as the endpoints accept concurrent requests.
        """
        ahead = sum(self._settings.models[name].concurrency for name in self._names.values())
        ahead += self._votes.concurrency if self._votes else 0
        waiting: deque[Line | Future[Line]] = deque()
        try:
            for line in lines:
                waiting.append(self._thread.start(self._completed(line)) if self._is_incomplete(line) else line)
                if len(waiting) > ahead:
                    yield _done(waiting.popleft())
            while waiting:
                yield _done(waiting.popleft())
        finally:
            for answer in waiting:
                if isinstance(answer, Future):
                    answer.cancel()

    def embed(self, texts: Iterable[Text]) -> Embeddings | None:
        """The embeddings of `texts`; None where no task compares any."""
        return None if self._embedding is None else self._thread.run(self._embedding.fetch(texts))

    def _is_incomplete(self, line: Line) -> bool:
        return bool(self._missing(line)) or (self._votes is not None and self._votes.wanted(line))

    async def _completed(self, line: Line) -> Line:
        assert isinstance(line, RecordedPair)
        if roles := self._missing(line):
            line = await self._with_replies(line, roles)
        return line if self._votes is None else await self._votes.fill(line)

    def _missing(self, line: Line) -> list[Role]:
        if isinstance(line, BadLine):
            return []
        # A line with a ceiling and no candidate reply is only about the ceiling, and is complete.
        recorded: dict[Role, object] = {"frontier": line.frontier, "candidate": line.candidate or line.ceiling}
        return [role for role in self._endpoints if recorded[role] is None]

    async def _with_replies(self, line: RecordedPair, roles: list[Role]) -> RecordedPair:
        exchange = line.exchange
        served = line.frontier if exchange.served_by == "frontier" else line.candidate
        usage = served.usage if served else None
        prompt_tokens = usage.prompt_tokens if usage else None
        replies = {role: await self._ask(role, exchange, prompt_tokens) for role in roles}
        self.asked += sum(reply.failure not in NOT_COUNTED or reply.status is not None for reply in replies.values())
        # The candidate that the line names did not give this reply.
        named = {"candidate_name": self._names["candidate"]} if "candidate" in replies else {}
        # A recorded preference is about other replies.
        exchange = msgspec.structs.replace(exchange, label=None, judge=None)
        return msgspec.structs.replace(line, exchange=exchange, **replies, **named)

    async def _ask(self, role: Role, exchange: Exchange, prompt_tokens: int | None) -> Reply:
        task = self._settings.tasks.get(exchange.task)
        frontier = self._names.get("frontier") or (task.frontier if task else None)
        reply = await self._endpoints[role].ask(
            exchange.request,
            api=exchange.api,
            written_for=relation(self._settings, origin=frontier, asked=self._names[role]),
            prompt_cut=was_cut(exchange, "request"),
            prompt_tokens=prompt_tokens,
            trial=True,
        )
        return with_short_detail(reply)


def _done(line: "Line | Future[Line]") -> Line:
    return line.result() if isinstance(line, Future) else line
