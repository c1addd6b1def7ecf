"""When is something that rose back to normal?

An incident must not close on a quiet hour, nor stay open for weeks because an interval wants to
be narrow. So the time after it opened is cut into periods, one after the other, of at least a day
in which at least ten regrets would be usual. The first period whose rate is no higher than usual
closes it. Were the rate still twice the usual, a period would look calm with a probability of 1%;
were it half as high again, 12%. A wrong close is no loss: the detector starts anew and raises its
alarm again.

Where nothing comes any more, because a candidate was withdrawn or a segment has gone, there is
nothing to recover: after a week of silence the incident is closed for that reason.
"""

from datetime import datetime, timedelta
from typing import Final

import msgspec

from scoring.stats.moments import MICRO, Moments

MIN_PERIOD: Final = timedelta(days=1)
MIN_EXPECTED: Final = 10.0

HOUR: Final = timedelta(hours=1)

STALE_AFTER: Final = timedelta(days=7)
STALE: Final = "nothing came of it for a week"


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """The period under way: when it began, what was seen in it, and Σ weight · usual rate (millionths)."""

    since: datetime | None = None
    seen: Moments = Moments()
    usual: float = 0.0


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """A period that is over, with its rate and the one that would have been usual."""

    hours: int
    n: int
    rate: float
    usual: float

    @property
    def is_recovered(self) -> bool:
        return self.rate <= self.usual


def step(state: Recovery, hour: datetime, seen: Moments, usual: float) -> tuple[Recovery, Period | None]:
    """The period with `hour` in it, or, if that completes it, a new one and the period it was."""
    if not seen.n:
        return state, None
    since = state.since or hour
    total = state.seen + seen
    expected = state.usual + usual * seen.weight
    rate = expected / total.weight
    worth = total.weight**2 / (total.weight_squares * MICRO)
    length = hour + HOUR - since
    if length < MIN_PERIOD or worth * rate < MIN_EXPECTED:
        return Recovery(since=since, seen=total, usual=expected), None
    period = Period(hours=round(length / HOUR), n=total.n, rate=total.weighted / total.weight, usual=rate)
    return Recovery(), period
