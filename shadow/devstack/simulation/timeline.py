"""The events of the simulated weeks, in one place for all modules that take part in them.

always         the candidate is worse in one segment, and at night (see `accuracy`)
last 7 days    a campaign brings more Portuguese customers, for whom the candidate is as good as for others
last 7 days    the candidate serves a tenth of one task's users, and from halfway on a quarter
last 3 days    the candidate gets worse at another task, because its vendor has changed it
"""

from datetime import datetime, timedelta
from typing import Final

from shadow.policy.sampling import position
from shadow.records import Role

HISTORY: Final = timedelta(days=21)

CAMPAIGN_LASTS: Final = timedelta(days=7)

#: The task that moves to the candidate, and its stages: time before the end, and percentage.
ROLLOUT_TASK: Final = "ticket-intent"
STAGES: Final = ((timedelta(days=7), 10), (timedelta(days=3, hours=12), 25))

DRIFTING_TASK: Final = "invoice-fields"
DRIFT_LASTS: Final = timedelta(days=3)


def stage(task: str, left: timedelta) -> int:
    """The percentage of a task's users that the candidate serves, `left` before the weeks end."""
    return max((percent for since, percent in STAGES if task == ROLLOUT_TASK and left <= since), default=0)


def server(task: str, unit: str, percent: int) -> Role:
    """Who serves this user at a stage. A user of the candidate stays with it at every later stage."""
    return "candidate" if 100 * position(unit, salt=f"stage/{task}") < percent else "frontier"


def drifts(task: str, at: datetime, now: datetime) -> bool:
    """Whether the candidate has drifted by `at`. `now` is the end of the weeks."""
    return task == DRIFTING_TASK and at >= now - DRIFT_LASTS
