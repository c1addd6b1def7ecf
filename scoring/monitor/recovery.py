"""When a rate that had risen is back to normal.

An incident must not close on a quiet hour, nor stay open for weeks until an interval is narrow.
So the time after it opened is divided into consecutive periods of at least a day, each long enough
that the baseline would bring at least ten regrets. The first period whose rate is not above the
baseline closes the incident. If the rate were still twice the baseline, a period would look
recovered with a probability of 1%; if it were 1.5 times the baseline, 12%. A wrong close does
little harm: the detector starts again and raises its alarm again.

Where no data arrives any more, because a candidate was withdrawn or a segment no longer occurs,
there is nothing to recover: after a week without data the incident closes for that reason.
"""

from datetime import datetime, timedelta
from typing import Final

import msgspec

from scoring.stats.moments import MICRO, Moments

MIN_PERIOD: Final = timedelta(days=1)
MIN_EXPECTED: Final = 10.0

HOUR: Final = timedelta(hours=1)

STALE_AFTER: Final = timedelta(days=7)
STALE: Final = "no data for a week"


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """The current period: its start, the sums of its rows, and Σ weight · baseline rate (millionths)."""

    since: datetime | None = None
    seen: Moments = Moments()
    usual: float = 0.0


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """A complete period, with its rate and its baseline rate."""

    hours: int
    n: int
    rate: float
    usual: float

    @property
    def is_recovered(self) -> bool:
        return self.rate <= self.usual


def step(state: Recovery, hour: datetime, seen: Moments, usual: float) -> tuple[Recovery, Period | None]:
    """Adds `hour` to the current period. If that completes it: an empty one, and the completed period."""
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
