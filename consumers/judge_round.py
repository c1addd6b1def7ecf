"""One round of the judge service for one task: find due pairs, judge them within the day's budget, commit."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple, TypeAlias

import prometheus_client
import structlog
from sqlalchemy import Engine

from consumers.judge_store import DuePairs, RoundStore, find_due
from consumers.runtime.health import HealthState
from scoring.judge import NANOS_PER_USD, Budget, Judge, JudgedBatch, JudgeFailure, judge_batch
from shadow.settings import TaskSettings
from shadow.store.rows.names import PairKey
from shadow.wire import utc_now

#: A pair whose judge fails this often for transient reasons is given up: with the pauses between failing
#: rounds, after one to two hours.
MAX_FAILED_ROUNDS: Final = 30

#: Why a round ended: no pair is due any more, more are due, the day's budget is spent, or the endpoint fails.
Remaining: TypeAlias = Literal["nothing", "more", "budget", "endpoint"]

log = structlog.get_logger()


class JudgeMetrics:
    """The metrics of the judge service, by task."""

    def __init__(self, health: HealthState) -> None:
        prefix = "shadow_judge_"
        self.pairs: Final[prometheus_client.Counter] = health.counter(
            prefix + "pairs", "Pairs that a judge has finished, by verdict or given_up.", "task", "outcome"
        )
        self.unjudged: Final[prometheus_client.Counter] = health.counter(
            prefix + "unjudged", "Questions without a verdict.", "task", "reason"
        )
        self.calls: Final[prometheus_client.Counter] = health.counter(prefix + "calls", "Requests to a judge.", "task")
        self.unasked: Final[prometheus_client.Counter] = health.counter(
            prefix + "unasked", "Verdicts without a request: identical replies, or cached.", "task"
        )
        self.spent: Final[prometheus_client.Gauge] = health.gauge(
            prefix + "spent_usd", "Spending of the current day (UTC).", "task"
        )
        self.out_of_budget: Final[prometheus_client.Gauge] = health.gauge(
            prefix + "out_of_budget", "1 while the day's budget leaves no room for a pair.", "task"
        )
        self.backlog_age: Final[prometheus_client.Gauge] = health.gauge(
            prefix + "oldest_due_seconds", "Age of the oldest pair that is due for a verdict.", "task"
        )


class RoundResult(NamedTuple):
    """The result of one round. `problem` is set where the endpoint fails."""

    remaining: Remaining
    spent_usd: float
    oldest_due_at: str | None
    problem: str | None = None


class TaskJudge:
    """The judge of the task `name`, whose endpoint calls it `model`."""

    def __init__(
        self, name: str, task: TaskSettings, model: str, judge: Judge, engine: Engine, metrics: JudgeMetrics
    ) -> None:
        assert task.judge is not None
        self._name = name
        self._task = task
        self._judge_name = task.judge
        self._model = model
        self._judge = judge
        self._engine = engine
        self._metrics = metrics
        self._failed_rounds: Counter[PairKey] = Counter()

    async def round(self, stopping: asyncio.Event, *, limit: int) -> RoundResult:
        """Judge up to `limit` pairs. Raises StoreError where the database fails."""
        due = await asyncio.to_thread(
            find_due,
            self._engine,
            self._name,
            self._task.rubric,
            model=self._model,
            limit=limit,
            attempts=self._failed_rounds,
        )
        budget = Budget(round(self._task.judge_usd_per_day * NANOS_PER_USD) - due.spent_nanousd)
        store = RoundStore(self._engine, self._name, self._judge_name, due)
        batch = await judge_batch(self._judge, due.requests, budget=budget, store=store, stopping=stopping)
        given_up = [*due.without_payload, *self._to_give_up(due, batch)]
        if given_up:
            await asyncio.to_thread(store.give_up, given_up)
        self._count(due, batch, len(given_up))
        for pair in (*given_up, *_judged_pairs(due, batch)):
            self._failed_rounds.pop(pair, None)
        return self._result(due, batch, limit)

    def _to_give_up(self, due: DuePairs, batch: JudgedBatch) -> list[PairKey]:
        """The pairs for which another attempt is not worth its cost."""
        hopeless = []
        for request in due.requests:
            if (failure := batch.failure(request.digest)) is None:
                continue
            for pair in due.pairs[request.digest]:
                self._failed_rounds[pair] += 1
                if not failure.retryable or self._failed_rounds[pair] >= MAX_FAILED_ROUNDS:
                    hopeless.append(pair)
        return hopeless

    def _count(self, due: DuePairs, batch: JudgedBatch, given_up: int) -> None:
        metrics, task = self._metrics, self._name
        for request in due.requests:
            if (failure := batch.failure(request.digest)) is not None:
                metrics.unjudged.labels(task, failure.reason).inc()
                # A transient failure is the endpoint's, and is logged once for all pairs.
                write = log.debug if failure.retryable else log.warning
                write("no verdict", action="unjudged", task=task, reason=failure.reason, detail=failure.detail[:300])
            elif (verdict := batch.verdict(request.digest)) is not None:
                metrics.pairs.labels(task, verdict.preference).inc(len(due.pairs[request.digest]))
                if not request.meter.calls:
                    metrics.unasked.labels(task).inc()
        if given_up:
            metrics.pairs.labels(task, "given_up").inc(given_up)
            log.warning("pairs given up without a verdict", action="given_up", task=task, pairs=given_up)
        metrics.calls.labels(task).inc(batch.calls)

    def _result(self, due: DuePairs, batch: JudgedBatch, limit: int) -> RoundResult:
        remaining, problem = self._remaining(due, batch, limit)
        spent_usd = (due.spent_nanousd + batch.cost_nanousd) / NANOS_PER_USD
        self._metrics.spent.labels(self._name).set(spent_usd)
        self._metrics.out_of_budget.labels(self._name).set(remaining == "budget")
        age = (utc_now() - due.oldest).total_seconds() if due.oldest else 0.0
        self._metrics.backlog_age.labels(self._name).set(age)
        return RoundResult(remaining, spent_usd, due.oldest.isoformat() if due.oldest else None, problem)

    def _remaining(self, due: DuePairs, batch: JudgedBatch, limit: int) -> tuple[Remaining, str | None]:
        failures: list[JudgeFailure] = [
            failure for request in batch.asked if (failure := batch.failure(request.digest)) is not None
        ]
        if failures and len(failures) == len(batch.asked) and failures[0].retryable:
            return "endpoint", f"models.{self._judge_name}: {failures[0].reason}: {failures[0].detail}"
        if any(failure.retryable for failure in failures):
            return "more", None
        if batch.unaffordable:
            return "more" if batch.asked else "budget", None
        found = len(due.without_payload) + sum(map(len, due.pairs.values()))
        return "more" if found >= limit else "nothing", None


def _judged_pairs(due: DuePairs, batch: JudgedBatch) -> Iterable[PairKey]:
    return (
        pair
        for request in due.requests
        if batch.verdict(request.digest) is not None
        for pair in due.pairs[request.digest]
    )
