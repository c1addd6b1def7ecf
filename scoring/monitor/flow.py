"""Coverage lost, by the clock: exchanges stuck in flight, drops by capture, a judge that lags behind.

These are plain thresholds with a hold time, not sequential tests. A condition opens an incident only
after it has held at every snapshot for a while, because weeks of history that pass through the
pipeline look, for a moment, like an exchange that has been stuck for weeks. Drops before the first
snapshot do not count, because the time at which they happened is unknown.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from scoring.monitor.events import Closed, Event, Opened
from scoring.monitor.figures import percent

DETECTOR: Final = "coverage"
LAG: Final = "lag"
DROPPED: Final = "dropped"
JUDGE: Final = "judge"

#: A lag opens an incident after it has held for this share of `most_lag`.
LAG_HOLD_SHARE: Final = 1 / 3
#: How long a judge may lag behind, or be without budget, before an incident opens.
JUDGE_HOLD: Final = timedelta(hours=1)
#: A judge lags behind when a pair has waited for it for longer than this.
MAX_JUDGE_LAG: Final = timedelta(days=1)
PERIOD: Final = timedelta(hours=1)
#: Exchanges that a period must hold: the share of fewer is too noisy.
MIN_EXCHANGES: Final = 100


class FlowSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a task's pipeline at `now`. `accepted` and `dropped` (by reason) are cumulative.

    `oldest_in_flight_at` leaves out exchanges that are too old to be answered: those are lost.
    `judge_problem` says what keeps the judge from judging; None if nothing does.
    """

    now: datetime
    oldest_in_flight_at: datetime | None = None
    accepted: int = 0
    dropped: Mapping[str, int] = {}
    judge_due_at: datetime | None = None
    judge_problem: str | None = None


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """Since when (by the clock) a condition has held at every snapshot, and when its incident opened."""

    since: datetime | None = None
    opened_at: datetime | None = None


class DropState(msgspec.Struct, frozen=True, kw_only=True):
    """The cumulative counts at the start of the current period."""

    since: datetime | None = None
    accepted: int = 0
    dropped: dict[str, int] = {}
    opened_at: datetime | None = None


class FlowState(msgspec.Struct, frozen=True, kw_only=True):
    lag: Condition = Condition()
    drops: DropState = DropState()
    judge: Condition = Condition()

    @property
    def open(self) -> list[str]:
        parts = ((LAG, self.lag), (DROPPED, self.drops), (JUDGE, self.judge))
        return [name for name, part in parts if part.opened_at is not None]


def step(
    state: FlowState, snapshot: FlowSnapshot, *, task: str, max_lag: timedelta, max_dropped: float
) -> tuple[FlowState, list[Event]]:
    """The state after a snapshot, and its events."""
    lag, lag_event = _lag(state.lag, snapshot, task, max_lag)
    drops, drops_event = _dropped(state.drops, snapshot, task, max_dropped)
    judge, judge_event = _judge(state.judge, snapshot, task)
    events = [event for event in (lag_event, drops_event, judge_event) if event is not None]
    return FlowState(lag=lag, drops=drops, judge=judge), events


def _lag(state: Condition, snapshot: FlowSnapshot, task: str, max_lag: timedelta) -> tuple[Condition, Event | None]:
    oldest = snapshot.oldest_in_flight_at
    age = timedelta() if oldest is None else snapshot.now - oldest
    if state.opened_at is not None:
        # Half of the limit, so that an age around the limit does not open and close incidents in turn.
        if age > max_lag / 2:
            return state, None
        reason = "no exchange that can still be answered is stuck"
        return Condition(), Closed(subject=LAG, opened_at=state.opened_at, at=snapshot.now, reason=reason)
    if oldest is None or age <= max_lag:
        return Condition(), None
    since = state.since or snapshot.now
    if snapshot.now - since < LAG_HOLD_SHARE * max_lag:
        return Condition(since=since), None
    opened = Opened(
        subject=LAG,
        at=oldest + max_lag,
        severity="critical",
        summary=f"an exchange of {task} from {oldest:%Y-%m-%d %H:%M} has been in flight for {_duration(age)}, longer "
        f"than the accepted {_duration(max_lag)}; the detectors wait for it before they read its hour and later ones",
        detail={"oldest_in_flight_at": oldest.isoformat(), "most_lag_s": max_lag.total_seconds()},
    )
    return Condition(since=since, opened_at=opened.at), opened


def _dropped(state: DropState, snapshot: FlowSnapshot, task: str, max_share: float) -> tuple[DropState, Event | None]:
    next_period = msgspec.structs.replace(
        state, since=snapshot.now, accepted=snapshot.accepted, dropped=dict(snapshot.dropped)
    )
    if state.since is None or snapshot.accepted < state.accepted:
        return next_period, None
    accepted = snapshot.accepted - state.accepted
    dropped = {reason: n - state.dropped.get(reason, 0) for reason, n in sorted(snapshot.dropped.items())}
    share = sum(dropped.values()) / accepted if accepted else 0.0
    is_over = snapshot.now - state.since >= PERIOD
    if accepted < MIN_EXCHANGES:
        # Too few exchanges: the period continues until there are enough.
        return state, None
    if state.opened_at is None and share > max_share:
        opened = Opened(
            subject=DROPPED,
            at=state.since,
            summary=f"capture dropped {percent(share)} of {accepted:,} exchanges of {task} "
            f"({', '.join(f'{reason} {n:,}' for reason, n in dropped.items() if n)}); "
            f"at most {percent(max_share)} an hour is accepted",
            detail={"share": share, "accepted": accepted, "dropped": dropped, "most": max_share},
        )
        return msgspec.structs.replace(next_period, opened_at=state.since), opened
    if state.opened_at is not None and is_over and share <= max_share / 2:
        reason = f"{percent(share)} of {accepted:,} exchanges were dropped in the last period"
        closed = Closed(subject=DROPPED, opened_at=state.opened_at, at=snapshot.now, reason=reason)
        return msgspec.structs.replace(next_period, opened_at=None), closed
    return (next_period if is_over else state), None


def _judge(state: Condition, snapshot: FlowSnapshot, task: str) -> tuple[Condition, Event | None]:
    due = snapshot.judge_due_at
    is_behind = due is not None and (snapshot.judge_problem is not None or snapshot.now - due > MAX_JUDGE_LAG)
    if not is_behind:
        if state.opened_at is None:
            return Condition(), None
        reason = "the judge keeps up again"
        return Condition(), Closed(subject=JUDGE, opened_at=state.opened_at, at=snapshot.now, reason=reason)
    since = state.since or snapshot.now
    if state.opened_at is not None or snapshot.now - since < JUDGE_HOLD:
        return msgspec.structs.replace(state, since=since), None
    assert due is not None
    opened = Opened(
        subject=JUDGE,
        at=since,
        summary=f"pairs of {task} wait for the judge, the oldest since {due:%Y-%m-%d %H:%M}: "
        + (snapshot.judge_problem or "it judges fewer pairs than arrive"),
        detail={"oldest_due_at": due.isoformat(), "trouble": snapshot.judge_problem},
    )
    return Condition(since=since, opened_at=since), opened


def _duration(time: timedelta) -> str:
    minutes = round(time.total_seconds() / 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes / 60:.0f} h" if minutes < 48 * 60 else f"{minutes / 1440:.0f} days"
