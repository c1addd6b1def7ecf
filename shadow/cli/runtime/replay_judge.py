"""Judge votes that a pairs file lacks, asked for while the file is being read, for so much money at most."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Final

import msgspec
from sqlalchemy import Engine

from scoring import judge as judging
from scoring.judge import MAX_ATTEMPTS, NANOS_PER_USD, Judge, JudgeFailure, Question
from shadow.aggregates.regret_sources import were_seen
from shadow.errors import UsageError
from shadow.pairs_file import BadLine, RecordedPair, trials
from shadow.records import Preference, Trial
from shadow.settings import Settings
from shadow.store.feedback import verdicts
from shadow.store.schema import engine as database
from shadow.upstream import Endpoint

#: ReplayJudge written in one transaction.
_BATCH: Final = 500


class ReplayJudge:
    """The model `name` as judge of pairs without a vote, for at most `usd`.

    With a database what was asked before, by whichever command, is not paid for again, and pairs
    that were stored before without a vote are given theirs. `unjudged` counts, by reason, those that
    the judge could say nothing of. Raises UsageError for a name that is not in [models], and
    ConfigError for a model without a price.
    """

    def __init__(self, settings: Settings, name: str, *, usd: float, engine: Engine | None) -> None:
        if name not in settings.models:
            known = ", ".join(sorted(settings.models)) or "none; is there a shadow.toml?"
            raise UsageError(f"--judge {name}: no such model in [models] (known: {known})")
        self.name = name
        self.concurrency = settings.models[name].concurrency
        self._settings = settings
        self._price = judging.price_of(name, settings.models[name])
        self._engine = engine
        self._room = round(usd * NANOS_PER_USD)
        self._in_hand = 0
        self._settled = asyncio.Condition()
        self._judge: Judge | None = None
        self._given: list[verdicts.PairVerdict] = []
        self.judged = 0
        self.cost_nanousd = 0
        self.unjudged: Counter[str] = Counter()
        self.unaffordable = 0

    async def open(self, stack: AsyncExitStack) -> None:
        """Connect, until `stack` is closed."""
        endpoint = await stack.enter_async_context(Endpoint(self.name, self._settings.models[self.name]))
        self._judge = Judge(endpoint.ask, self._price)

    def wanted(self, line: RecordedPair | BadLine) -> bool:
        """Whether the line, its replies filled in, may lack a vote."""
        return isinstance(line, RecordedPair) and line.exchange.judge is None

    async def fill(self, line: RecordedPair) -> RecordedPair:
        """The line with the judge's vote; as it was where there is none to be had."""
        trial = trials(line)[0]
        if not self.wanted(line) or trial.kind == "ceiling" or not were_seen(trial):
            return line
        vote = await self._vote(trial)
        if vote is None:
            return line
        self.judged += 1
        await self._give(trial, vote)
        return msgspec.structs.replace(line, exchange=msgspec.structs.replace(line.exchange, judge=vote))

    def record(self) -> None:
        """Give what votes are left to pairs that had been stored before without one."""
        given, self._given = self._given, []
        self._write(given)

    def _write(self, given: list[verdicts.PairVerdict]) -> None:
        if self._engine is not None and given:
            with database.transaction(self._engine) as connection:
                verdicts.record_verdicts(connection, given)

    async def _give(self, trial: Trial, vote: Preference) -> None:
        if self._engine is None:
            return
        exchange = trial.exchange
        about = verdicts.PairVerdict(
            task=exchange.task,
            at=exchange.at,
            exchange_id=exchange.id,
            kind=trial.kind,
            candidate=trial.candidate,
            judge=self.name,
            preference=vote,
        )
        self._given.append(about)
        # A pair that is not stored yet will come with its vote, so nothing has to wait for it.
        if len(self._given) >= _BATCH:
            given, self._given = self._given, []
            await asyncio.to_thread(self._write, given)

    async def _vote(self, trial: Trial) -> Preference | None:
        task = self._settings.tasks.get(trial.exchange.task)
        rubric = task.rubric if task else None
        question = judging.build_question(trial)
        if (free := judging.free(question)) is not None:
            return self._preference(free)
        digest = judging.digest(question, rubric, model=self._settings.sent_name(self.name))
        if (known := await asyncio.to_thread(self._known, digest)) is not None:
            return known
        judgement = await self._paid(question, rubric)
        if judgement is None:
            self.unaffordable += 1
            return None
        if isinstance(judgement.outcome, judging.JudgeVerdict):
            await asyncio.to_thread(self._remember, digest, judgement.outcome, judgement.cost_nanousd)
        return self._preference(judgement)

    async def _paid(self, question: Question, rubric: str | None) -> judging.Judgement | None:
        """Ask, once there is room for it; None where what is in hand will leave none."""
        assert self._judge is not None
        most = MAX_ATTEMPTS * self._judge.estimated_cost(question, rubric)
        async with self._settled:
            await self._settled.wait_for(lambda: self._room >= most or not self._in_hand)
            if self._room < most:
                return None
            self._room -= most
            self._in_hand += 1
        bill = judging.CostMeter()
        try:
            return await self._judge.judge(question, rubric, bill)
        finally:
            self.cost_nanousd += bill.cost_nanousd
            async with self._settled:
                self._room += most - bill.cost_nanousd
                self._in_hand -= 1
                self._settled.notify_all()

    def _preference(self, judgement: judging.Judgement) -> Preference | None:
        if isinstance(judgement.outcome, JudgeFailure):
            self.unjudged[judgement.outcome.reason] += 1
            return None
        return judgement.outcome.preference

    def _known(self, digest: str) -> Preference | None:
        if self._engine is None:
            return None
        with database.snapshot(self._engine) as connection:
            found = verdicts.cached(connection, [digest])
        return found[digest].preference if found else None

    def _remember(self, digest: str, verdict: judging.JudgeVerdict, cost_nanousd: int) -> None:
        if self._engine is None:
            return
        kept = verdicts.CachedVerdict(
            digest=digest,
            judge=self.name,
            preference=verdict.preference,
            first=verdict.first,
            second=verdict.second,
            reason=verdict.reason,
            cost_nanousd=cost_nanousd,
            at=datetime.now(UTC),
        )
        with database.transaction(self._engine) as connection:
            verdicts.remember(connection, [kept])
