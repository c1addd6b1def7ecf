"""A segment has turned bad: its regret is above the limit that the owner accepts.

The evidence of each segment is an e-value from sums: the mean of one over the whole history and one
over last week and this one (from Monday 0:00 UTC). The mean of two e-values is an e-value; the recent
one finds a segment that turns bad after months of being good, which the whole history alone would
take as long again to notice. It covers at least a whole week, because traffic has a weekly cycle:
the busy days alone may be worse than the limit although their week is not. e-BH over all segments
keeps the share of wrong flags at the task's rate at any look within a week, however much segments
overlap.

A flag opens one incident per segment, once the interval that the incident shows is above the limit
as well: bets win on four bad rows out of four, where an interval made for hundreds of rows still
says nothing. `recovery` closes it, with the accepted limit as the baseline, and the segment's evidence
then starts again. The whole traffic is one of the segments: where everything is above the limit, it
opens one incident instead of one for each segment, and only a segment that is surely worse than the
whole opens another. A dimension with a single value divides nothing and is left out.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from scoring.monitor import recovery
from scoring.monitor.events import Closed, Event, Opened
from scoring.monitor.figures import as_detail, format_interval, interval, moments, percent
from scoring.monitor.recovery import HOUR, STALE, STALE_AFTER, Recovery
from scoring.stats.moments import MICRO, Floats, Moments
from scoring.stats.segments import SegmentReading, e_values_above, judge_segments
from scoring.stats.sequential import Interval
from shadow.aggregates.tally import Sums
from shadow.records import RegretSource

DETECTOR: Final = "bad_segment"

WEEK: Final = timedelta(days=7)

#: More segments are not watched: a dimension with that many values most likely holds ids.
MAX_SEGMENTS: Final = 2_000

#: The name of the whole traffic among the segments.
WHOLE: Final = "all=all"


class SegmentHistory(msgspec.Struct, frozen=True, kw_only=True):
    """One segment: its regret over the whole history, last week and this week, and its incident if it has one.

    `last` is the newest hour with rows.
    """

    last: datetime
    whole: Moments = Moments()
    last_week: Moments = Moments()
    week: Moments = Moments()
    opened_at: datetime | None = None
    recovery: Recovery = Recovery()

    @property
    def recent(self) -> Moments:
        return self.last_week + self.week


class SegmentsState(msgspec.Struct, frozen=True, kw_only=True):
    """All segments by name, such as "locale=de". `monday` is the start of the week that `week` covers.

    `left_out` counts the hours of segments beyond MAX_SEGMENTS.
    """

    monday: datetime | None = None
    heaviest: int = MICRO
    left_out: int = 0
    segments: dict[str, SegmentHistory] = {}

    @property
    def open(self) -> list[str]:
        return sorted(name for name, history in self.segments.items() if history.opened_at is not None)


class _Recovered(NamedTuple):
    """A segment after an hour of its incident; `reason` says why the incident is over, and is empty if it is not."""

    history: SegmentHistory
    reason: str = ""


def step(
    state: SegmentsState,
    hour: datetime,
    regrets: Mapping[str, Sums],
    *,
    task: str,
    candidate: str,
    source: RegretSource,
    limit: float,
    false_flag_rate: float,
) -> tuple[SegmentsState, list[Event]]:
    """One hour of the regret of each segment with rows, and of the WHOLE."""
    heaviest = max([state.heaviest, *(sums.heaviest for sums in regrets.values())])
    seen = {name: moments(sums, state.heaviest) for name, sums in regrets.items() if sums.n}
    if not seen:
        return state, []
    monday = _monday(hour)
    known = _in_week(state, monday)
    free = max(MAX_SEGMENTS - len(known), 0)
    new = [name for name in sorted(seen, key=_whole_first) if name not in known]
    for name in new[free:]:
        del seen[name]
    segments = known | {name: _with_hour(known.get(name), each, hour) for name, each in seen.items()}
    readings = _readings(segments, limit, false_flag_rate)
    events: list[Event] = []
    # The whole first, because an incident of the whole decides about the others.
    for name in sorted(segments, key=_whole_first):
        history, reading = segments[name], readings.get(name)
        if history.opened_at is not None and name in seen:
            recovered = _recovering(history, hour, seen[name], limit)
            segments[name] = recovered.history
            if recovered.reason:
                closed = Closed(subject=name, opened_at=history.opened_at, at=hour + HOUR, reason=recovered.reason)
                events.append(closed)
        elif history.opened_at is None and reading is not None and _deserves_incident(name, segments, reading, limit):
            segments[name] = msgspec.structs.replace(history, opened_at=hour)
            what = f"regret of {candidate} on {task}" + (" by its judge" if source == "judge" else "")
            what += "" if name == WHOLE else f" where {name}"
            opened = _opened(name, hour, what, history, reading, limit)
            events.append(msgspec.structs.replace(opened, detail=opened.detail | {"source": source}))
    left_out = state.left_out + max(0, len(new) - free)
    return SegmentsState(monday=monday, heaviest=heaviest, left_out=left_out, segments=segments), events


def close_stale(state: SegmentsState, until: datetime) -> tuple[SegmentsState, list[Event]]:
    """Closes the incident of each segment without rows for a week before `until`."""
    segments, events = dict(state.segments), list[Event]()
    for name, history in sorted(state.segments.items()):
        if history.opened_at is not None and until >= history.last + STALE_AFTER:
            segments[name] = SegmentHistory(last=history.last)
            closed = Closed(subject=name, opened_at=history.opened_at, at=history.last + STALE_AFTER, reason=STALE)
            events.append(closed)
    return msgspec.structs.replace(state, segments=segments) if events else state, events


def _whole_first(name: str) -> tuple[bool, str]:
    return name != WHOLE, name


def _monday(hour: datetime) -> datetime:
    return hour.replace(hour=0) - timedelta(days=hour.weekday())


def _in_week(state: SegmentsState, monday: datetime) -> dict[str, SegmentHistory]:
    """The segments in the week that starts on `monday`; moves `week` to `last_week` where a new week begins.

    Drops those without an incident that had no rows for a whole week.
    """
    if state.monday is None or monday == state.monday:
        return state.segments
    is_next = monday - state.monday == WEEK
    return {
        name: msgspec.structs.replace(history, last_week=history.week if is_next else Moments(), week=Moments())
        for name, history in state.segments.items()
        if history.opened_at is not None or history.last >= monday - WEEK
    }


def _with_hour(history: SegmentHistory | None, seen: Moments, hour: datetime) -> SegmentHistory:
    known = history or SegmentHistory(last=hour)
    return msgspec.structs.replace(known, last=hour, whole=known.whole + seen, week=known.week + seen)


def _readings(segments: Mapping[str, SegmentHistory], limit: float, rate: float) -> dict[str, SegmentReading]:
    """The reading of each segment whose dimension has more than one value, and of the WHOLE."""
    values = Counter(name.partition("=")[0] for name in segments)
    judged = {name: each for name, each in segments.items() if name == WHOLE or values[name.partition("=")[0]] > 1}
    e_values: Floats = e_values_above(limit, [each for one in judged.values() for each in (one.whole, one.recent)])
    means = e_values.reshape(-1, 2).mean(axis=1)
    readings = judge_segments(means, [one.whole.n for one in judged.values()], rate)
    return dict(zip(judged, readings, strict=True))


def _deserves_incident(
    name: str, segments: Mapping[str, SegmentHistory], reading: SegmentReading, limit: float
) -> bool:
    """Whether a flagged segment opens an incident of its own."""
    if reading.status != "worse" or _strongest(segments[name])[0].low <= limit:
        return False
    whole = segments.get(WHOLE)
    if name == WHOLE or whole is None or whole.opened_at is None:
        return True
    return interval(segments[name].recent).low > (whole.recent.estimate or 0.0)


def _opened(
    name: str, hour: datetime, what: str, history: SegmentHistory, reading: SegmentReading, limit: float
) -> Opened:
    worse, since = _strongest(history)
    return Opened(
        subject=name,
        at=hour,
        severity="critical" if worse.low > 2 * limit else "warning",
        summary=f"{what} is above the accepted {percent(limit)}; {since} {format_interval(worse)}",
        detail={
            "limit": limit,
            "whole_watch": as_detail(interval(history.whole)),
            "since_last_week": as_detail(interval(history.recent)),
            "e_value": reading.e_value,
            "q_value": reading.q_value,
        },
    )


def _strongest(history: SegmentHistory) -> tuple[Interval, str]:
    """The interval with the highest lower bound, and the time it covers as text."""
    candidates = ((interval(history.whole), "since the start"), (interval(history.recent), "since last week"))
    return max(candidates, key=lambda each: each[0].low)


def _recovering(history: SegmentHistory, hour: datetime, seen: Moments, limit: float) -> _Recovered:
    period_now, period = recovery.step(history.recovery, hour, seen, limit)
    if period is None or not period.is_recovered:
        return _Recovered(msgspec.structs.replace(history, recovery=period_now))
    rate = f"over {period.hours} h it was {percent(period.rate)}, n {period.n:,}"
    return _Recovered(SegmentHistory(last=hour), f"{rate}: within the accepted {percent(limit)}")
