"""What happens in the simulated weeks, and when: told once, for all who play a part in it.

all along      the candidate is worse in one segment, and at night (see `abilities`)
last 7 days    a campaign brings more Portuguese customers, for whom the candidate is as good as for others
last 7 days    the candidate serves a tenth of one task's users, from half-way on a quarter
last 3 days    the candidate gets worse at another task: its vendor changed something
"""

from datetime import datetime, timedelta
from typing import Final

from shadow.policy.sampling import position
from shadow.records import Role

HISTORY: Final = timedelta(days=21)

CAMPAIGN_LASTS: Final = timedelta(days=7)

#: The task that moves to the candidate, and since when (before the end) to how many percent.
ROLLOUT_TASK: Final = "ticket-intent"
STAGES: Final = ((timedelta(days=7), 10), (timedelta(days=3, hours=12), 25))

DRIFTING_TASK: Final = "invoice-fields"
DRIFT_LASTS: Final = timedelta(days=3)


def stage(task: str, left: timedelta) -> int:
    """The percentage of a task's users that the candidate serves, `left` before the weeks end."""
    return max((percent for since, percent in STAGES if task == ROLLOUT_TASK and left <= since), default=0)


def server(task: str, unit: str, percent: int) -> Role:
    """Who serves this user at a stage. Whom the candidate serves, it serves at every later stage as well."""
    return "candidate" if 100 * position(unit, salt=f"stage/{task}") < percent else "frontier"


def drifts(task: str, at: datetime, now: datetime) -> bool:
    """Whether the candidate is in its bad last days, `now` being when the weeks end."""
    return task == DRIFTING_TASK and at >= now - DRIFT_LASTS
