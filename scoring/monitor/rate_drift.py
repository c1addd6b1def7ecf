"""A rate has risen above what is usual at this hour of the week: the detector most others are made of.

It learns for a week of event time (and at least a hundred rows), hour by hour. Then the baseline
is fitted, once, and the e-detector of `scoring.stats.detection.drift` bets against it for as long as it
runs. The baseline is not fitted again: a rate that creeps up would take its baseline along. A
person who accepts a new level has it learn anew (`shadow monitor --relearn TASK`).

The alarm comes at N/alpha, N being the configured horizon or what four weeks bring at the
traffic of the first, whichever is more: a busy task must not be alarmed falsely more often per
week than a quiet one. An alarm opens an incident at the hour that raised it; `recovery` says when
it closes, and the detector then starts from nothing.
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
#: Weeks within which a false alarm is unlikely, however busy the task.
QUIET_WEEKS: Final = 4
DAY: Final = timedelta(days=1)


class RateDriftState(msgspec.Struct, frozen=True, kw_only=True):
    """`weekly` is what was learnt, until it has become `usual`. `rows` are those of the learning week.

    `heaviest` is the largest weight seen, in millionths. `lately` holds the last 24 hours.
    """

    since: datetime | None = None
    rows: int = 0
    weekly: Weekly | None = Weekly()
    usual: Baseline | None = None
    drift: DriftState = DriftState()
    heaviest: int = MICRO
    lately: tuple[tuple[datetime, Moments], ...] = ()
    opened_at: datetime | None = None
    recovery: Recovery = Recovery()

    @property
    def status(self) -> RateDriftStatus:
        if self.opened_at is not None:
            return "open"
        return "learning" if self.usual is None else "watching"


class WatchedRate(msgspec.Struct, frozen=True, kw_only=True):
    """How people call it: "regret of small-7b on ticket-intent". At `critical` and above it is urgent."""

    what: str
    subject: str
    critical: float | None = None


def step(
    state: RateDriftState, hour: datetime, seen: Moments, wording: WatchedRate, *, horizon: int = HORIZON
) -> tuple[RateDriftState, Event | None]:
    """The state after an hour, later than all before, and what happened in it. An hour without rows is none."""
    if not seen.n:
        return state, None
    state = msgspec.structs.replace(
        state,
        since=state.since or hour,
        heaviest=max(state.heaviest, seen.heaviest),
        lately=_last_day(state, hour, seen),
    )
    state = _with_baseline(state, hour)
    if state.usual is None:
        weekly = (state.weekly or Weekly()) + Weekly.of([(hour, seen)])
        return msgspec.structs.replace(state, weekly=weekly, rows=state.rows + seen.n), None
    if state.opened_at is not None:
        return _recovering(state, hour, seen, wording)
    expected = state.usual.cautious[hour_of_week(hour)]
    level = alarm_level(max(horizon, QUIET_WEEKS * state.rows))
    state = msgspec.structs.replace(state, drift=observe_hours(state.drift, [(seen, expected)], level))
    if not state.drift.alarmed:
        return state, None
    opened = _opened(state, hour, wording, level)
    return msgspec.structs.replace(state, opened_at=hour, recovery=Recovery()), opened


def close_stale(state: RateDriftState, until: datetime, subject: str) -> tuple[RateDriftState, Event | None]:
    """The state where nothing comes before `until`: after a week of that an incident is over."""
    if state.opened_at is None or until < state.lately[-1][0] + STALE_AFTER:
        return state, None
    closed = Closed(subject=subject, opened_at=state.opened_at, at=state.lately[-1][0] + STALE_AFTER, because=STALE)
    return _reset(state), closed


def _reset(state: RateDriftState) -> RateDriftState:
    return msgspec.structs.replace(state, drift=DriftState(), opened_at=None, recovery=Recovery())


def _last_day(state: RateDriftState, hour: datetime, seen: Moments) -> tuple[tuple[datetime, Moments], ...]:
    return (*(each for each in state.lately if each[0] > hour - DAY), (hour, seen))


def _with_baseline(state: RateDriftState, hour: datetime) -> RateDriftState:
    """With a baseline, once a week has passed before `hour`."""
    if state.usual is not None or state.since is None or hour - state.since < LEARNING_PERIOD or state.rows < MIN_ROWS:
        return state
    return msgspec.structs.replace(state, usual=fit_baseline(state.weekly or Weekly()), weekly=None)


def _opened(state: RateDriftState, hour: datetime, wording: WatchedRate, level: float) -> Opened:
    last_day = sum((seen for _, seen in state.lately), Moments())
    found, usual = interval(last_day), expected_last_day(state)
    is_urgent = wording.critical is not None and found.low > wording.critical
    severity: Severity = "critical" if is_urgent else "warning"
    return Opened(
        subject=wording.subject,
        at=hour,
        severity=severity,
        summary=f"{wording.what} rose above its usual {percent(usual)} for these hours; "
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
    """The rate that is usual in the hours of `lately`, weighted by their traffic."""
    assert state.usual is not None
    weight = sum(seen.weight for _, seen in state.lately)
    return sum(state.usual.expected[hour_of_week(hour)] * seen.weight for hour, seen in state.lately) / weight


def _recovering(
    state: RateDriftState, hour: datetime, seen: Moments, wording: WatchedRate
) -> tuple[RateDriftState, Event | None]:
    assert state.usual is not None
    assert state.opened_at is not None
    usual = state.usual.cautious[hour_of_week(hour)]
    period_now, period = recovery.step(state.recovery, hour, seen, usual)
    if period is None or not period.is_recovered:
        return msgspec.structs.replace(state, recovery=period_now), None
    closed = Closed(
        subject=wording.subject,
        opened_at=state.opened_at,
        at=hour + HOUR,
        because=f"over {period.hours} h it was {percent(period.rate)}, n {period.n:,}: "
        f"no more than {percent(period.usual)}, which is usual for these hours",
    )
    return _reset(state), closed
