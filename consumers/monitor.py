"""The monitor: reads rollups round after round, and opens and closes incidents.

One monitor is active, others stand by. The active one holds an advisory lock, and does all its work in the
database session that holds it. A monitor that loses the session loses the lock and its uncommitted work at
once, so two monitors never both write. The server ends the session of a frozen monitor after a while; when it
wakes, it stands by.
"""

import asyncio
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import structlog
from sqlalchemy import Connection

from consumers import monitor_step
from consumers.ledger_metrics import LedgerMetrics
from consumers.runtime.health import HealthState
from consumers.runtime.shutdown import run_until_signalled
from consumers.runtime.task_label import task_label
from consumers.runtime.waiting import pause, unless_stopping
from scoring.monitor.detectors import LEARNING_DETECTORS, DetectorEvent, incident_of
from scoring.monitor.events import Opened
from shadow.backoff import Backoff
from shadow.errors import StoreError, UsageError
from shadow.settings import Settings
from shadow.store.monitoring import detector_state, incidents
from shadow.store.monitoring.incidents import Heartbeat
from shadow.store.read import ledger
from shadow.store.schema import engine as database
from shadow.store.schema import locks
from shadow.store.schema.revision import require_schema

SERVICE: Final = "monitor"

#: Rounds that the active monitor may miss before the server ends its session.
MAX_MISSED_ROUNDS: Final = 10
MIN_IDLE_TIMEOUT: Final = timedelta(seconds=60)
#: Longest wait between attempts to acquire the lock.
STANDBY_S: Final = 5.0

log = structlog.get_logger()


def run(settings: Settings, *, once: bool = False) -> None:
    """Monitor until SIGTERM or SIGINT; with `once`, until every complete hour is processed.

    Raises ConfigError where no database is named, and with `once` StoreError where the database fails.
    """
    settings.postgres_url()
    run_until_signalled(partial(serve, settings, once=once))


def reset_detectors(settings: Settings, name: str) -> int:
    """Delete the baselines of a task's detectors, so that they learn new ones, and close their incidents.

    Returns the number of detectors that were reset. May be called while a monitor runs. Raises UsageError for
    a task without any baseline.
    """
    engine = database.connect(settings.postgres_url(), pool_size=1, application="shadow-monitor-relearn")
    try:
        with database.transaction(engine) as connection:
            require_schema(connection)
            for incident in incidents.read(connection, name, open_only=True):
                if incident.detector in LEARNING_DETECTORS:
                    now = datetime.now(UTC)
                    incidents.close_incident(
                        connection, incident.id, now, "the baseline was reset with `shadow monitor --relearn`"
                    )
            reset = detector_state.forget(connection, name, LEARNING_DETECTORS)
    finally:
        engine.dispose()
    if not reset:
        raise UsageError(
            f"no detector of a task {name!r} has learned a baseline yet; see the task names in shadow.toml"
        )
    return reset


async def serve(
    settings: Settings, stopping: asyncio.Event, health: HealthState | None = None, *, once: bool = False
) -> None:
    """Monitor until `stopping` is set."""
    monitor = Monitor(settings, health or HealthState(), stopping)
    if once:
        await asyncio.to_thread(monitor.catch_up)
        return
    endpoint = await monitor.health.serve(settings.monitor.health_host, settings.monitor.health_port)
    log.info("started", action="started", service=SERVICE)
    try:
        await monitor.run()
    finally:
        await endpoint.cleanup()
    log.info("stopped", action="stopped", service=SERVICE)


class Monitor:
    """Rounds over all tasks, for as long as this process is the active monitor."""

    def __init__(self, settings: Settings, health: HealthState, stopping: asyncio.Event) -> None:
        self.health = health
        self._settings = settings
        self._stopping = stopping
        self._name = f"{socket.gethostname()}/{os.getpid()}"
        self._open: Final = health.gauge(
            "shadow_monitor_open_incidents", "Incidents that are open.", "task", "detector"
        )
        self._active: Final = health.gauge(
            "shadow_monitor_active", "1 for the active monitor, 0 for one that stands by."
        )
        self._last_step: Final = health.gauge(
            "shadow_monitor_last_step_timestamp_seconds", "When the last round of this monitor ended."
        )
        self._ledger: Final = LedgerMetrics(settings.tasks)
        health.registry.register(self._ledger)

    async def run(self) -> None:
        """Stand by or monitor until stopped, in a new session whenever the database fails."""
        backoff = Backoff()
        while not self._stopping.is_set():
            try:
                await self._session()
            except StoreError as error:
                self.health.set_problem("database", str(error))
                log.warning("no session with the database; standing by", action="session_lost", error=str(error))
                await unless_stopping(self._stopping, backoff.wait())
            else:
                backoff = Backoff()
            finally:
                self._active.set(0)
                self._ledger.clear()

    def catch_up(self) -> None:
        """Process every complete hour, waiting as long as the newest hours take to settle, and return.

        Raises StoreError where another monitor is active, or the step of a task fails.
        """
        settle_s = self._settings.monitor.settle_s
        with self._connect() as connection:
            if not locks.try_lock(connection, locks.MONITOR):
                raise StoreError("another monitor is active on this database; stop it first")
            waiting_since = time.monotonic()
            while not self._stopping.is_set():
                started = time.monotonic()
                if self._round(connection):
                    waiting_since = started
                elif self.health.problems:
                    raise StoreError("\n".join(self.health.problems))
                elif started - waiting_since > settle_s + 1:
                    return
                time.sleep(min(1.0, settle_s / 4))

    async def _session(self) -> None:
        """One database session: stand by until the lock is acquired, then run round after round."""
        async with AsyncExitStack() as stack:
            session = self._connect()
            connection = await asyncio.to_thread(session.__enter__)
            stack.push_async_callback(asyncio.to_thread, session.__exit__, None, None, None)
            self.health.set_problem("database", None)
            every_s = self._settings.monitor.every_s
            while not await asyncio.to_thread(locks.try_lock, connection, locks.MONITOR):
                await pause(self._stopping, min(every_s, STANDBY_S))
                if self._stopping.is_set():
                    return
            self._active.set(1)
            log.info("watching", action="watching")
            while not self._stopping.is_set():
                await asyncio.to_thread(self._round, connection)
                await pause(self._stopping, every_s)

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        """A database session that nothing else uses. Raises StoreError for a database without our schema."""
        url = self._settings.postgres_url()
        missed = timedelta(seconds=MAX_MISSED_ROUNDS * self._settings.monitor.every_s)
        engine = database.connect(url, pool_size=1, application="shadow-monitor")
        try:
            with locks.dedicated_session(engine, idle_timeout=max(missed, MIN_IDLE_TIMEOUT)) as connection:
                with detector_state.transaction(connection):
                    require_schema(connection)
                yield connection
        finally:
            engine.dispose()

    def _round(self, connection: Connection) -> int:
        """Process the complete hours of every task; returns how many hours that were."""
        with detector_state.transaction(connection):
            heartbeats = incidents.heartbeats(connection)
            names = sorted({*detector_state.tasks(connection), *self._settings.tasks})
        processed = 0
        details: dict[str, Any] = {}
        for name in names:
            try:
                hours, details[name] = self._process_task(connection, name, heartbeats)
                processed += hours
            except StoreError:
                raise
            except Exception as error:  # an error in one task must not keep the others from being monitored
                details[name] = {"trouble": repr(error)}
                problem = f"task {name} cannot be monitored: {error!r}"
                if problem not in self.health.problems:
                    log.exception(problem, action="task_failed", task=name)
                self.health.set_problem(f"task {name}", problem)
        with detector_state.transaction(connection):
            incidents.heartbeat(connection, SERVICE, {"active": self._name, "tasks": details})
            self._count_incidents(incidents.count_open(connection))
            self._ledger.update(ledger.ended(connection), ledger.captured(connection))
        self._last_step.set_to_current_time()
        return processed

    def _process_task(
        self, connection: Connection, name: str, heartbeats: Mapping[str, Heartbeat]
    ) -> tuple[int, dict[str, Any]]:
        """Run steps until a task is up to date; returns the hours processed, and the task's state."""
        processed = 0
        while True:
            result = monitor_step.run_step(connection, self._settings, name, heartbeats, now=datetime.now(UTC))
            processed += result.hours
            for found in result.events:
                _log_event(name, found)
            if not result.more or self._stopping.is_set():
                self.health.set_problem(f"task {name}", None)
                return processed, result.detail

    def _count_incidents(self, found: dict[tuple[str, str], int]) -> None:
        self._open.clear()
        for (name, detector), n in found.items():
            self._open.labels(task_label(name, self._settings.tasks), detector).inc(n)


def _log_event(name: str, found: DetectorEvent) -> None:
    event = found.event
    candidate, kind, detector, subject = incident_of(found)
    change, text = ("opened", event.summary) if isinstance(event, Opened) else ("closed", event.reason)
    log.warning(
        text,
        action=f"incident_{change}",
        task=name,
        candidate=candidate,
        kind=kind,
        detector=detector,
        subject=subject,
        at=event.at.isoformat(),
    )
