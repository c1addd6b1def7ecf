"""The candidate fails more often than is usual: timeouts, errors, refusals, answers in no format.

Failures are counted, not weighted: a failing endpoint fails whatever was sampled.
"""

from datetime import datetime
from typing import Final

from scoring.monitor import rate_drift
from scoring.monitor.events import Event
from scoring.monitor.figures import failing
from scoring.monitor.rate_drift import RiseState, Wording
from shadow.aggregates.tally import Tally

DETECTOR: Final = "candidate_failures"


def step(
    state: RiseState, hour: datetime, tally: Tally, *, task: str, candidate: str, horizon: int
) -> tuple[RiseState, Event | None]:
    """One hour of a candidate's pairs of one kind."""
    wording = Wording(what=f"the share of {candidate}'s replies on {task} that failed", subject="")
    return rate_drift.step(state, hour, failing(tally, "candidate"), wording, horizon=horizon)
