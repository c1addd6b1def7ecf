"""The frontier itself has changed: it disagrees with itself, or fails, more than is usual.

Everything else is read relative to the frontier. When it moves, agreement and regret move with
it although the candidate is the same, and whoever looks at them should know.
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
    wording = WatchedRate(what=f"disagreement of {frontier} with itself on {task}", subject=AGREEMENT)
    return rate_drift.step(state, hour, disagreement_moments(agreement, state.heaviest), wording, horizon=horizon)


def step_failures(
    state: RateDriftState, hour: datetime, tally: Tally, *, task: str, horizon: int
) -> tuple[RateDriftState, Event | None]:
    """One hour of the replies that the frontier served."""
    wording = WatchedRate(what=f"the share of the frontier's replies on {task} that failed", subject=FAILURES)
    return rate_drift.step(state, hour, failure_moments(tally, "frontier"), wording, horizon=horizon)
