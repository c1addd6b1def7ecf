"""A rate has risen above its baseline for the hour of the week; the detectors of a rate are built on it.

The detector learns for a week of event time (and at least a hundred rows), hour by hour. Then it
fits the baseline, once, and the e-detector of `scoring.stats.detection.drift` bets against it from
then on. The baseline is not fitted again, because a slowly rising rate would raise its own baseline.
To accept a new level, have the detector learn again (`shadow monitor --relearn TASK`).

The alarm is raised at N/alpha, where N is the configured horizon or the number of rows that four
weeks bring at the traffic of the first, whichever is more: a busy task must not have more false
alarms per week than a quiet one. An alarm opens an incident at the hour that raised it; `recovery`
decides when it closes, and the detector then starts without evidence.
"""

from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

import msgspec

from scoring.monitor import recovery
from scoring.monitor.events import Closed, Event, Opened, Severity
from scoring.monitor.figures import as_detail, format_interval, interval, percent
from scoring.monitor.recovery import HOUR, STALE, STALE_AFTER, Recovery
from scoring.stats.detection.baseline import Baseline, Weekly, fit_baseline, hour_of_week
from scoring.stats.detection.drift import HORIZON, DriftState, alarm_level, observe_hours
from scoring.stats.moments import MICRO, Moments

RateDriftStatus: TypeAlias = Literal["learning", "watching", "open"]

LEARNING_PERIOD: Final = timedelta(days=7)
MIN_ROWS: Final = 100
#: Weeks within which a false alarm has probability at most alpha, however busy the task.
QUIET_WEEKS: Final = 4
DAY: Final = timedelta(days=1)


class RateDriftState(msgspec.Struct, frozen=True, kw_only=True):
    """`weekly` holds the sums of the learning week, and `rows` their number, until `baseline` is fitted.

    `heaviest` is the largest weight seen, in millionths. `recent` holds the last 24 hours.
    """

    since: datetime | None = None
    rows: int = 0
    weekly: Weekly | None = Weekly()
    baseline: Baseline | None = msgspec.field(default=None, name="usual")
    drift: DriftState = DriftState()
    heaviest: int = MICRO
    recent: tuple[tuple[datetime, Moments], ...] = msgspec.field(default=(), name="lately")
    opened_at: datetime | None = None
    recovery: Recovery = Recovery()

    @property
    def status(self) -> RateDriftStatus:
        if self.opened_at is not None:
            return "open"
        return "learning" if self.baseline is None else "watching"


class WatchedRate(msgspec.Struct, frozen=True, kw_only=True):
    """The rate a detector watches. `name` is for people, such as "regret of small-7b on ticket-intent".

    An incident is critical where the whole interval of the rate is above `critical_above`.
    """

    name: str
    subject: str
    critical_above: float | None = None


def step(
    state: RateDriftState, hour: datetime, seen: Moments, watched: WatchedRate, *, horizon: int = HORIZON
) -> tuple[RateDriftState, Event | None]:
    """The state after an hour that is later than all before it, and its event. Skips an hour without rows."""
    if not seen.n:
        return state, None
    state = msgspec.structs.replace(
        state,
        since=state.since or hour,
        heaviest=max(state.heaviest, seen.heaviest),
        recent=_last_day(state, hour, seen),
    )
    state = _with_baseline(state, hour)
    if state.baseline is None:
        weekly = (state.weekly or Weekly()) + Weekly.of([(hour, seen)])
        return msgspec.structs.replace(state, weekly=weekly, rows=state.rows + seen.n), None
    if state.opened_at is not None:
        return _recovering(state, hour, seen, watched)
    expected = state.baseline.cautious[hour_of_week(hour)]
    level = alarm_level(max(horizon, QUIET_WEEKS * state.rows))
    state = msgspec.structs.replace(state, drift=observe_hours(state.drift, [(seen, expected)], level))
    if not state.drift.alarmed:
        return state, None
    opened = _opened(state, hour, watched, level)
    return msgspec.structs.replace(state, opened_at=hour, recovery=Recovery()), opened


def close_stale(state: RateDriftState, until: datetime, subject: str) -> tuple[RateDriftState, Event | None]:
    """Closes the incident if the rate has had no rows for a week before `until`."""
    if state.opened_at is None or until < state.recent[-1][0] + STALE_AFTER:
        return state, None
    closed = Closed(subject=subject, opened_at=state.opened_at, at=state.recent[-1][0] + STALE_AFTER, reason=STALE)
    return _reset(state), closed


def _reset(state: RateDriftState) -> RateDriftState:
    return msgspec.structs.replace(state, drift=DriftState(), opened_at=None, recovery=Recovery())


def _last_day(state: RateDriftState, hour: datetime, seen: Moments) -> tuple[tuple[datetime, Moments], ...]:
    return (*(each for each in state.recent if each[0] > hour - DAY), (hour, seen))


def _with_baseline(state: RateDriftState, hour: datetime) -> RateDriftState:
    """The state with a baseline, once a week has passed before `hour` and enough rows were seen."""
    is_learnt = state.since is not None and hour - state.since >= LEARNING_PERIOD and state.rows >= MIN_ROWS
    if state.baseline is not None or not is_learnt:
        return state
    return msgspec.structs.replace(state, baseline=fit_baseline(state.weekly or Weekly()), weekly=None)


def _opened(state: RateDriftState, hour: datetime, watched: WatchedRate, level: float) -> Opened:
    last_day = sum((seen for _, seen in state.recent), Moments())
    found, usual = interval(last_day), expected_last_day(state)
    is_critical = watched.critical_above is not None and found.low > watched.critical_above
    severity: Severity = "critical" if is_critical else "warning"
    return Opened(
        subject=watched.subject,
        at=hour,
        severity=severity,
        summary=f"{watched.name} rose above its usual {percent(usual)} for these hours; "
        f"last 24 h {format_interval(found)}",
        detail={
            "usual": usual,
            "last_24_h": as_detail(found),
            "evidence": state.drift.level,
            "threshold": level,
            "n_since_start": state.drift.n,
        },
    )


def expected_last_day(state: RateDriftState) -> float:
    """The baseline rate of the last 24 hours with rows, weighted by their traffic."""
    assert state.baseline is not None
    weight = sum(seen.weight for _, seen in state.recent)
    return sum(state.baseline.expected[hour_of_week(hour)] * seen.weight for hour, seen in state.recent) / weight


def _recovering(
    state: RateDriftState, hour: datetime, seen: Moments, watched: WatchedRate
) -> tuple[RateDriftState, Event | None]:
    assert state.baseline is not None
    assert state.opened_at is not None
    usual = state.baseline.cautious[hour_of_week(hour)]
    period_now, period = recovery.step(state.recovery, hour, seen, usual)
    if period is None or not period.is_recovered:
        return msgspec.structs.replace(state, recovery=period_now), None
    closed = Closed(
        subject=watched.subject,
        opened_at=state.opened_at,
        at=hour + HOUR,
        reason=f"over {period.hours} h it was {percent(period.rate)}, n {period.n:,}: "
        f"no more than {percent(period.usual)}, which is usual for these hours",
    )
    return _reset(state), closed
