"""Judge the pairs of a file that have no verdict, while the file is being read, for at most a given cost."""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack
from typing import Final

import msgspec
from sqlalchemy import Engine

from consumers.judge_store import cache_verdicts, cached_verdicts
from scoring.judge import (
    Budget,
    Judge,
    JudgedBatch,
    JudgeRequest,
    JudgeVerdict,
    VerdictStore,
    build_question,
    judge_batch,
    price_of,
)
from shadow.aggregates.regret_sources import both_arrived
from shadow.errors import UsageError
from shadow.pairs_file import BadLine, RecordedPair, trials
from shadow.records import Preference, Trial
from shadow.settings import Settings
from shadow.store.feedback import verdicts
from shadow.store.feedback.verdicts import PairVerdict
from shadow.store.schema import engine as database
from shadow.upstream import Endpoint

#: Verdicts written in one transaction.
_BATCH: Final = 500


class ReplayJudge:
    """The model `name` as judge of pairs without a verdict, for at most `usd`.

    With a database, a question that any command has asked before is not paid for again, and pairs that were
    stored before without a verdict get theirs. `unjudged` counts the pairs without a verdict by reason.
    Raises UsageError for a name that is not in [models], and ConfigError for a model without a price.
    """

    def __init__(self, settings: Settings, name: str, *, usd: float, engine: Engine | None) -> None:
        if name not in settings.models:
            known = ", ".join(sorted(settings.models)) or "none; is there a shadow.toml?"
            raise UsageError(f"--judge {name}: no such model in [models] (known: {known})")
        self.name = name
        self.concurrency = settings.models[name].concurrency
        self._settings = settings
        self._price = price_of(name, settings.models[name])
        self._engine = engine
        self._store = None if engine is None else _VerdictCache(engine, name)
        self._budget = Budget.of_usd(usd)
        self._judge: Judge | None = None
        self._given: list[PairVerdict] = []
        self.judged = 0
        self.cost_nanousd = 0
        self.unjudged: Counter[str] = Counter()
        self.unaffordable = 0

    async def open(self, stack: AsyncExitStack) -> None:
        """Connect, until `stack` is closed."""
        endpoint = await stack.enter_async_context(Endpoint(self.name, self._settings.models[self.name]))
        self._judge = Judge(endpoint.ask, self._price)

    def wanted(self, line: RecordedPair | BadLine) -> bool:
        """Whether the line, once its replies are complete, may lack a verdict."""
        return isinstance(line, RecordedPair) and line.exchange.judge is None

    async def fill(self, line: RecordedPair) -> RecordedPair:
        """The line with the judge's verdict; the line itself where there is none."""
        trial = trials(line)[0]
        if not self.wanted(line) or trial.kind == "ceiling" or not both_arrived(trial):
            return line
        preference = await self._ask(trial)
        if preference is None:
            return line
        self.judged += 1
        await self._record(trial, preference)
        return msgspec.structs.replace(line, exchange=msgspec.structs.replace(line.exchange, judge=preference))

    def record(self) -> None:
        """Record the remaining verdicts with pairs that were stored before without one."""
        given, self._given = self._given, []
        self._write(given)

    async def _ask(self, trial: Trial) -> Preference | None:
        assert self._judge is not None
        task = self._settings.tasks.get(trial.exchange.task)
        model = self._settings.sent_name(self.name)
        request = JudgeRequest.of(build_question(trial), task.rubric if task else None, model=model)
        try:
            batch = await judge_batch(self._judge, [request], budget=self._budget, store=self._store)
        finally:
            self.cost_nanousd += request.meter.cost_nanousd
        self.unaffordable += len(batch.unaffordable)
        if (failure := batch.failure(request.digest)) is not None:
            self.unjudged[failure.reason] += 1
        verdict = batch.verdict(request.digest)
        return verdict.preference if verdict else None

    async def _record(self, trial: Trial, preference: Preference) -> None:
        if self._engine is None:
            return
        exchange = trial.exchange
        given = PairVerdict(
            task=exchange.task,
            at=exchange.at,
            exchange_id=exchange.id,
            kind=trial.kind,
            candidate=trial.candidate,
            judge=self.name,
            preference=preference,
        )
        self._given.append(given)
        # A pair that is not stored yet will be stored with its verdict, so nothing waits for this.
        if len(self._given) >= _BATCH:
            batch, self._given = self._given, []
            await asyncio.to_thread(self._write, batch)

    def _write(self, given: list[PairVerdict]) -> None:
        if self._engine is not None and given:
            with database.transaction(self._engine) as connection:
                verdicts.record_verdicts(connection, given)


class _VerdictCache(VerdictStore):
    """The cache of verdicts in PostgreSQL; the budget of a replay is not that of a task's day."""

    def __init__(self, engine: Engine, judge: str) -> None:
        self._engine = engine
        self._judge = judge

    def cached(self, digests: Collection[str]) -> Mapping[str, JudgeVerdict]:
        return cached_verdicts(self._engine, digests)

    def reserve(self, cost_nanousd: int) -> None:
        """Does nothing: after a crash of a replay, no other run counts its spending."""

    def save(self, batch: JudgedBatch) -> None:
        if batch.asked:
            with database.transaction(self._engine) as connection:
                cache_verdicts(connection, self._judge, batch)
