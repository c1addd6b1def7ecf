"""Which hours of a task are complete, so that detectors may read them: an event-time watermark.

An hour is complete when no exchange from before its end is in flight any more, and pairs have been
stored whose event time is `lateness` after its end; or, where traffic has stopped, when the clock is
that far ahead and no pair has arrived for a while. Detectors read it after it has looked complete
for `settle`: the trials of one exchange arrive one after the other, and when weeks of history are
replayed at high speed an hour of event time takes less than a second.

Nothing may delay the hours forever. An exchange older than its task's `max_age` gets no trial any
more, so it counts as lost. The hours wait at most a day for a judge that makes no progress. Pairs
that arrive later are late: counted, and not used.
"""

from datetime import datetime, timedelta
from typing import Final

import msgspec

#: How long the hours wait for a judge that makes no progress.
JUDGE_TIMEOUT: Final = timedelta(days=1)


class StoreProgress(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored of a task at `now`: the hour of its newest pair, and the number of pairs.

    `in_flight_at` is the time of the oldest exchange in flight that is still worth waiting for,
    `judge_due_at` that of the oldest pair that waits for a judge.
    """

    now: datetime
    last_hour: datetime
    pairs: int
    in_flight_at: datetime | None = None
    judge_due_at: datetime | None = None


class Watermark(msgspec.Struct, frozen=True, kw_only=True):
    """All hours before `settled` are complete; those before `pending` have looked complete since `pending_since`.

    The number of `pairs` has not changed since `pairs_since`. Judges are done with all hours before `judged`.
    """

    pairs: int = 0
    pairs_since: datetime | None = None
    pending: datetime | None = None
    pending_since: datetime | None = None
    settled: datetime | None = None
    judged: datetime | None = None
    judged_since: datetime | None = None


def step(state: Watermark, seen: StoreProgress, *, lateness: timedelta, settle: timedelta) -> Watermark:
    """The watermark after a look at the store. `settled` and `judged` never move back."""
    now = seen.now
    is_same = state.pairs_since is not None and state.pairs == seen.pairs
    pairs_since = state.pairs_since if is_same and state.pairs_since else now
    is_quiet = now - pairs_since >= settle
    # Event times ahead of the clock must not complete hours that are still to come.
    newest = min(seen.last_hour, now)
    complete = start_of_hour(min(start_of_hour(now if is_quiet else newest) - lateness, seen.in_flight_at or now))
    pending, pending_since = state.pending, state.pending_since or now
    settled = state.settled
    if is_quiet:
        settled = _later(settled, complete)
    elif pending is not None and now - pending_since >= settle:
        settled = _later(settled, min(pending, complete))
    if pending is None or now - pending_since >= settle:
        pending, pending_since = complete, now
    judged, judged_since = _judged(state, seen, settled)
    return Watermark(
        pairs=seen.pairs,
        pairs_since=pairs_since,
        pending=pending,
        pending_since=pending_since,
        settled=settled,
        judged=judged,
        judged_since=judged_since,
    )


def start_of_hour(moment: datetime) -> datetime:
    """The start of the hour that holds `moment`."""
    return moment.replace(minute=0, second=0, microsecond=0)


def _judged(state: Watermark, seen: StoreProgress, settled: datetime | None) -> tuple[datetime | None, datetime]:
    """The hour up to which judges are done, and since when it has not moved."""
    since = state.judged_since or seen.now
    if settled is None:
        return None, since
    reached = settled if seen.judge_due_at is None else min(settled, start_of_hour(seen.judge_due_at))
    judged = _later(state.judged, reached)
    if judged != state.judged or judged == settled:
        return judged, seen.now
    if seen.now - since >= JUDGE_TIMEOUT:
        return settled, seen.now
    return judged, since


def _later(one: datetime | None, other: datetime) -> datetime:
    return other if one is None or other > one else one
