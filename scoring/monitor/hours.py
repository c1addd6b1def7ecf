"""Which hours of a task are complete, so that detectors may take them in.

An hour is complete when no exchange made before its end is on its way any more, and pairs
have been stored that were made `lateness` after its end; or, where traffic has stopped, when the
clock is that far on and no pair came for a while. It is taken in after it has looked complete for
`settle`: the trials of one exchange come one after the other, and while weeks of history are
replayed at high speed an hour of events takes less than a second.

Nothing may hold up the hours for good. An exchange older than its task's `max_age` would not be
asked about any more, so it has been lost. A judge that does not get on within a day is not
waited for. What comes later is late: counted, and not used.
"""

from datetime import datetime, timedelta
from typing import Final

import msgspec

#: How long the hours wait for a judge that does not get on.
JUDGE_TIMEOUT: Final = timedelta(days=1)


class StoreProgress(msgspec.Struct, frozen=True, kw_only=True):
    """What the store says of a task at `now`: the hour of its newest pair, and how many there are.

    Of what holds its hours up, the oldest: an exchange in flight (not older than is worth waiting
    for), a pair that a judge is due to look at.
    """

    now: datetime
    last_hour: datetime
    pairs: int
    in_flight_at: datetime | None = None
    judge_due_at: datetime | None = None


class Watermark(msgspec.Struct, frozen=True, kw_only=True):
    """All hours before `settled` are complete, those before `pending` have looked so since `pending_since`.

    `pairs` have not changed since `pairs_since`. `judged` is up to where judges are done as well.
    """

    pairs: int = 0
    pairs_since: datetime | None = None
    pending: datetime | None = None
    pending_since: datetime | None = None
    settled: datetime | None = None
    judged: datetime | None = None
    judged_since: datetime | None = None


def step(state: Watermark, seen: StoreProgress, *, lateness: timedelta, settle: timedelta) -> Watermark:
    """The state after a look. `settled` and `judged` never go back."""
    now = seen.now
    is_same = state.pairs_since is not None and state.pairs == seen.pairs
    pairs_since = state.pairs_since if is_same and state.pairs_since else now
    is_quiet = now - pairs_since >= settle
    # A clock that is ahead must not declare hours complete that are still to come.
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
    """The start of its hour."""
    return moment.replace(minute=0, second=0, microsecond=0)


def _judged(state: Watermark, seen: StoreProgress, settled: datetime | None) -> tuple[datetime | None, datetime]:
    """Up to where judges are done, and since when that has not moved."""
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
