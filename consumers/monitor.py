"""The monitor: a loop that reads rollups, and opens and closes incidents.

One monitor is active, others stand by: the active one holds an advisory lock, and does all its
work on the session that holds it. Whoever loses the session loses lock and work at once, so two
monitors can never both write. A frozen one is thrown out by the server after a while, and
stands by when it wakes.
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

#: Rounds that the active monitor may miss before the server takes its session away.
ROUNDS_MISSED: Final = 10
SHORTEST_SILENCE: Final = timedelta(seconds=60)
#: Longest wait between tries for the lock.
STANDBY_S: Final = 5.0

log = structlog.get_logger()


def run(settings: Settings, *, once: bool = False) -> None:
    """Watch until SIGTERM or SIGINT; with `once` until there is nothing more to take in.

    Raises ConfigError where no database is named, and with `once` StoreError where it fails.
    """
    settings.postgres_url()
    run_until_signalled(partial(serve, settings, once=once))


def reset_detectors(settings: Settings, name: str) -> int:
    """Have the detectors of a task forget what was usual, and close their incidents; how many detectors did.

    May be done while a monitor runs. Raises UsageError for a task of which nothing was learnt.
    """
    engine = database.connect(settings.postgres_url(), pool_size=1, application="shadow-monitor-relearn")
    try:
        with database.transaction(engine) as connection:
            require_schema(connection)
            for incident in incidents.read(connection, name, open_only=True):
                if incident.detector in LEARNING_DETECTORS:
                    now = datetime.now(UTC)
                    incidents.close_incident(connection, incident.id, now, "somebody had it learn anew what is usual")
            forgotten = detector_state.forget(connection, name, LEARNING_DETECTORS)
    finally:
        engine.dispose()
    if not forgotten:
        raise UsageError(f"no detector of a task {name!r} has learnt anything yet")
    return forgotten


async def serve(
    settings: Settings, stopping: asyncio.Event, health: HealthState | None = None, *, once: bool = False
) -> None:
    """`run`, until `stopping` is set."""
    monitor = Monitor(settings, health or HealthState(), stopping)
    if once:
        await asyncio.to_thread(monitor.catch_up)
        return
    endpoint = await monitor.health.serve(settings.monitor.health_host, settings.monitor.health_port)
    log.info("started", action="started", service=SERVICE)
    try:
        await monitor.watch()
    finally:
        await endpoint.cleanup()
    log.info("stopped", action="stopped", service=SERVICE)


class Monitor:
    """Rounds over all tasks, for as long as this process is the active one."""

    def __init__(self, settings: Settings, health: HealthState, stopping: asyncio.Event) -> None:
        self.health = health
        self._settings = settings
        self._stopping = stopping
        self._name = f"{socket.gethostname()}/{os.getpid()}"
        self._open: Final = health.gauge(
            "shadow_monitor_open_incidents", "Incidents that are open.", "task", "detector"
        )
        self._active: Final = health.gauge("shadow_monitor_active", "1 for the monitor that watches, 0 standing by.")
        self._last_step: Final = health.gauge(
            "shadow_monitor_last_step_timestamp_seconds", "When the last round of this monitor ended."
        )
        self._ledger: Final = LedgerMetrics(settings.tasks)
        health.registry.register(self._ledger)

    async def watch(self) -> None:
        """Stand by or watch, whatever becomes of the database, until told to end."""
        backoff = Backoff()
        while not self._stopping.is_set():
            try:
                await self._session()
            except StoreError as fault:
                self.health.set_problem("database", str(fault))
                log.warning("no session with the database; standing by", action="session_lost", error=str(fault))
                await unless_stopping(self._stopping, backoff.wait())
            else:
                backoff = Backoff()
            finally:
                self._active.set(0)
                self._ledger.clear()

    def catch_up(self) -> None:
        """Take in all there is, waiting as long as the newest hours have to settle, and end.

        Raises StoreError where another monitor is active, and for a task that cannot be watched.
        """
        settle_s = self._settings.monitor.settle_s
        with self._connected() as connection:
            if not locks.try_lock(connection, locks.MONITOR):
                raise StoreError("another monitor is watching this database")
            waited_since = time.monotonic()
            while not self._stopping.is_set():
                begun = time.monotonic()
                if self._round(connection):
                    waited_since = begun
                elif self.health.problems:
                    raise StoreError("\n".join(self.health.problems))
                elif begun - waited_since > settle_s + 1:
                    return
                time.sleep(min(1.0, settle_s / 4))

    async def _session(self) -> None:
        """One session with the database: stand by until the lock is ours, then round after round."""
        async with AsyncExitStack() as stack:
            session = self._connected()
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
    def _connected(self) -> Iterator[Connection]:
        """A session of our own with a database that has our schema."""
        url = self._settings.postgres_url()
        silence = max(timedelta(seconds=ROUNDS_MISSED * self._settings.monitor.every_s), SHORTEST_SILENCE)
        engine = database.connect(url, pool_size=1, application="shadow-monitor")
        try:
            with locks.dedicated_session(engine, idle_timeout=silence) as connection:
                with detector_state.transaction(connection):
                    require_schema(connection)
                yield connection
        finally:
            engine.dispose()

    def _round(self, connection: Connection) -> int:
        """Every task, as far as its hours are complete; how many hours were taken in."""
        with detector_state.transaction(connection):
            beats = incidents.heartbeats(connection)
            names = sorted({*detector_state.tasks(connection), *self._settings.tasks})
        taken = 0
        details: dict[str, Any] = {}
        for name in names:
            try:
                hours, details[name] = self._watch_task(connection, name, beats)
                taken += hours
            except StoreError:
                raise
            except Exception as fault:  # one task must not keep the others from being watched
                details[name] = {"trouble": repr(fault)}
                trouble = f"task {name} cannot be watched: {fault!r}"
                if trouble not in self.health.problems:
                    log.exception(trouble, action="task_failed", task=name)
                self.health.set_problem(f"task {name}", trouble)
        with detector_state.transaction(connection):
            incidents.heartbeat(connection, SERVICE, {"active": self._name, "tasks": details})
            self._count(incidents.count_open(connection))
            self._ledger.update(ledger.ended(connection), ledger.captured(connection))
        self._last_step.set_to_current_time()
        return taken

    def _watch_task(
        self, connection: Connection, name: str, beats: Mapping[str, Heartbeat]
    ) -> tuple[int, dict[str, Any]]:
        """Step after step until a task is up to date; the hours taken in, and how it stands."""
        taken = 0
        while True:
            step = monitor_step.run_step(connection, self._settings, name, beats, now=datetime.now(UTC))
            taken += step.hours
            for found in step.found:
                _tell(name, found)
            if not step.more or self._stopping.is_set():
                self.health.set_problem(f"task {name}", None)
                return taken, step.detail

    def _count(self, found: dict[tuple[str, str], int]) -> None:
        self._open.clear()
        for (name, detector), n in found.items():
            self._open.labels(task_label(name, self._settings.tasks), detector).inc(n)


def _tell(name: str, found: DetectorEvent) -> None:
    event = found.event
    candidate, kind, detector, subject = incident_of(found)
    what, words = ("opened", event.summary) if isinstance(event, Opened) else ("closed", event.reason)
    log.warning(
        words,
        action=f"incident_{what}",
        task=name,
        candidate=candidate,
        kind=kind,
        detector=detector,
        subject=subject,
        at=event.at.isoformat(),
    )
