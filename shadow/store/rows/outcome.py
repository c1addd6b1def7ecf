"""How an exchange can end, and which of two outcomes counts.

Messages about one exchange come in any order and more than once. Outcomes are therefore ranked,
and the highest one counts: the result does not depend on the order.
"""

from typing import Final, NamedTuple

from shadow.records import Comparison, Trial

IN_FLIGHT: Final = "in_flight"
DEAD_LETTERED: Final = "dead_lettered"
EXPIRED: Final = "expired"
UNSCORED: Final = "unscored"
COMPARED: Final = "compared"

#: Why a placeholder is unscored: a pair from a file that held only one of the replies, when no
#: model was asked for the other one.
PLACEHOLDER_REASONS: Final = ("frontier_not_recorded", "candidate_not_recorded")

#: The rank of (outcome, comes from a ceiling trial), worst to best. A ceiling trial says nothing
#: about the exchange's own trial, so it decides only while nothing else is known.
RANKS: Final = {
    ranked: rank
    for rank, ranked in enumerate(
        [
            (IN_FLIGHT, False),
            (EXPIRED, True),
            (UNSCORED, True),
            (COMPARED, True),
            (DEAD_LETTERED, False),
            (EXPIRED, False),
            (UNSCORED, False),
            (COMPARED, False),
        ]
    )
}


class Outcome(NamedTuple):
    """Compares by rank, then by reason, so that the best of several is the same in any order."""

    rank: int
    reason: str
    name: str


ARRIVED: Final = Outcome(RANKS[IN_FLIGHT, False], "", IN_FLIGHT)
_COMPARED: Final = Outcome(RANKS[COMPARED, False], "", COMPARED)


def outcome_of_pair(trial: Trial, comparison: Comparison) -> Outcome:
    """How the trial's exchange ended, as far as this trial shows."""
    name, reason = COMPARED, ""
    if trial.reply.failure == "expired":
        name = EXPIRED
    elif comparison.agreement is None:
        name, reason = UNSCORED, comparison.unscored or "unknown"
    elif trial.kind != "ceiling":
        return _COMPARED
    if reason in PLACEHOLDER_REASONS:
        # No model was asked. Its rank is that of a compared ceiling, and its reason puts it above
        # that; every outcome of a trial that was made ranks higher.
        return Outcome(RANKS[COMPARED, True], reason, name)
    return Outcome(RANKS[name, trial.kind == "ceiling"], reason, name)


def dead_lettered(reason: str) -> Outcome:
    """The outcome of an exchange that has a dead letter."""
    return Outcome(RANKS[DEAD_LETTERED, False], reason, DEAD_LETTERED)
