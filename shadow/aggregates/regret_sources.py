"""Who may say that a reply is worse, and what each of them says.

Three sources, strongest first: a person's label, the reference, a judge's preference. A pair
may have several, and each is counted by itself, so that a judge can be held against people and
a late label changes nothing but the figures of its own source.

Net regret is in [-1, 1]: 1 where the frontier's reply is better, 0 for a tie, -1 where the
candidate's is. Regret is what of it is above 0. A ceiling has none: both replies are the
frontier's. A preference counts even where the scorer could not read a reply, as long as there
were two replies to look at: whoever preferred one of them did compare them.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from shadow.records import Comparison, Preference, RegretSource, Trial, candidate_reply, frontier_reply

#: Strongest first.
SOURCES: Final[tuple[RegretSource, ...]] = ("human", "reference", "judge")

#: Net regret of a preference.
NET: Final[dict[Preference, float]] = {"frontier": 1.0, "tie": 0.0, "candidate": -1.0}

#: Failures of a reply that nevertheless arrived, so that somebody could judge it.
SEEN: Final = (None, "malformed", "truncated", "refusal", "empty")


def were_seen(trial: Trial) -> bool:
    """Whether there are two replies that somebody could compare."""
    return frontier_reply(trial).failure in SEEN and candidate_reply(trial).failure in SEEN


def net_by_source(trial: Trial, comparison: Comparison) -> dict[RegretSource, float]:
    """The net regret that each source gives this pair, strongest first; empty where there is none."""
    if trial.kind == "ceiling":
        return {}
    found: dict[RegretSource, float] = {}
    exchange = trial.exchange
    seen = (exchange.label is not None or exchange.judge is not None) and were_seen(trial)
    if seen and exchange.label is not None:
        found["human"] = NET[exchange.label]
    if comparison.frontier_correct is not None and comparison.candidate_correct is not None:
        found["reference"] = round(comparison.frontier_correct - comparison.candidate_correct, 6)
    if seen and exchange.judge is not None:
        found["judge"] = NET[exchange.judge]
    return found


def consensus(preferences: Iterable[Preference]) -> Preference | None:
    """What most people say of a pair; a tie where no preference has more voices than every other."""
    voices = Counter(preferences).most_common(2)
    if not voices:
        return None
    if len(voices) == 2 and voices[0][1] == voices[1][1]:
        return "tie"
    return voices[0][0]
