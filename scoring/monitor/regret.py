"""Regret has risen: users lose more than is usual at this hour of the week.

One detector per candidate, kind of pair and source of regret. People's labels are not watched
this way: they come days later, and from pairs chosen to be labelled.
"""

from datetime import datetime
from typing import Final

from scoring.monitor import rate_drift
from scoring.monitor.events import Event
from scoring.monitor.figures import moments
from scoring.monitor.rate_drift import RateDriftState, WatchedRate
from shadow.aggregates.tally import Sums
from shadow.records import RegretSource

DETECTOR: Final = "regret_drift"


def step(
    state: RateDriftState,
    hour: datetime,
    regret: Sums,
    *,
    task: str,
    candidate: str,
    source: RegretSource,
    limit: float,
    horizon: int,
) -> tuple[RateDriftState, Event | None]:
    """One hour of what `source` says. It is urgent where regret is surely above the accepted `limit`."""
    by = " by its judge" if source == "judge" else ""
    wording = WatchedRate(what=f"regret of {candidate} on {task}{by}", subject=source, critical=limit)
    return rate_drift.step(state, hour, moments(regret, state.heaviest), wording, horizon=horizon)
