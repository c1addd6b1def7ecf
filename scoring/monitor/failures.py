"""The candidate fails more often than its baseline: timeouts, errors, refusals, malformed replies.

Failures are counted without weights: a failing endpoint fails for every request, however it was sampled.
"""

from datetime import datetime
from typing import Final

from scoring.monitor import rate_drift
from scoring.monitor.events import Event
from scoring.monitor.figures import failure_moments
from scoring.monitor.rate_drift import RateDriftState, WatchedRate
from shadow.aggregates.tally import Tally

DETECTOR: Final = "candidate_failures"


def step(
    state: RateDriftState, hour: datetime, tally: Tally, *, task: str, candidate: str, horizon: int
) -> tuple[RateDriftState, Event | None]:
    """One hour of a candidate's pairs of one kind."""
    watched = WatchedRate(name=f"the share of {candidate}'s replies on {task} that failed", subject="")
    return rate_drift.step(state, hour, failure_moments(tally, "candidate"), watched, horizon=horizon)
