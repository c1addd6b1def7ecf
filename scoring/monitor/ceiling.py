"""The frontier itself has changed: it disagrees with itself, or fails, more often than its baseline.

Agreement and regret are relative to the frontier. When it changes, they change although the
candidate is the same, so an incident must say so.
"""

from datetime import datetime
from typing import Final

from scoring.monitor import rate_drift
from scoring.monitor.events import Event
from scoring.monitor.figures import disagreement_moments, failure_moments
from scoring.monitor.rate_drift import RateDriftState, WatchedRate
from shadow.aggregates.tally import Sums, Tally

DETECTOR: Final = "ceiling"
AGREEMENT: Final = "agreement"
FAILURES: Final = "failures"


def step_agreement(
    state: RateDriftState, hour: datetime, agreement: Sums, *, task: str, frontier: str, horizon: int
) -> tuple[RateDriftState, Event | None]:
    """One hour of ceiling pairs: how well the frontier agreed with itself."""
    watched = WatchedRate(name=f"disagreement of {frontier} with itself on {task}", subject=AGREEMENT)
    return rate_drift.step(state, hour, disagreement_moments(agreement, state.heaviest), watched, horizon=horizon)


def step_failures(
    state: RateDriftState, hour: datetime, tally: Tally, *, task: str, horizon: int
) -> tuple[RateDriftState, Event | None]:
    """One hour of the replies that the frontier served."""
    watched = WatchedRate(name=f"the share of the frontier's replies on {task} that failed", subject=FAILURES)
    return rate_drift.step(state, hour, failure_moments(tally, "frontier"), watched, horizon=horizon)
