"""The sources of regret, their order of strength, and the regret of a pair by each.

There are three sources, strongest first: a person's label, the reference, a judge's preference. A
pair may have several, and each is counted by itself. A judge can then be compared with people, and a
label that comes late changes only the figures of its own source.

Net regret is in [-1, 1]: 1 if the frontier's reply is better, 0 for a tie, -1 if the candidate's
reply is better. Regret is net regret, or 0 where that is negative. A ceiling pair has no regret: both
replies are the frontier's. A preference counts even if the scorer could not read a reply, as long as
there were two replies to look at.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final, Protocol

from shadow.records import Preference, RegretSource, Trial, TrialKind, arrived, candidate_reply, frontier_reply

#: Strongest first.
SOURCES: Final[tuple[RegretSource, ...]] = ("human", "reference", "judge")

#: The net regret of a preference.
NET: Final[dict[Preference, float]] = {"frontier": 1.0, "tie": 0.0, "candidate": -1.0}


def both_arrived(trial: Trial) -> bool:
    """Whether there are two replies to compare; either may be refused, empty, cut short or malformed."""
    return arrived(frontier_reply(trial).failure) and arrived(candidate_reply(trial).failure)


def net_regrets(
    kind: TrialKind,
    human: Preference | None,
    frontier_correct: float | None,
    candidate_correct: float | None,
    judge: Preference | None,
) -> dict[RegretSource, float]:
    """The net regret of a pair by each source that it has, strongest first; empty if it has none."""
    found: dict[RegretSource, float] = {}
    if kind == "ceiling":
        return found
    if human is not None:
        found["human"] = NET[human]
    if frontier_correct is not None and candidate_correct is not None:
        found["reference"] = round(frontier_correct - candidate_correct, 6)
    if judge is not None:
        found["judge"] = NET[judge]
    return found


class Graded(Protocol):
    """A comparison, or what a scorer knows before there is one: how right each reply is, if that is known."""

    @property
    def frontier_correct(self) -> float | None: ...
    @property
    def candidate_correct(self) -> float | None: ...


def net_by_source(trial: Trial, comparison: Graded) -> dict[RegretSource, float]:
    """`net_regrets` of a scored trial, with the label and the judge's preference that came with its exchange."""
    human, judge = trial.exchange.label, trial.exchange.judge
    if (human is not None or judge is not None) and not both_arrived(trial):
        human = judge = None
    return net_regrets(trial.kind, human, comparison.frontier_correct, comparison.candidate_correct, judge)


def consensus(preferences: Iterable[Preference]) -> Preference | None:
    """The preference that most labels have; a tie if no preference has more labels than every other one."""
    most = Counter(preferences).most_common(2)
    if not most:
        return None
    if len(most) == 2 and most[0][1] == most[1][1]:
        return "tie"
    return most[0][0]
