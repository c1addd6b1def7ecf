"""One step of the monitor for one task: the hours that have become complete go through its detectors.

Detector states, incidents, and up to which hour they were processed are committed together. So a monitor that
is killed has done a step or has not, and the next monitor continues from there: the same rollups give the
same incidents.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection

from scoring.monitor import detectors, flow, hours, judge
from scoring.monitor.detectors import (
    FLOW_KEY,
    JUDGE_KEY,
    JUDGED_KEY,
    PARTS,
    SCORED_KEY,
    DetectorEvent,
    HoursState,
    Key,
    Part,
    Rules,
    States,
)
from scoring.monitor.events import Opened
from scoring.monitor.flow import FlowSnapshot, FlowState
from scoring.monitor.hours import StoreProgress, start_of_hour
from scoring.monitor.judge import JudgeState
from shadow.aggregates.tally import Cell, Tally
from shadow.settings import Settings, TaskSettings
from shadow.store.feedback import verdicts
from shadow.store.monitoring import detector_state, incidents
from shadow.store.monitoring.detector_state import DetectorState
from shadow.store.monitoring.incidents import Heartbeat, Incident
from shadow.store.read import ledger, rollup_reads

#: Hours with data that one transaction processes: a day, so that little is done again after a crash.
MAX_HOURS: Final = 24

#: Labels that come later than this after their pair do not count for the judge's drift.
LABEL_WINDOW: Final = timedelta(days=30)

#: A judge service without a heartbeat for so long is not running.
JUDGE_HEARTBEAT_TIMEOUT: Final = timedelta(minutes=10)

_HOURS_KEYS: Final[dict[Part, Key]] = {"scored": SCORED_KEY, "judged": JUDGED_KEY}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class StepResult(NamedTuple):
    """The hours processed, whether there are more, the detectors' events, and the task's state for the heartbeat."""

    hours: int
    more: bool
    events: list[DetectorEvent]
    detail: dict[str, Any]


class MonitorStep:
    """The detector states of one task, loaded, advanced and saved within one transaction."""

    def __init__(self, connection: Connection, settings: Settings, name: str, now: datetime) -> None:
        self._connection = connection
        self._settings = settings
        self._name = name
        self._now = now
        self._rules = Rules.of(settings, name)
        self._task = settings.tasks.get(name)
        saved = detector_state.load(connection, name)
        self._before: States = {}
        self._next: dict[Key, datetime] = {}
        for row in saved:
            key = Key(row.candidate, row.kind, row.detector, row.subject)
            self._before[key] = detectors.restore(key, row.state)
            self._next[key] = row.next_hour
        self._saved_next = dict(self._next)
        self._states = dict(self._before)
        self._events: list[DetectorEvent] = []
        self._read: tuple[tuple[datetime, datetime], dict[datetime, dict[Cell, Tally]]] | None = None

    def run(self, heartbeats: Mapping[str, Heartbeat]) -> StepResult:
        """Process the hours that have become complete, and check what is in flight."""
        stored = detector_state.stored(self._connection, self._name)
        due = verdicts.oldest_due(self._connection, self._name)
        in_flight = detector_state.oldest_in_flight(self._connection, self._name, self._answerable_since())
        self._check_flow(in_flight, due, heartbeats)
        processed, more = 0, False
        if stored is not None:
            ends = self._advance_watermarks(stored, in_flight, due)
            for part in PARTS:
                count, is_more = self._process_hours(part, ends[part], stored)
                processed, more = processed + count, more or is_more
            self._check_judge_drift(stored.last_hour)
        self._save()
        return StepResult(processed, more, self._events, self._detail())

    def _answerable_since(self) -> datetime:
        """Exchanges made before it have expired at the worker: those still in flight were lost."""
        max_age_s = self._task.max_age_s if self._task is not None else TaskSettings(frontier="").max_age_s
        return self._now - timedelta(seconds=max_age_s + self._settings.monitor.lateness_s)

    def _check_flow(
        self, in_flight: datetime | None, due: datetime | None, heartbeats: Mapping[str, Heartbeat]
    ) -> None:
        """Detect lag, drops and the judge's backlog, which depend on the time and not on complete hours."""
        state = self._states.get(FLOW_KEY)
        counted = ledger.read(self._connection, task=self._name)
        snapshot = FlowSnapshot(
            now=self._now,
            oldest_in_flight_at=in_flight,
            accepted=counted.accepted,
            dropped=counted.dropped,
            judge_due_at=due if self._task is not None and self._task.judge else None,
            judge_problem=_judge_problem(heartbeats.get("judge"), self._name, self._now),
        )
        flow_state, events = flow.step(
            state if isinstance(state, FlowState) else FlowState(),
            snapshot,
            task=self._name,
            max_lag=timedelta(seconds=self._settings.monitor.most_lag_s),
            max_dropped=self._settings.monitor.most_dropped,
        )
        self._states[FLOW_KEY] = flow_state
        self._events += [DetectorEvent(FLOW_KEY, event) for event in events]

    def _advance_watermarks(
        self, stored: detector_state.Stored, in_flight: datetime | None, due: datetime | None
    ) -> dict[Part, datetime | None]:
        """The end (exclusive) of the hours that are complete, for each part."""
        monitor = self._settings.monitor
        lateness = timedelta(seconds=monitor.lateness_s)
        progress = StoreProgress(
            now=self._now,
            last_hour=stored.last_hour,
            pairs=stored.pairs,
            in_flight_at=in_flight,
            judge_due_at=due,
        )
        state = self._hours_state("scored")
        watermark = hours.step(state.watermark, progress, lateness=lateness, settle=timedelta(seconds=monitor.settle_s))
        self._states[SCORED_KEY] = msgspec.structs.replace(state, watermark=watermark)
        return {"scored": watermark.settled, "judged": watermark.judged}

    def _process_hours(self, part: Part, end: datetime | None, stored: detector_state.Stored) -> tuple[int, bool]:
        """Process the complete hours of a part, up to MAX_HOURS; returns how many, and whether there are more."""
        key, start = _HOURS_KEYS[part], self._next.get(_HOURS_KEYS[part], start_of_hour(stored.first_hour))
        state, count, more = self._hours_state(part), 0, False
        if end is not None and end > start:
            complete = detector_state.hours(self._connection, self._name, start, end, MAX_HOURS + 1)
            more = len(complete) > MAX_HOURS
            # Empty hours up to the end count as processed too: pairs that still come for them are late.
            until = complete[MAX_HOURS] if more else end
            count = len(complete[:MAX_HOURS])
            if count:
                self._run_detectors(part, start, until)
            self._states, events = detectors.close_stale(part, self._states, until)
            self._events += events
            state = msgspec.structs.replace(
                state, taken=state.taken + detector_state.pairs_from(self._connection, self._name, start, until)
            )
            start = until
        before = stored.pairs - detector_state.pairs_from(self._connection, self._name, start)
        self._states[key] = msgspec.structs.replace(state, late=max(0, before - state.taken))
        self._next[key] = start
        return count, more

    def _run_detectors(self, part: Part, start: datetime, until: datetime) -> None:
        by_hour = self._cells(start, until)
        for hour in sorted(by_hour):
            self._states, events = detectors.step(part, self._name, self._states, hour, by_hour[hour], self._rules)
            self._events += events

    def _cells(self, start: datetime, until: datetime) -> dict[datetime, dict[Cell, Tally]]:
        """The cells of each hour in [start, until). Mostly both parts process the same hours, which are read once."""
        if self._read is None or self._read[0] != (start, until):
            cells = rollup_reads.read(
                self._connection,
                task=self._name,
                kinds=detector_state.KINDS,
                since=start,
                until=until,
                histograms=False,
            )
            by_hour: dict[datetime, dict[Cell, Tally]] = {}
            for cell, found in cells.items():
                by_hour.setdefault(cell.hour, {})[cell] = found
            self._read = (start, until), by_hour
        return self._read[1]

    def _check_judge_drift(self, last_hour: datetime) -> None:
        since = (min(last_hour, self._now) - LABEL_WINDOW).replace(hour=0, minute=0, second=0, microsecond=0)
        counted = detector_state.labels_by_day(self._connection, self._name, since)
        days = {day: judge.day_labels(counts) for day, counts in counted.items()}
        state = self._states.get(JUDGE_KEY)
        if days or state is not None:
            known = state if isinstance(state, JudgeState) else JudgeState()
            self._states[JUDGE_KEY], events = judge.step(known, days, last_hour, task=self._name)
            self._events += [DetectorEvent(JUDGE_KEY, event) for event in events]

    def _save(self) -> None:
        for found in self._events:
            _write_incident(self._connection, self._name, found, self._now)
        next_hours = {part: self._next.get(_HOURS_KEYS[part], _EPOCH) for part in PARTS}
        rows = [
            DetectorState(**key._asdict(), next_hour=next_hour, state=msgspec.to_builtins(state))
            for key, state in sorted(self._states.items(), key=itemgetter(0))
            if (next_hour := next_hours[detectors.part_of(key)]) != self._saved_next.get(key)
            or state != self._before.get(key)
        ]
        detector_state.save(self._connection, self._name, rows)

    def _hours_state(self, part: Part) -> HoursState:
        state = self._states.get(_HOURS_KEYS[part])
        return state if isinstance(state, HoursState) else HoursState()

    def _detail(self) -> dict[str, Any]:
        """The task's state for the heartbeat."""
        detail: dict[str, Any] = {
            part: {
                "next_hour": next_hour.isoformat() if (next_hour := self._next.get(_HOURS_KEYS[part])) else None,
                "late": self._hours_state(part).late,
            }
            for part in PARTS
        }
        return detail | {"detectors": detectors.describe(self._states)}


def run_step(
    connection: Connection, settings: Settings, name: str, heartbeats: Mapping[str, Heartbeat], *, now: datetime
) -> StepResult:
    """Process the hours that have become complete, up to MAX_HOURS, in one transaction."""
    with detector_state.transaction(connection):
        return MonitorStep(connection, settings, name, now).run(heartbeats)


def _write_incident(connection: Connection, name: str, found: DetectorEvent, now: datetime) -> None:
    candidate, kind, detector, subject = detectors.incident_of(found)
    event = found.event
    opened_at = event.at if isinstance(event, Opened) else event.opened_at
    # The key distinguishes two sources of regret that both flag a segment.
    identity = incidents.identity(name, *found.key, detector, subject, opened_at=opened_at)
    if not isinstance(event, Opened):
        incidents.close_incident(connection, identity, event.at, event.reason)
        return
    incidents.open_incident(
        connection,
        Incident(
            id=identity,
            task=name,
            candidate=candidate,
            kind=kind,
            detector=detector,
            subject=subject,
            severity=event.severity,
            summary=event.summary,
            opened_at=opened_at,
            noticed_at=now,
            detail=event.detail,
        ),
    )


def _judge_problem(heartbeat: Heartbeat | None, name: str, now: datetime) -> str | None:
    """Why the judge service does not judge this task, according to its heartbeat; None where it does."""
    if heartbeat is None:
        return "no judge service has ever run"
    if now - heartbeat.at > JUDGE_HEARTBEAT_TIMEOUT:
        return f"the judge service has sent no heartbeat since {heartbeat.at:%Y-%m-%d %H:%M}"
    state = heartbeat.detail.get("tasks", {}).get(name, {})
    match state.get("state"):
        case "budget_spent":
            return f"its budget of ${state.get('budget_usd', 0):g} a day is spent"
        case "endpoint_fails":
            return "the judge's endpoint fails"
        case _:
            return None
