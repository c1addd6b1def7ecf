"""The judge service: asks judges about stored pairs that are due, within each task's budget.

If several such processes run, one serves each task and the others stand by, so that nothing is paid for
twice. `consumers.judge_round` is one round of one task; this file runs round after round.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import structlog
from sqlalchemy import Engine

from consumers.judge_round import JudgeMetrics, RoundResult, TaskJudge
from consumers.runtime.database import wait_for_database
from consumers.runtime.health import HealthState
from consumers.runtime.shutdown import run_until_signalled
from consumers.runtime.waiting import pause, unless_stopping
from scoring.judge import Judge, Price, price_of
from shadow.backoff import Backoff
from shadow.errors import ConfigError, StoreError
from shadow.settings import Settings
from shadow.store.monitoring import incidents
from shadow.store.schema import engine as database
from shadow.store.schema.locks import Locks
from shadow.upstream import Endpoint

#: Pause while the day's budget is spent: pairs with identical replies cost nothing, and tomorrow has a new budget.
_OUT_OF_BUDGET_S: Final = 30.0
#: First and longest pause while an endpoint or the database fails.
_FIRST_RETRY_S: Final = 2.0
_MAX_RETRY_S: Final = 300.0

log = structlog.get_logger()


def run(settings: Settings) -> None:
    """Judge until SIGTERM or SIGINT. Raises ConfigError where no task has a judge, or a judge has no price."""
    run_until_signalled(partial(serve, settings))


def prices(settings: Settings) -> dict[str, Price]:
    """The price of each model that judges. Raises ConfigError with a line for each that has none."""
    names = dict.fromkeys(task.judge for task in settings.tasks.values() if task.judge)
    if not names:
        raise ConfigError("no task names a judge; set `judge` under a [tasks.NAME] to the name of a model")
    found: dict[str, Price] = {}
    errors: list[str] = []
    for name in names:
        try:
            found[name] = price_of(name, settings.models[name])
        except ConfigError as error:
            errors.append(str(error))
    if errors:
        raise ConfigError("\n".join(errors))
    return found


async def serve(settings: Settings, stopping: asyncio.Event, health: HealthState | None = None) -> None:
    """Judge until `stopping` is set; calls under way are then cancelled."""
    known = prices(settings)
    url = settings.postgres_url()
    health = health or HealthState()
    endpoint = await health.serve(settings.judge.health_host, settings.judge.health_port)
    try:
        # One connection more, for the locks.
        pool_size = settings.postgres.pool_size + 1
        engine = await unless_stopping(
            stopping, wait_for_database(url, pool_size=pool_size, service="judge", health=health)
        )
        if engine is None:
            return
        try:
            await _serve_tasks(settings, known, engine, stopping, health)
        finally:
            engine.dispose()
    finally:
        await endpoint.cleanup()


async def _serve_tasks(
    settings: Settings, known: Mapping[str, Price], engine: Engine, stopping: asyncio.Event, health: HealthState
) -> None:
    locks = Locks(engine)
    async with AsyncExitStack() as stack:
        stack.callback(locks.close)
        judges = {
            name: Judge((await stack.enter_async_context(Endpoint(name, settings.models[name]))).ask, price)
            for name, price in known.items()
        }
        service = _Service(settings, engine, locks, health, stopping)
        log.info("started", action="started", service="judge", judges=list(judges))
        async with asyncio.TaskGroup() as group:
            for name, task in settings.tasks.items():
                if task.judge:
                    group.create_task(service.serve_task(name, judges[task.judge]))
    log.info("stopped", action="stopped", service="judge")


class _Service:
    """The loops of all tasks, and what they share."""

    def __init__(
        self, settings: Settings, engine: Engine, locks: Locks, health: HealthState, stopping: asyncio.Event
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._locks = locks
        self._health = health
        self._stopping = stopping
        self._metrics = JudgeMetrics(health)
        self._states: dict[str, dict[str, Any]] = {}
        self._standing_by: set[str] = set()

    async def serve_task(self, name: str, judge: Judge) -> None:
        """Run round after round until the service stops."""
        task = self._settings.tasks[name]
        assert task.judge is not None
        sent_name = self._settings.sent_name(task.judge)
        task_judge = TaskJudge(name, task, sent_name, judge, self._engine, self._metrics)
        limit = 2 * self._settings.models[task.judge].concurrency
        backoff = Backoff(first_s=_FIRST_RETRY_S, max_s=_MAX_RETRY_S)
        while not self._stopping.is_set():
            try:
                if await asyncio.to_thread(self._locks.hold, f"judge/{name}"):
                    self._standing_by.discard(name)
                    result = await task_judge.round(self._stopping, limit=limit)
                    await self._report(name, result)
                    wait_s = self._pause_after(result, backoff)
                else:
                    wait_s = self._stand_by(name)
                self._health.set_problem(f"database for {name}", None)
            except StoreError as error:
                self._health.set_problem(f"database for {name}", str(error))
                log.warning("the database fails; trying again", action="store_retry", task=name, error=str(error))
                wait_s = backoff.next_s()
            await pause(self._stopping, wait_s)

    async def _report(self, name: str, result: RoundResult) -> None:
        """Report the result of a round in the heartbeat, in health, and in the log where the state has changed."""
        state = {
            "state": {"budget": "budget_spent", "endpoint": "endpoint_fails"}.get(result.remaining, "judging"),
            "spent_usd": round(result.spent_usd, 6),
            "budget_usd": self._settings.tasks[name].judge_usd_per_day,
            "oldest_due": result.oldest_due_at,
        }
        if result.remaining == "budget":
            state["until"] = _tomorrow().isoformat()
        before = self._states.get(name, {}).get("state")
        if before != state["state"]:
            self._log(name, state, result)
        self._states[name] = state
        self._health.set_problem(f"judge of {name}", result.problem)
        await asyncio.to_thread(self._write_heartbeat)

    def _pause_after(self, result: RoundResult, backoff: Backoff) -> float:
        """Seconds until the next round."""
        if result.remaining == "endpoint":
            return backoff.next_s()
        backoff.reset()
        every_s = self._settings.judge.every_s
        return {"more": 0.0, "nothing": every_s, "budget": max(_OUT_OF_BUDGET_S, every_s)}[result.remaining]

    def _log(self, name: str, state: Mapping[str, Any], result: RoundResult) -> None:
        if result.remaining == "budget":
            log.warning("the judge's budget is spent for the day", action="budget_spent", task=name, **state)
        elif result.remaining == "endpoint":
            log.warning("the judge's endpoint fails", action="judge_fails", task=name, error=result.problem)
        else:
            log.info("judging", action="judging", task=name, spent_usd=state["spent_usd"])

    def _stand_by(self, name: str) -> float:
        self._states.pop(name, None)
        if name not in self._standing_by:
            self._standing_by.add(name)
            log.info("another process judges this task; standing by", action="standing_by", task=name)
        return self._settings.judge.every_s

    def _write_heartbeat(self) -> None:
        with database.transaction(self._engine) as connection:
            incidents.heartbeat(connection, "judge", {"tasks": self._states})


def _tomorrow() -> datetime:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(days=1)
