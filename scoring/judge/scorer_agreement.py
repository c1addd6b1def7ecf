"""Scorers compared with people: does a scorer call two replies the same where people see no difference?

People label which reply is better. Where they call a pair a tie, the replies should agree; where they prefer one, the
replies should not. That is not quite the same question: two equally good replies may say different things, and then a
scorer that says "disagree" is right and counts here as wrong. So *false agreement* is the figure to look at first.

Every stored pair with a label is compared once more by every scorer, so a scorer is measured before it is used.
Labels have the weight 1 / the probability of having been labelled, as in `scoring.evidence.judge_trust`.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from scoring.compare import compare
from scoring.scorers import SCORERS
from scoring.scorers.meaning.fetched import Embeddings
from scoring.stats.judges import RaterAgreement, rater_agreement
from scoring.stats.sequential import Interval
from scoring.stats.weighted import weighted_interval
from shadow.records import Preference, Trial
from shadow.settings import TaskSettings

#: The agreement from which a pair of a task without settings counts as the same; see `agreement_threshold`.
_THRESHOLD = 0.9


class LabelledPair(NamedTuple):
    """A pair with people's label, and the probability in (0, 1] with which it was mirrored and labelled."""

    trial: Trial
    label: Preference
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerAgreement:
    """How well one scorer agrees with people on `n` labelled pairs that it scored.

    `unscored` counts the labelled pairs that it did not score, by reason. `false_agreement` is the share of pairs of
    which people prefer one reply that the scorer calls the same, and `false_disagreement` the share of ties that it
    does not; both 95%, valid under continuous looking, with n as the number of such pairs.
    """

    scorer: str
    n: int
    unscored: dict[str, int]
    agreement: RaterAgreement
    false_agreement: Interval
    false_disagreement: Interval


def of_scorers(
    pairs: Iterable[LabelledPair], task: TaskSettings | None, embeddings: Embeddings | None = None
) -> list[ScorerAgreement]:
    """Each scorer's agreement with people, in alphabetical order; one that scored no pair has n = 0.

    A reply counts as the same from the task's `agreement_threshold` on. The task's scorer has the task's options, and
    so has any other with options of these names. `embeddings` are those of `scoring.compare.texts_to_embed`.
    """
    labelled = list(pairs)
    smallest = min((pair.probability for pair in labelled), default=1.0)
    return [_of_scorer(name, labelled, task, embeddings, smallest) for name in sorted(SCORERS)]


def _of_scorer(
    name: str,
    pairs: Sequence[LabelledPair],
    task: TaskSettings | None,
    embeddings: Embeddings | None,
    smallest: float,
) -> ScorerAgreement:
    threshold = _THRESHOLD if task is None else task.agreement_threshold
    unscored: Counter[str] = Counter()
    people: list[bool] = []
    scorer: list[bool] = []
    probabilities: list[float] = []
    for pair in pairs:
        found = compare(pair.trial, task, scorer=name, embeddings=embeddings)
        if found.agreement is None:
            unscored[found.unscored or "unknown"] += 1
            continue
        people.append(pair.label == "tie")
        scorer.append(found.agreement >= threshold)
        probabilities.append(pair.probability)

    def wrong(same: bool) -> Interval:
        """The share of the pairs that people call the same, or not, of which the scorer says the opposite."""
        rows = [
            (said != same, p) for said, label, p in zip(scorer, people, probabilities, strict=True) if label == same
        ]
        values, weights = [float(value) for value, _ in rows], [p for _, p in rows]
        return weighted_interval(values, weights, smallest_probability=smallest)

    return ScorerAgreement(
        scorer=name,
        n=len(people),
        unscored=dict(unscored),
        agreement=rater_agreement(scorer, people, probabilities),
        false_agreement=wrong(same=False),
        false_disagreement=wrong(same=True),
    )
