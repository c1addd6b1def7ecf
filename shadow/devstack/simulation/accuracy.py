"""How often each simulated model is right, by segment and time, and how else it fails.

The candidate is nearly as good as the frontier, with three weaknesses that an average hides: one
bad segment, one bad time of day, and one task that gets worse in the last days.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from statistics import NormalDist
from typing import Final

from shadow.records import Role

#: The names under which the two models appear. They show that the models are not real.
MODEL_NAMES: Final[dict[Role, str]] = {"frontier": "simulated-frontier", "candidate": "simulated-7b"}

ACCURACY: Final[dict[Role, float]] = {"frontier": 0.97, "candidate": 0.96}
BAD_SEGMENT: Final = ("ticket-intent", "de")
BAD_SEGMENT_ACCURACY: Final = 0.80
NIGHT_LOSS: Final = 0.08
DRIFT_LOSS: Final = 0.45

#: Share of requests whose outcome is drawn again at each attempt. Because of them a model does not
#: always agree with itself.
RESAMPLED_SHARE: Final = 0.4


@dataclass(frozen=True, kw_only=True)
class FailureRates:
    """Probabilities, per reply, of a failure."""

    refusal: float
    truncated: float
    malformed: float  # of answers that should be JSON
    slow: float


FAILURE_RATES: Final[dict[Role, FailureRates]] = {
    "frontier": FailureRates(refusal=0.001, truncated=0.001, malformed=0.001, slow=0.005),
    "candidate": FailureRates(refusal=0.004, truncated=0.004, malformed=0.010, slow=0.010),
}


def is_night(at: datetime) -> bool:
    """22:00 to 05:00 UTC."""
    return at.hour >= 22 or at.hour < 5


def accuracy(role: Role, task: str, locale: str, at: datetime, *, drifted: bool) -> float:
    """The probability that `role` answers a request right. The frontier never drifts."""
    if role == "frontier":
        return ACCURACY[role]
    base = BAD_SEGMENT_ACCURACY if (task, locale) == BAD_SEGMENT else ACCURACY[role]
    return base - (NIGHT_LOSS if is_night(at) else 0.0) - (DRIFT_LOSS if drifted else 0.0)


def confidence(chance: float, doubt: float, draw: float) -> float:
    """How sure the candidate is of an answer that is right if `doubt` is below `chance`.

    As of real models: surer where it is right, and often too sure where it is wrong. `draw` is in [0, 1).
    """
    sure = 1 - 0.45 * (doubt / chance) ** 3 if doubt < chance else 0.55 + 0.42 * draw
    return round(sure, 4)


#: Milliseconds to the first token, and per token after it.
_PACE: Final[dict[Role, tuple[float, float]]] = {"frontier": (650.0, 12.0), "candidate": (190.0, 3.0)}
_SLOW_FACTOR: Final = 8.0
_NORMAL: Final = NormalDist()


def latency_ms(role: Role, tokens: int, draw: float, *, slow: bool) -> tuple[float, float]:
    """Time to the first and to the last token, in milliseconds: log-normal, with a slow tail."""
    first, each = _PACE[role]
    spread = math.exp(0.3 * _NORMAL.inv_cdf(min(max(draw, 1e-6), 1 - 1e-6)))
    factor = spread * (_SLOW_FACTOR if slow else 1.0)
    return round(first * factor, 1), round((first + each * tokens) * factor, 1)
