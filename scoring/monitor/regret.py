"""Regret has risen: users lose more than the baseline for the hour of the week.

One detector per candidate, kind of pair and source of regret. People's labels have no such
detector: they arrive days later, and come from pairs that were selected for labelling.
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
    """One hour of the regret by `source`. Critical where the whole interval is above the accepted `limit`."""
    by = " by its judge" if source == "judge" else ""
    watched = WatchedRate(name=f"regret of {candidate} on {task}{by}", subject=source, critical_above=limit)
    return rate_drift.step(state, hour, moments(regret, state.heaviest), watched, horizon=horizon)
