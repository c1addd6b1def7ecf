"""The candidate fails more often than is usual: timeouts, errors, refusals, answers in no format.

Failures are counted, not weighted: a failure_moments endpoint fails whatever was sampled.
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
    wording = WatchedRate(what=f"the share of {candidate}'s replies on {task} that failed", subject="")
    return rate_drift.step(state, hour, failure_moments(tally, "candidate"), wording, horizon=horizon)
