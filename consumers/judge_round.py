"""One round of judging one task: look what is due, ask as far as the budget goes, commit what was said.

Nothing is counted twice. A verdict, what it cost and its place in the cache are committed in one
transaction, and what was not committed is still due: after a kill it is asked again, or found in
the cache. What the calls in hand will likely cost is spent *before* they are made, and settled
with what they did cost; so also a process that dies again and again keeps within its budget.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Final, Literal, NamedTuple, TypeAlias

import structlog
from prometheus_client import Counter, Gauge
from sqlalchemy import Engine

from consumers.runtime.health import HealthState
from scoring import judge as judging
from scoring.judge import MAX_ATTEMPTS, NANOS_PER_USD, CostMeter, Judge, JudgeFailure, Question
from shadow.records import Preference
from shadow.settings import TaskSettings
from shadow.store.feedback import verdicts
from shadow.store.read.pairs import MAX_LIMIT
from shadow.store.rows.names import PairKey
from shadow.store.schema import engine as database

#: A pair whose judge fails so often for reasons that should pass is given up: with the pauses
#: between failing rounds, after about two hours.
MAX_TRIES: Final = 30

#: What there is left to do after a round.
Left: TypeAlias = Literal["nothing", "more", "budget", "endpoint"]

#: What was said of each question, by its digest.
Told: TypeAlias = dict[str, verdicts.CachedVerdict | JudgeFailure]

log = structlog.get_logger()


class JudgeMetrics:
    """What the judge service counts, by task."""

    def __init__(self, health: HealthState) -> None:
        start = "shadow_judge_"
        self.pairs: Final[Counter] = health.counter(
            start + "pairs", "Pairs a judge is done with, by verdict or given_up.", "task", "outcome"
        )
        self.unjudged: Final[Counter] = health.counter(
            start + "unjudged", "Questions that brought no verdict.", "task", "reason"
        )
        self.calls: Final[Counter] = health.counter(start + "calls", "Requests to a judge.", "task")
        self.unasked: Final[Counter] = health.counter(
            start + "unasked", "Verdicts that needed no request: identical replies, or known.", "task"
        )
        self.spent: Final[Gauge] = health.gauge(start + "spent_usd", "What the day (UTC) has cost so far.", "task")
        self.out_of_budget: Final[Gauge] = health.gauge(
            start + "out_of_budget", "1 while the day's budget leaves no room for a pair.", "task"
        )
        self.backlog_age: Final[Gauge] = health.gauge(
            start + "oldest_due_seconds", "Age of the oldest pair that waits for a verdict.", "task"
        )


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One question, and the pairs it is about: of several alike one is asked."""

    digest: str
    question: Question
    pairs: list[PairKey] = field(default_factory=list)
    bill: CostMeter = field(default_factory=CostMeter)


class Due(NamedTuple):
    """What a look at the database brings."""

    day: date
    lost: list[PairKey]  # pairs whose texts are gone
    asked: list[Asked]
    known: dict[str, verdicts.CachedVerdict]
    spent_nanousd: int
    oldest: datetime | None


class Outcome(NamedTuple):
    """What a round has come to."""

    left: Left
    spent_usd: float
    oldest_due: datetime | None
    problem: str | None = None


class TaskJudge:
    """The judge of the task `name`. `batch` pairs are in hand at most."""

    def __init__(
        self, name: str, task: TaskSettings, model: str, judge: Judge, engine: Engine, measures: JudgeMetrics
    ) -> None:
        assert task.judge is not None
        self._name = name
        self._task = task
        self._judge_name = task.judge
        self._model = model
        self._judge = judge
        self._engine = engine
        self._measures = measures
        self._tries: dict[PairKey, int] = {}

    async def round(self, stopping: asyncio.Event, *, batch: int) -> Outcome:
        """Judge up to `batch` pairs. Raises StoreError where the database fails."""
        due = await asyncio.to_thread(self._look, batch)
        told: Told = {asked.digest: said for asked in due.asked if (said := self._unasked(asked, due)) is not None}
        wanted = [asked for asked in due.asked if asked.digest not in told]
        affordable = self._affordable(wanted, due.spent_nanousd)
        reserved = await asyncio.to_thread(self._reserve, affordable, due.day)
        told |= await self._ask(affordable, stopping)
        await asyncio.to_thread(self._commit, due, told, reserved)
        return self._outcome(due, told, wanted, affordable, batch)

    def _look(self, batch: int) -> Due:
        """What is due, newest first but those last that failed before."""
        limit = min(batch + len(self._tries), MAX_LIMIT)
        day = datetime.now(UTC).date()
        with database.snapshot(self._engine) as connection:
            pairs = verdicts.awaiting_verdict(connection, task=self._name, limit=limit)
            pairs = sorted(pairs, key=lambda pair: self._tries.get(pair.key, 0))[:batch]
            asked: dict[str, Asked] = {}
            for pair in pairs:
                if pair.payload_kept:
                    question = judging.build_question(pair.trial)
                    digest = judging.digest(question, self._task.rubric, model=self._model)
                    asked.setdefault(digest, Asked(digest=digest, question=question)).pairs.append(pair.key)
            return Due(
                day=day,
                lost=[pair.key for pair in pairs if not pair.payload_kept],
                asked=list(asked.values()),
                known=verdicts.cached(connection, asked),
                spent_nanousd=verdicts.spent(connection, self._name, day).cost_nanousd,
                oldest=verdicts.oldest_due(connection, self._name),
            )

    def _unasked(self, asked: Asked, due: Due) -> verdicts.CachedVerdict | JudgeFailure | None:
        """What can be said without asking: from the cache, or because the replies are the same."""
        if (known := due.known.get(asked.digest)) is not None:
            return known
        if (said := judging.free(asked.question)) is None:
            return None
        return said.outcome if isinstance(said.outcome, JudgeFailure) else self._verdict(asked, said)

    def _affordable(self, wanted: Sequence[Asked], spent_nanousd: int) -> list[Asked]:
        """As many as the day's budget has room for, though each need every try."""
        room = round(self._task.judge_usd_per_day * NANOS_PER_USD) - spent_nanousd
        affordable = []
        for asked in wanted:
            room -= MAX_ATTEMPTS * self._likely(asked)
            if room < 0:
                break
            affordable.append(asked)
        return affordable

    def _likely(self, asked: Asked) -> int:
        return self._judge.estimated_cost(asked.question, self._task.rubric)

    def _reserve(self, affordable: Sequence[Asked], day: date) -> int:
        reserved = sum(map(self._likely, affordable))
        if reserved:
            with database.transaction(self._engine) as connection:
                verdicts.spend(connection, self._name, self._judge_name, day, calls=0, cost_nanousd=reserved)
        return reserved

    async def _ask(self, affordable: Sequence[Asked], stopping: asyncio.Event) -> Told:
        """Ask all at once (the endpoint lets in as many as it should) until done or told to stop."""
        if not affordable:
            return {}
        tasks = {
            asyncio.create_task(self._judge.judge(asked.question, self._task.rubric, asked.bill)): asked
            for asked in affordable
        }
        stop = asyncio.create_task(stopping.wait())
        waiting: set[asyncio.Task[object]] = {*tasks}
        while waiting and not stop.done():
            await asyncio.wait({*waiting, stop}, return_when=asyncio.FIRST_COMPLETED)
            waiting = {task for task in waiting if not task.done()}
        for task in (*waiting, stop):
            task.cancel()
        await asyncio.gather(*tasks, stop, return_exceptions=True)
        told: Told = {}
        for task, asked in tasks.items():
            if not task.cancelled():
                said = task.result()
                told[asked.digest] = (
                    said.outcome if isinstance(said.outcome, JudgeFailure) else self._verdict(asked, said)
                )
        return told

    def _verdict(self, asked: Asked, said: judging.Judgement) -> verdicts.CachedVerdict:
        outcome = said.outcome
        assert isinstance(outcome, judging.JudgeVerdict)
        return verdicts.CachedVerdict(
            digest=asked.digest,
            judge=self._judge_name,
            preference=outcome.preference,
            first=outcome.first,
            second=outcome.second,
            reason=outcome.reason,
            cost_nanousd=said.cost_nanousd,
            at=datetime.now(UTC),
        )

    def _commit(self, due: Due, told: Told, reserved: int) -> None:
        """Verdicts, cache and spending in one transaction; then what is given up."""
        given = [
            (pair, said)
            for asked in due.asked
            if isinstance(said := told.get(asked.digest), verdicts.CachedVerdict)
            for pair in asked.pairs
        ]
        calls = sum(asked.bill.calls for asked in due.asked)
        cost = sum(asked.bill.cost_nanousd for asked in due.asked)
        if given or calls or reserved:
            with database.transaction(self._engine) as connection:
                verdicts.record_verdicts(connection, [_said_of(pair, verdict) for pair, verdict in given])
                verdicts.remember(connection, [verdict for _, verdict in given])
                verdicts.spend(
                    connection, self._name, self._judge_name, due.day, calls=calls, cost_nanousd=cost - reserved
                )
        given_up = [*due.lost, *self._hopeless(due.asked, told)]
        if given_up:
            with database.transaction(self._engine) as connection:
                verdicts.give_up(connection, given_up)
        self._count(due, told, (verdict.preference for _, verdict in given), len(given_up), calls)
        for pair in (*given_up, *(pair for pair, _ in given)):
            self._tries.pop(pair, None)

    def _hopeless(self, asked: Iterable[Asked], told: Told) -> list[PairKey]:
        """The pairs of which no further try is worth its money."""
        hopeless = []
        for question in asked:
            said = told.get(question.digest)
            if not isinstance(said, JudgeFailure):
                continue
            for pair in question.pairs:
                self._tries[pair] = self._tries.get(pair, 0) + 1
                if not said.retryable or self._tries[pair] >= MAX_TRIES:
                    hopeless.append(pair)
        return hopeless

    def _count(
        self,
        due: Due,
        told: Told,
        preferences: Iterable[Preference],
        given_up: int,
        calls: int,
    ) -> None:
        measures, task = self._measures, self._name
        for preference in preferences:
            measures.pairs.labels(task, preference).inc()
        for asked in due.asked:
            said = told.get(asked.digest)
            if isinstance(said, JudgeFailure):
                measures.unjudged.labels(task, said.reason).inc()
                # What passes is the endpoint's fault, and told once for all pairs.
                tell = log.debug if said.retryable else log.warning
                tell("no verdict", action="unjudged", task=task, reason=said.reason, detail=said.detail[:300])
            elif said is not None and not asked.bill.calls:
                measures.unasked.labels(task).inc()
        if given_up:
            measures.pairs.labels(task, "given_up").inc(given_up)
            log.warning("pairs given up, unjudged", action="given_up", task=task, pairs=given_up)
        measures.calls.labels(task).inc(calls)

    def _outcome(
        self,
        due: Due,
        told: Told,
        wanted: Sequence[Asked],
        affordable: Sequence[Asked],
        batch: int,
    ) -> Outcome:
        spent = due.spent_nanousd + sum(asked.bill.cost_nanousd for asked in affordable)
        failed = [said for asked in affordable if isinstance(said := told.get(asked.digest), JudgeFailure)]
        problem = None
        left: Left = "more" if len(due.lost) + sum(len(asked.pairs) for asked in due.asked) >= batch else "nothing"
        if failed and len(failed) == len(affordable) and failed[0].retryable:
            left, problem = "endpoint", f"models.{self._judge_name}: {failed[0].reason}: {failed[0].detail}"
        elif failed and any(said.retryable for said in failed):
            left = "more"
        elif len(affordable) < len(wanted):
            left = "more" if affordable else "budget"
        measures, usd = self._measures, spent / NANOS_PER_USD
        measures.spent.labels(self._name).set(usd)
        measures.out_of_budget.labels(self._name).set(left == "budget")
        age = (datetime.now(UTC) - due.oldest).total_seconds() if due.oldest else 0.0
        measures.backlog_age.labels(self._name).set(age)
        return Outcome(left, usd, due.oldest, problem)


def _said_of(pair: PairKey, verdict: verdicts.CachedVerdict) -> verdicts.PairVerdict:
    return verdicts.PairVerdict(**pair._asdict(), judge=verdict.judge, preference=verdict.preference)
