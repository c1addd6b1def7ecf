"""The judge service: asks judges about pairs that are stored and due, within each task's budget.

Of several such processes one serves each task and the others stand by, so that nothing is paid
for twice. `consumers.judge_round` is one round of one task; here is what goes on round after round.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import structlog
from sqlalchemy import Engine

from consumers.judge_round import JudgeMetrics, Outcome, TaskJudge
from consumers.runtime.database import wait_for_database
from consumers.runtime.health import HealthState
from consumers.runtime.shutdown import run_until_signalled
from consumers.runtime.waiting import pause, unless_stopping
from scoring.judge import Judge, Price, price_of
from shadow.errors import ConfigError, StoreError
from shadow.settings import Settings
from shadow.store.monitoring import incidents
from shadow.store.schema import engine as database
from shadow.store.schema.locks import Locks
from shadow.upstream import Endpoint

#: Pause while the day's budget is spent: replies that are the same may still come, and tomorrow will.
_OUT_OF_BUDGET_S: Final = 30.0
#: Longest pause while an endpoint or the database fails.
_LONGEST_S: Final = 300.0

log = structlog.get_logger()


def run(settings: Settings) -> None:
    """Judge until SIGTERM or SIGINT. Raises ConfigError where there is nothing to judge with."""
    run_until_signalled(partial(serve, settings))


def prices(settings: Settings) -> dict[str, Price]:
    """The price of each model that judges. Raises ConfigError, with a line for each that has none."""
    judges = dict.fromkeys(task.judge for task in settings.tasks.values() if task.judge)
    if not judges:
        raise ConfigError("no task names a judge; set `judge` under a [tasks.NAME] to the name of a model")
    found: dict[str, Price] = {}
    faults: list[str] = []
    for name in judges:
        try:
            found[name] = price_of(name, settings.models[name])
        except ConfigError as fault:
            faults.append(str(fault))
    if faults:
        raise ConfigError("\n".join(faults))
    return found


async def serve(settings: Settings, stopping: asyncio.Event, health: HealthState | None = None) -> None:
    """Judge until `stopping` is set; calls that are under way then are given up."""
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
            await _judge_all(settings, known, engine, stopping, health)
        finally:
            engine.dispose()
    finally:
        await endpoint.cleanup()


async def _judge_all(
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
    """What the loops of all tasks share."""

    def __init__(
        self, settings: Settings, engine: Engine, locks: Locks, health: HealthState, stopping: asyncio.Event
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._locks = locks
        self._health = health
        self._stopping = stopping
        self._measures = JudgeMetrics(health)
        self._states: dict[str, dict[str, Any]] = {}
        self._standing_by: set[str] = set()

    async def serve_task(self, name: str, judge: Judge) -> None:
        """Round after round, for as long as the process runs."""
        task = self._settings.tasks[name]
        assert task.judge is not None
        sent_name = self._settings.sent_name(task.judge)
        judging = TaskJudge(name, task, sent_name, judge, self._engine, self._measures)
        batch = 2 * self._settings.models[task.judge].concurrency
        wait_s = 1.0
        while not self._stopping.is_set():
            try:
                if await asyncio.to_thread(self._locks.hold, f"judge/{name}"):
                    self._standing_by.discard(name)
                    outcome = await judging.round(self._stopping, batch=batch)
                    wait_s = await self._after(name, outcome, wait_s)
                else:
                    wait_s = self._stand_by(name)
                self._health.set_problem(f"database for {name}", None)
            except StoreError as fault:
                self._health.set_problem(f"database for {name}", str(fault))
                log.warning("the database fails; trying again", action="store_retry", task=name, error=str(fault))
                wait_s = _longer(wait_s)
            await pause(self._stopping, wait_s)

    async def _after(self, name: str, outcome: Outcome, waited_s: float) -> float:
        """Tell how it went; how long to wait before the next round."""
        task = self._settings.tasks[name]
        state = {
            "state": {"budget": "budget_spent", "endpoint": "endpoint_fails"}.get(outcome.left, "judging"),
            "spent_usd": round(outcome.spent_usd, 6),
            "budget_usd": task.judge_usd_per_day,
            "oldest_due": outcome.oldest_due.isoformat() if outcome.oldest_due else None,
        }
        if outcome.left == "budget":
            state["until"] = _tomorrow().isoformat()
        before = self._states.get(name, {}).get("state")
        if before != state["state"]:
            self._tell(name, state, outcome)
        self._states[name] = state
        self._health.set_problem(f"judge of {name}", outcome.problem)
        await asyncio.to_thread(self._beat)
        match outcome.left:
            case "more":
                return 0.0
            case "nothing":
                return self._settings.judge.every_s
            case "budget":
                return max(_OUT_OF_BUDGET_S, self._settings.judge.every_s)
            case "endpoint":
                return _longer(waited_s)

    def _tell(self, name: str, state: Mapping[str, Any], outcome: Outcome) -> None:
        if outcome.left == "budget":
            log.warning("the judge's budget is spent for the day", action="budget_spent", task=name, **state)
        elif outcome.left == "endpoint":
            log.warning("the judge cannot be asked", action="judge_fails", task=name, error=outcome.problem)
        else:
            log.info("judging", action="judging", task=name, spent_usd=state["spent_usd"])

    def _stand_by(self, name: str) -> float:
        self._states.pop(name, None)
        if name not in self._standing_by:
            self._standing_by.add(name)
            log.info("another process judges this task; standing by", action="standing_by", task=name)
        return self._settings.judge.every_s

    def _beat(self) -> None:
        with database.transaction(self._engine) as connection:
            incidents.heartbeat(connection, "judge", {"tasks": self._states})


def _longer(waited_s: float) -> float:
    return min(max(1.0, 2 * waited_s), _LONGEST_S)


def _tomorrow() -> datetime:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(days=1)
