"""Replies and judge votes that a pairs file lacks, asked for live while the file is being read."""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack
from typing import Self, TypeAlias

import msgspec

from shadow.cli.votes import Votes
from shadow.errors import UsageError
from shadow.pairs import BadLine, RecordedPair
from shadow.records import Role
from shadow.settings import Settings
from shadow.upstream import Endpoint

Line: TypeAlias = RecordedPair | BadLine


class Live:
    """The models to ask, by role, and the judge of what they say. Use as a context manager; it owns an event loop.

    Raises UsageError for a name that is not in [models].
    """

    def __init__(self, settings: Settings, names: dict[Role, str], votes: Votes | None = None) -> None:
        known = ", ".join(sorted(settings.models)) or "none; is there a shadow.toml?"
        for role, name in names.items():
            if name not in settings.models:
                raise UsageError(f"--{role} {name}: no such model in [models] (known: {known})")
        self._names = names
        self._settings = settings
        self._votes = votes
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._endpoints: dict[Role, Endpoint] = {}
        self.asked = 0

    def __enter__(self) -> Self:
        for role, name in self._names.items():
            endpoint = Endpoint(name, self._settings.models[name])
            self._endpoints[role] = self._runner.run(self._stack.enter_async_context(endpoint))
        if self._votes is not None:
            self._runner.run(self._votes.open(self._stack))
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()

    def complete(self, lines: Iterable[Line]) -> Iterator[Line]:
        """The same lines in the same order, with missing replies and votes filled in.

        As many lines are read ahead as the endpoints take requests at once, and no more.
        """
        loop = self._runner.get_loop()
        ahead = sum(self._settings.models[name].concurrency for name in self._names.values())
        ahead += self._votes.concurrency if self._votes else 0
        waiting: deque[Line | asyncio.Task[Line]] = deque()
        try:
            for line in lines:
                waiting.append(loop.create_task(self._whole(line)) if self._lacks_something(line) else line)
                if len(waiting) > ahead:
                    yield self._done(waiting.popleft())
            while waiting:
                yield self._done(waiting.popleft())
        finally:
            for task in waiting:
                if isinstance(task, asyncio.Task):
                    task.cancel()

    def _lacks_something(self, line: Line) -> bool:
        return bool(self._missing(line)) or (self._votes is not None and self._votes.wanted(line))

    async def _whole(self, line: Line) -> Line:
        assert isinstance(line, RecordedPair)
        if roles := self._missing(line):
            line = await self._filled(line, roles)
        return line if self._votes is None else await self._votes.fill(line)

    def _missing(self, line: Line) -> list[Role]:
        if isinstance(line, BadLine):
            return []
        recorded: dict[Role, object] = {"frontier": line.frontier, "candidate": line.candidate}
        return [role for role in self._endpoints if recorded[role] is None]

    async def _filled(self, line: RecordedPair, roles: list[Role]) -> RecordedPair:
        exchange = line.exchange
        replies = {role: await self._endpoints[role].ask(exchange.request, api=exchange.api) for role in roles}
        self.asked += len(roles)
        named = {"candidate_name": line.candidate_name or self._names["candidate"]} if "candidate" in replies else {}
        # A recorded preference is between two replies of which one is not this one.
        exchange = msgspec.structs.replace(exchange, label=None, judge=None)
        return msgspec.structs.replace(line, exchange=exchange, **replies, **named)

    def _done(self, line: "Line | asyncio.Task[Line]") -> Line:
        return self._runner.get_loop().run_until_complete(line) if isinstance(line, asyncio.Task) else line
