"""How likely a pair is to be labelled: the day's labels, dealt out over what pairs were chosen from.

Half of the labels go to pairs that the judge calls worse and half to the others; where no judge
looked, half to disagreements and half to agreements. What is rare is so labelled more often than
its share, and the chance, which is kept with each label, weighs it back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from scoring.stats.two_phase import TwoPhase, labelling_probabilities
from shadow.store.feedback.review import AGREEMENT, DISAGREEMENT, JUDGED_FINE, JUDGED_WORSE, Progress, StratumProgress

#: Pairs older than this are not offered: people label what the traffic is like now.
WINDOW: Final = timedelta(days=7)

#: Share of labelled pairs that a second person is asked about.
SECOND_OPINIONS: Final = 0.1

#: Of two strata, the one that is expected to hold more regret stands first.
HALVES: Final = ((JUDGED_WORSE, JUDGED_FINE), (DISAGREEMENT, AGREEMENT))

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Pairs of the event time `since` or later are chosen with the probability of their stratum.

    `settled_at` is the moment of which the probabilities were worked out.
    """

    since: datetime
    settled_at: datetime
    probabilities: Mapping[str, float]


def window(newest: datetime, *, payload_days: float) -> datetime:
    """Where the window starts that ends with the hour `newest`: on a midnight (UTC), and where there are payloads."""
    midnight = newest.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - min(WINDOW, max(0, int(payload_days) - 1) * _DAY)


def settled_at(since: datetime, *, first: datetime, newest: datetime) -> datetime:
    """The moment of which the chances are worked out: they stay as they are for a day.

    On a task's first day, of which too little is known for that, they stay for an hour.
    """
    midnight = newest.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight if max(first, since) < midnight else newest


def plan(
    progress: Progress, *, since: datetime, settled_at: datetime, first: datetime, newest: datetime, per_day: int
) -> Plan:
    """Chances with which `per_day` pairs of a day are chosen, at the pace of the window so far.

    `first` and `newest` are the hours of the task's first and newest exchange.
    """
    days = max(_DAY, newest + timedelta(hours=1) - max(first, since)) / _DAY
    pairs = sum(each.pairs for each in progress.strata.values()) + progress.awaiting_judge
    if not (pairs and per_day):
        return Plan(since=since, settled_at=settled_at, probabilities={})
    per_pair = min(1.0, per_day * days / pairs)
    chances: dict[str, float] = {}
    for rare, other in HALVES:
        counts = TwoPhase(judged_worse=_pairs(progress, rare), judged_fine=_pairs(progress, other))
        first_chance, second_chance = labelling_probabilities(counts, per_pair)
        chances |= {rare: _written(first_chance), other: _written(second_chance)}
    return Plan(since=since, settled_at=settled_at, probabilities=chances)


def _pairs(progress: Progress, stratum: str) -> int:
    return progress.strata.get(stratum, StratumProgress()).pairs


def _written(chance: float) -> float:
    # As short as people would write it, which also is the same after a restart with a few pairs more.
    return float(f"{chance:.2g}")
