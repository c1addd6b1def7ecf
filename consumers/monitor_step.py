"""One step of the monitor for one task: what has become complete goes through its detectors.

States, incidents and how far the hours have been taken in are committed together. A monitor that
is killed has therefore done a step or has not, and the next one goes on from there: the same
rollups give the same incidents.
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

#: Hours with data that one transaction takes in: a day, so that little is done again after a crash.
MAX_HOURS: Final = 24

#: Labels that come later than this after their pair are not held against the judge.
LABEL_WINDOW: Final = timedelta(days=30)

#: A judge that was not heard of for so long is not running.
JUDGE_SILENT: Final = timedelta(minutes=10)

_MARKS: Final[dict[Part, Key]] = {"scored": SCORED_KEY, "judged": JUDGED_KEY}
_START: Final = datetime(1970, 1, 1, tzinfo=UTC)


class StepResult(NamedTuple):
    """What a step has come to: hours taken in, whether there are more, what happened, how things stand."""

    hours: int
    more: bool
    found: list[DetectorEvent]
    detail: dict[str, Any]


class MonitorStep:
    """The states of one task, from the database and back, within one transaction."""

    def __init__(self, connection: Connection, settings: Settings, name: str, now: datetime) -> None:
        self._connection = connection
        self._settings = settings
        self._name = name
        self._now = now
        self._rules = Rules.of(settings, name)
        self._spec = settings.tasks.get(name)
        saved = detector_state.load(connection, name)
        self._before: States = {}
        self._next: dict[Key, datetime] = {}
        for row in saved:
            key = Key(row.candidate, row.kind, row.detector, row.subject)
            self._before[key] = detectors.restore(key, row.state)
            self._next[key] = row.next_hour
        self._saved_next = dict(self._next)
        self._states = dict(self._before)
        self._found: list[DetectorEvent] = []
        self._read: tuple[tuple[datetime, datetime], dict[datetime, dict[Cell, Tally]]] | None = None

    def step(self, beats: Mapping[str, Heartbeat]) -> StepResult:
        """Take in what has become complete, and look at what is on its way."""
        stored = detector_state.stored(self._connection, self._name)
        due = verdicts.oldest_due(self._connection, self._name)
        in_flight = detector_state.oldest_in_flight(self._connection, self._name, self._answerable_since())
        self._look(in_flight, due, beats)
        taken, more = 0, False
        if stored is not None:
            ends = self._settle(stored, in_flight, due)
            for part in PARTS:
                count, left = self._take_in(part, ends[part], stored)
                taken, more = taken + count, more or left
            self._judge_drift(stored.last_hour)
        self._write()
        return StepResult(taken, more, self._found, self._detail())

    def _answerable_since(self) -> datetime:
        """An exchange made before it would not be asked about any more: if it is on its way, it was lost."""
        max_age_s = self._spec.max_age_s if self._spec is not None else TaskSettings(frontier="").max_age_s
        return self._now - timedelta(seconds=max_age_s + self._settings.monitor.lateness_s)

    def _look(self, in_flight: datetime | None, due: datetime | None, beats: Mapping[str, Heartbeat]) -> None:
        """Lag, drops, and the judge's backlog: by the clock."""
        state = self._states.get(FLOW_KEY)
        counted = ledger.read(self._connection, task=self._name)
        look = FlowSnapshot(
            now=self._now,
            oldest_in_flight_at=in_flight,
            accepted=counted.accepted,
            dropped=counted.dropped,
            judge_due_at=due if self._spec is not None and self._spec.judge else None,
            judge_trouble=_judge_trouble(beats.get("judge"), self._name, self._now),
        )
        flowing, events = flow.step(
            state if isinstance(state, FlowState) else FlowState(),
            look,
            task=self._name,
            most_lag=timedelta(seconds=self._settings.monitor.most_lag_s),
            most_dropped=self._settings.monitor.most_dropped,
        )
        self._states[FLOW_KEY] = flowing
        self._found += [DetectorEvent(FLOW_KEY, event) for event in events]

    def _settle(
        self, stored: detector_state.Stored, in_flight: datetime | None, due: datetime | None
    ) -> dict[Part, datetime | None]:
        """Up to where each part may be taken in."""
        monitor = self._settings.monitor
        lateness = timedelta(seconds=monitor.lateness_s)
        progress = StoreProgress(
            now=self._now,
            last_hour=stored.last_hour,
            pairs=stored.pairs,
            in_flight_at=in_flight,
            judge_due_at=due,
        )
        mark = self._mark("scored")
        settling = hours.step(mark.watermark, progress, lateness=lateness, settle=timedelta(seconds=monitor.settle_s))
        self._states[SCORED_KEY] = msgspec.structs.replace(mark, watermark=settling)
        return {"scored": settling.settled, "judged": settling.judged}

    def _take_in(self, part: Part, end: datetime | None, stored: detector_state.Stored) -> tuple[int, bool]:
        """Hand the complete hours to their detectors; how many there were, and whether there are more."""
        key, start = _MARKS[part], self._next.get(_MARKS[part], start_of_hour(stored.first_hour))
        mark, count, more = self._mark(part), 0, False
        if end is not None and end > start:
            wanted = detector_state.hours(self._connection, self._name, start, end, MAX_HOURS + 1)
            more = len(wanted) > MAX_HOURS
            # Empty hours up to the end are taken in as well: what still comes for them is late.
            until = wanted[MAX_HOURS] if more else end
            count = len(wanted[:MAX_HOURS])
            if count:
                self._through_detectors(part, start, until)
            self._states, found = detectors.close_stale(part, self._states, until)
            self._found += found
            mark = msgspec.structs.replace(
                mark, taken=mark.taken + detector_state.pairs_from(self._connection, self._name, start, until)
            )
            start = until
        before = stored.pairs - detector_state.pairs_from(self._connection, self._name, start)
        self._states[key] = msgspec.structs.replace(mark, late=max(0, before - mark.taken))
        self._next[key] = start
        return count, more

    def _through_detectors(self, part: Part, start: datetime, until: datetime) -> None:
        by_hour = self._cells(start, until)
        for hour in sorted(by_hour):
            self._states, found_now = detectors.step(part, self._name, self._states, hour, by_hour[hour], self._rules)
            self._found += found_now

    def _cells(self, start: datetime, until: datetime) -> dict[datetime, dict[Cell, Tally]]:
        """The cells of each hour in [start, until). Both parts mostly want the same hours, which are read once."""
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

    def _judge_drift(self, last_hour: datetime) -> None:
        since = (min(last_hour, self._now) - LABEL_WINDOW).replace(hour=0, minute=0, second=0, microsecond=0)
        counted = detector_state.labels_by_day(self._connection, self._name, since)
        days = {day: judge.day_labels(counts) for day, counts in counted.items()}
        state = self._states.get(JUDGE_KEY)
        if days or state is not None:
            known = state if isinstance(state, JudgeState) else JudgeState()
            self._states[JUDGE_KEY], events = judge.step(known, days, last_hour, task=self._name)
            self._found += [DetectorEvent(JUDGE_KEY, event) for event in events]

    def _write(self) -> None:
        for found in self._found:
            _write_incident(self._connection, self._name, found, self._now)
        marks = {part: self._next.get(_MARKS[part], _START) for part in PARTS}
        rows = [
            DetectorState(**key._asdict(), next_hour=next_hour, state=msgspec.to_builtins(state))
            for key, state in sorted(self._states.items(), key=itemgetter(0))
            if (next_hour := marks[detectors.part_of(key)]) != self._saved_next.get(key)
            or state != self._before.get(key)
        ]
        detector_state.save(self._connection, self._name, rows)

    def _mark(self, part: Part) -> HoursState:
        state = self._states.get(_MARKS[part])
        return state if isinstance(state, HoursState) else HoursState()

    def _detail(self) -> dict[str, Any]:
        """How the task stands, for whoever reads the heartbeat."""
        detail: dict[str, Any] = {
            part: {
                "next_hour": next_hour.isoformat() if (next_hour := self._next.get(_MARKS[part])) else None,
                "late": self._mark(part).late,
            }
            for part in PARTS
        }
        return detail | {"detectors": detectors.describe(self._states)}


def run_step(
    connection: Connection, settings: Settings, name: str, beats: Mapping[str, Heartbeat], *, now: datetime
) -> StepResult:
    """One transaction: everything that has become complete, up to MAX_HOURS of it."""
    with detector_state.transaction(connection):
        return MonitorStep(connection, settings, name, now).step(beats)


def _write_incident(connection: Connection, name: str, found: DetectorEvent, now: datetime) -> None:
    candidate, kind, detector, subject = detectors.incident_of(found)
    event = found.event
    opened_at = event.at if isinstance(event, Opened) else event.opened_at
    # The key tells apart two sources of regret that both flag a segment.
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


def _judge_trouble(beat: Heartbeat | None, name: str, now: datetime) -> str | None:
    """What keeps the judge service from judging this task, as far as it said so itself."""
    if beat is None:
        return "no judge service has ever run"
    if now - beat.at > JUDGE_SILENT:
        return f"the judge service was last heard of at {beat.at:%Y-%m-%d %H:%M}"
    said = beat.detail.get("tasks", {}).get(name, {})
    match said.get("state"):
        case "budget_spent":
            return f"its budget of ${said.get('budget_usd', 0):g} a day is spent"
        case "endpoint_fails":
            return "the judge cannot be asked"
        case _:
            return None
