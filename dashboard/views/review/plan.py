"""With which probability a pair is chosen for labelling: the day's labels, divided over the strata.

Half of the labels go to pairs that the judge calls worse and half to the others; where no verdict
exists, half to disagreements and half to agreements. Pairs of a rare stratum are so labelled more
often than their share of the traffic; the probability is stored with each label, and 1 / probability
weights it back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from scoring.stats.two_phase import TwoPhase, labelling_probabilities
from shadow.store.feedback.review import AGREEMENT, DISAGREEMENT, JUDGED_FINE, JUDGED_WORSE, Progress, StratumProgress

#: Older pairs are not offered: people label current traffic.
WINDOW: Final = timedelta(days=7)

#: Share of labelled pairs that are offered to a second person.
SECOND_OPINIONS: Final = 0.1

#: Pairs of strata that share labels equally. The first of each is expected to contain more regret.
STRATUM_PAIRS: Final = ((JUDGED_WORSE, JUDGED_FINE), (DISAGREEMENT, AGREEMENT))

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Pairs of the event time `since` or later are chosen with the probability of their stratum.

    `fixed_at` is the moment for which the probabilities were computed.
    """

    since: datetime
    fixed_at: datetime
    probabilities: Mapping[str, float]


def window_start(newest: datetime, *, payload_days: float) -> datetime:
    """The start of the window that ends with the hour `newest`: a midnight (UTC) within the retention of payloads."""
    midnight = newest.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - min(WINDOW, max(0, int(payload_days) - 1) * _DAY)


def fixed_at(since: datetime, *, first: datetime, newest: datetime) -> datetime:
    """The moment for which the probabilities are computed: they stay the same for a day.

    On a task's first day there is too little data for that, and they stay the same for an hour.
    """
    midnight = newest.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight if max(first, since) < midnight else newest


def plan(
    progress: Progress, *, since: datetime, fixed_at: datetime, first: datetime, newest: datetime, per_day: int
) -> Plan:
    """Probabilities that choose `per_day` pairs a day, at the mean traffic of the window so far.

    `first` and `newest` are the hours of the task's first and newest exchange.
    """
    days = max(_DAY, newest + timedelta(hours=1) - max(first, since)) / _DAY
    pairs = sum(each.pairs for each in progress.strata.values()) + progress.awaiting_judge
    if not (pairs and per_day):
        return Plan(since=since, fixed_at=fixed_at, probabilities={})
    per_pair = min(1.0, per_day * days / pairs)
    probabilities: dict[str, float] = {}
    for rare, other in STRATUM_PAIRS:
        counts = TwoPhase(judged_worse=_pairs(progress, rare), judged_fine=_pairs(progress, other))
        of_rare, of_other = labelling_probabilities(counts, per_pair)
        probabilities |= {rare: _rounded(of_rare), other: _rounded(of_other)}
    return Plan(since=since, fixed_at=fixed_at, probabilities=probabilities)


def _pairs(progress: Progress, stratum: str) -> int:
    return progress.strata.get(stratum, StratumProgress()).pairs


def _rounded(probability: float) -> float:
    # Two digits: easy to read, and mostly the same after a restart with a few pairs more.
    return float(f"{probability:.2g}")
