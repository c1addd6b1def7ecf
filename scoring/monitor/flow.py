"""Coverage lost, by the clock: exchanges stuck on their way, capture dropping, a judge behind.

These are plain thresholds with some patience, not sequential tests. What opens an incident must
have been so at every look for a while, since weeks of history on their way through the pipeline
look, for a moment, like an exchange that has been stuck for weeks. What was dropped before the
first look is not judged: nobody knows when it was.
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

#: The share of `most_lag` for which a lag must last before it is one.
LAG_HOLD_SHARE: Final = 1 / 3
#: A judge may be behind, or have spent its budget, for so long.
JUDGE_HOLD: Final = timedelta(hours=1)
#: A pair that waits for its judge longer than this is behind.
MAX_JUDGE_LAG: Final = timedelta(days=1)
PERIOD: Final = timedelta(hours=1)
#: A share of fewer exchanges says little.
MIN_EXCHANGES: Final = 100


class FlowSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What the store says of a task at `now`. `accepted` and `dropped` (by reason) are cumulative.

    What has been on its way for too long to be answered is lost, and not in `oldest_in_flight_at`.
    `judge_trouble` is what keeps the judge from judging, in its own words, if anything does.
    """

    now: datetime
    oldest_in_flight_at: datetime | None = None
    accepted: int = 0
    dropped: Mapping[str, int] = {}
    judge_due_at: datetime | None = None
    judge_trouble: str | None = None


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """Since when (by the clock) something has been amiss at every look, and its incident's beginning."""

    since: datetime | None = None
    opened_at: datetime | None = None


class DropState(msgspec.Struct, frozen=True, kw_only=True):
    """The cumulative counts at the start of the period under way."""

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
    state: FlowState, look: FlowSnapshot, *, task: str, most_lag: timedelta, most_dropped: float
) -> tuple[FlowState, list[Event]]:
    """The state after a look, and what began or ended."""
    lag, lag_event = _lag(state.lag, look, task, most_lag)
    drops, drops_event = _dropped(state.drops, look, task, most_dropped)
    judge, judge_event = _judge(state.judge, look, task)
    events = [event for event in (lag_event, drops_event, judge_event) if event is not None]
    return FlowState(lag=lag, drops=drops, judge=judge), events


def _lag(state: Condition, look: FlowSnapshot, task: str, most: timedelta) -> tuple[Condition, Event | None]:
    oldest = look.oldest_in_flight_at
    age = timedelta() if oldest is None else look.now - oldest
    if state.opened_at is not None:
        # Half of it, so that an age around the limit does not open and close in turn.
        if age > most / 2:
            return state, None
        because = "no exchange that could still be answered is stuck"
        return Condition(), Closed(subject=LAG, opened_at=state.opened_at, at=look.now, because=because)
    if oldest is None or age <= most:
        return Condition(), None
    since = state.since or look.now
    if look.now - since < LAG_HOLD_SHARE * most:
        return Condition(since=since), None
    opened = Opened(
        subject=LAG,
        at=oldest + most,
        severity="critical",
        summary=f"an exchange of {task} made at {oldest:%Y-%m-%d %H:%M} has been on its way for {_long(age)}; "
        f"more than {_long(most)} is a lag, and its hour and all later ones wait for it",
        detail={"oldest_in_flight_at": oldest.isoformat(), "most_lag_s": most.total_seconds()},
    )
    return Condition(since=since, opened_at=opened.at), opened


def _dropped(state: DropState, look: FlowSnapshot, task: str, most: float) -> tuple[DropState, Event | None]:
    begun = msgspec.structs.replace(state, since=look.now, accepted=look.accepted, dropped=dict(look.dropped))
    if state.since is None or look.accepted < state.accepted:
        return begun, None
    accepted = look.accepted - state.accepted
    dropped = {reason: n - state.dropped.get(reason, 0) for reason, n in sorted(look.dropped.items())}
    share = sum(dropped.values()) / accepted if accepted else 0.0
    is_over = look.now - state.since >= PERIOD
    if accepted < MIN_EXCHANGES:
        # Too few to say anything: the period goes on for as long as it takes.
        return state, None
    if state.opened_at is None and share > most:
        opened = Opened(
            subject=DROPPED,
            at=state.since,
            summary=f"capture dropped {percent(share)} of {accepted:,} exchanges of {task} "
            f"({', '.join(f'{reason} {n:,}' for reason, n in dropped.items() if n)}); "
            f"at most {percent(most)} an hour is accepted",
            detail={"share": share, "accepted": accepted, "dropped": dropped, "most": most},
        )
        return msgspec.structs.replace(begun, opened_at=state.since), opened
    if state.opened_at is not None and is_over and share <= most / 2:
        because = f"{percent(share)} of {accepted:,} exchanges were dropped in the last period"
        closed = Closed(subject=DROPPED, opened_at=state.opened_at, at=look.now, because=because)
        return msgspec.structs.replace(begun, opened_at=None), closed
    return (begun if is_over else state), None


def _judge(state: Condition, look: FlowSnapshot, task: str) -> tuple[Condition, Event | None]:
    due = look.judge_due_at
    is_behind = due is not None and (look.judge_trouble is not None or look.now - due > MAX_JUDGE_LAG)
    if not is_behind:
        if state.opened_at is None:
            return Condition(), None
        because = "the judge keeps up again"
        return Condition(), Closed(subject=JUDGE, opened_at=state.opened_at, at=look.now, because=because)
    since = state.since or look.now
    if state.opened_at is not None or look.now - since < JUDGE_HOLD:
        return msgspec.structs.replace(state, since=since), None
    assert due is not None
    opened = Opened(
        subject=JUDGE,
        at=since,
        summary=f"pairs of {task} wait for their judge, the oldest since {due:%Y-%m-%d %H:%M}: "
        + (look.judge_trouble or "it is asked less often than pairs arrive"),
        detail={"oldest_due_at": due.isoformat(), "trouble": look.judge_trouble},
    )
    return Condition(since=since, opened_at=since), opened


def _long(time: timedelta) -> str:
    minutes = round(time.total_seconds() / 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes / 60:.0f} h" if minutes < 48 * 60 else f"{minutes / 1440:.0f} days"
