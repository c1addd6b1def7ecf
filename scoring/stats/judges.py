"""How far a judge can be trusted, measured against people.

Two measures of agreement beyond chance, because each misleads alone: Cohen's κ ("A coefficient of
agreement for nominal scales", 1960) is low for a good judge where one answer is rare; Gwet's AC1
("Computing inter-rater reliability and its variance in the presence of high agreement", 2008,
equation 3) is not. Sensitivity and specificity show the direction in which a judge errs, which a
correction needs.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from scoring.stats.moments import Floats, checked_rows
from scoring.stats.sequential import ALPHA, Interval
from scoring.stats.weighted import weighted_interval

AgreementReason: TypeAlias = Literal["no_labels", "one_answer_only"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RaterAgreement:
    """Agreement of two raters on n items, plain and beyond chance.

    All are None where there are no labels; `kappa` is None where both raters gave the same single
    answer throughout. `reason` says which.
    """

    n: int
    observed: float | None
    kappa: float | None
    ac1: float | None
    reason: AgreementReason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeQuality:
    """`sensitivity`: share of what people call worse that the judge calls worse; `specificity`:
    share of the rest that it does not. Both intervals are valid under continuous looking.
    """

    sensitivity: Interval
    specificity: Interval


def rater_agreement(
    first: Sequence[Hashable],
    second: Sequence[Hashable],
    inclusion_probabilities: ArrayLike | None = None,
) -> RaterAgreement:
    """Cohen's κ and Gwet's AC1 of two raters' answers to the same items.

    Where items were selected for labelling with unequal probabilities, these weight the items. Raises
    ValueError for lengths that differ and for probabilities outside (0, 1].
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} answers of one rater but {len(second)} of the other")
    _, probability = checked_rows(np.zeros(len(first)), inclusion_probabilities)
    answers = {answer: index for index, answer in enumerate(dict.fromkeys([*first, *second]))}
    table = np.zeros((len(answers), len(answers)))
    np.add.at(table, ([answers[a] for a in first], [answers[b] for b in second]), 1 / probability)
    return agreement_of_table(table, n=len(first))


def agreement_of_table(table: ArrayLike, n: int | None = None) -> RaterAgreement:
    """As `rater_agreement`, from a k × k table of (weighted) counts; tables can be added up.

    `n` is the number of items, where the counts are weighted. Raises ValueError for a table that is
    not square or has negative counts.
    """
    counts: Floats = np.asarray(table, dtype=np.float64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not (counts >= 0).all():
        raise ValueError("the table must be square, with counts of at least 0")
    total = float(counts.sum())
    items = round(total) if n is None else n
    if not total:
        return RaterAgreement(n=0, observed=None, kappa=None, ac1=None, reason="no_labels")
    shares = counts / total
    one, other = shares.sum(axis=1), shares.sum(axis=0)
    both = (one + other) / 2
    observed = float(np.trace(shares))
    by_chance = float(one @ other)
    by_chance_gwet = float((both * (1 - both)).sum()) / (len(both) - 1) if len(both) > 1 else 0.0
    single = bool(np.count_nonzero(both) == 1)
    return RaterAgreement(
        n=items,
        observed=observed,
        kappa=None if single else (observed - by_chance) / (1 - by_chance),
        ac1=(observed - by_chance_gwet) / (1 - by_chance_gwet),
        reason="one_answer_only" if single else None,
    )


def judge_quality(
    human_worse: ArrayLike,
    judge_worse: ArrayLike,
    inclusion_probabilities: ArrayLike | None = None,
    alpha: float = ALPHA,
) -> JudgeQuality:
    """Sensitivity and specificity of a judge on items that people labelled (arrays of 0/1).

    Spending half of the labels on each verdict over-represents the rare one; without the inclusion
    probabilities the sensitivity would be far too high. Raises ValueError for values or probabilities
    out of range, or lengths that differ.
    """
    truth, probability = checked_rows(human_worse, inclusion_probabilities)
    verdicts, _ = checked_rows(judge_worse)
    if verdicts.size != truth.size:
        raise ValueError(f"{truth.size} human labels but {verdicts.size} verdicts")
    worse = truth >= 0.5
    smallest = float(probability.min(initial=1.0))
    return JudgeQuality(
        sensitivity=weighted_interval(verdicts[worse], probability[worse], alpha, smallest_probability=smallest),
        specificity=weighted_interval(1 - verdicts[~worse], probability[~worse], alpha, smallest_probability=smallest),
    )
