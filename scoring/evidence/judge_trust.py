"""How far the judge can be trusted, from the counters `judged:…` and `labelled:…` of rollups.

People's labels reveal the judge's mistakes. Pairs are selected for labelling in two phases, with a
probability that depends on the verdict, so every figure weighs a label with 1 / its probability. The
rate of worse pairs by people and judge together, valid under continuous looking, is the regret of the
source `human`, which has the same weights; `two_phase` here also uses the pairs without a label, and
is valid for one planned look.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from scoring.evidence.estimates import PLACES, Estimate, from_interval
from scoring.stats.judges import JudgeQuality, RaterAgreement, agreement_of_table
from scoring.stats.moments import Moments
from scoring.stats.sequential import Interval
from scoring.stats.two_phase import TwoPhase, two_phase_interval
from scoring.stats.weighted import interval_of_moments
from shadow.aggregates.tally import MICRO
from shadow.records import Preference

TrustReason: TypeAlias = Literal["no_judge", "no_labels"]

#: When an interval is valid that holds at one look, and not at every look.
ONE_LOOK: Final = "for one look, planned beforehand"

#: Preferences by which the candidate's reply is worse, and by which it is not.
WORSE: Final[tuple[Preference, ...]] = ("frontier",)
FINE: Final[tuple[Preference, ...]] = ("tie", "candidate")
PREFERENCES: Final[tuple[Preference, ...]] = (*WORSE, *FINE)


class JudgeTrust(msgspec.Struct, frozen=True, kw_only=True):
    """The judge compared with people.

    `judged` counts the verdicts, `n` those that people labelled too. Judge and people agreed on the
    share `observed` of these; `kappa` (Cohen) and `ac1` (Gwet) are corrected for chance.
    `sensitivity`: share of what people call worse that the judge calls worse; `specificity`: share of
    the rest that it does not call worse; both valid under continuous looking. `two_phase`: the rate of
    worse pairs by judge and people together, for one look. What cannot be estimated is null; `reason`
    says why nothing can.
    """

    judged: int
    n: int
    observed: float | None = None
    kappa: float | None = None
    ac1: float | None = None
    sensitivity: Estimate | None = None
    specificity: Estimate | None = None
    two_phase: Estimate | None = None
    reason: TrustReason | UnsetType = UNSET


def judge_trust(counts: Mapping[str, int], *, heaviest: int = MICRO, equal: bool = True) -> JudgeTrust:
    """The judge's quality by people's labels.

    `counts` are those of a tally; `heaviest` is the largest weight of a label, in millionths (the
    `heaviest` of the human regret sums). `equal` says whether all judged pairs were sampled with the
    same probability: only then do plain counts give a two-phase rate.
    """
    found = agreement(counts)
    together = two_phase(counts)
    if not found.n:
        return JudgeTrust(judged=together.judged, n=0, reason="no_labels" if together.judged else "no_judge")
    right = quality(counts, heaviest=heaviest)
    return JudgeTrust(
        judged=together.judged,
        n=found.n,
        observed=_rounded(found.observed),
        kappa=_rounded(found.kappa),
        ac1=_rounded(found.ac1),
        sensitivity=from_interval(right.sensitivity, round(right.sensitivity.n)),
        specificity=from_interval(right.specificity, round(right.specificity.n)),
        two_phase=from_interval(two_phase_interval(together).interval, found.n, only=ONE_LOOK) if equal else None,
    )


def agreement(counts: Mapping[str, int]) -> RaterAgreement:
    """How well judge and people agree, weighted to represent all judged traffic."""
    labels = _Labels(counts)
    n, _ = labels.sum(PREFERENCES, PREFERENCES)
    return agreement_of_table([[labels.sum([j], [h])[1] / MICRO for h in PREFERENCES] for j in PREFERENCES], n)


def quality(counts: Mapping[str, int], *, heaviest: int) -> JudgeQuality:
    """Sensitivity and specificity for "the candidate is worse", valid under continuous looking.

    `heaviest` is the largest weight of a label, in millionths.
    """
    labels = _Labels(counts)
    return JudgeQuality(
        sensitivity=labels.share(WORSE, among=WORSE, heaviest=heaviest),
        specificity=labels.share(FINE, among=FINE, heaviest=heaviest),
    )


def two_phase(counts: Mapping[str, int]) -> TwoPhase:
    """Counts of verdicts worse and fine: all, labelled by people, and called worse by people."""
    labels = _Labels(counts)
    judged_worse, judged_fine = (
        sum(counts.get(f"judged:{preference}", 0) for preference in side) for side in (WORSE, FINE)
    )
    labelled_worse, labelled_fine = (labels.sum(side, PREFERENCES)[0] for side in (WORSE, FINE))
    return TwoPhase(
        # A window may hold a label without its verdict; there are at least as many verdicts as labels.
        judged_worse=max(judged_worse, labelled_worse),
        judged_fine=max(judged_fine, labelled_fine),
        labelled_worse=labelled_worse,
        labelled_fine=labelled_fine,
        worse_of_worse=labels.sum(WORSE, WORSE)[0],
        worse_of_fine=labels.sum(FINE, WORSE)[0],
    )


@dataclass(frozen=True, slots=True)
class _Labels:
    """Labels of judged pairs, by verdict and label: their number, and their weight in millionths."""

    counts: Mapping[str, int]

    def sum(self, judge: Iterable[Preference], human: Iterable[Preference]) -> tuple[int, int]:
        """Number and weight of labels in `human` on pairs with a verdict in `judge`."""
        both = [f"{j}:{h}" for j, h in product(judge, human)]
        number = sum(self.counts.get(f"labelled:{name}", 0) for name in both)
        return number, sum(self.counts.get(f"labelled_weight:{name}", 0) for name in both)

    def share(self, judge: Iterable[Preference], *, among: Sequence[Preference], heaviest: int) -> Interval:
        """The share of verdicts in `judge` among pairs with labels in `among`; valid under continuous looking."""
        (ones, of_ones), (n, of_all) = self.sum(judge, among), self.sum(PREFERENCES, among)
        squares = [_max_squares(*side, heaviest) for side in ((ones, of_ones), (n - ones, of_all - of_ones))]
        return interval_of_moments(
            Moments(
                n=n,
                total=ones * MICRO,
                squares=ones * MICRO,
                weight=of_all,
                weight_squares=sum(squares),
                weighted=of_ones,
                weighted_squares=squares[0],
                heaviest=heaviest,
            )
        )


def _max_squares(n: int, weight: int, heaviest: int) -> int:
    """The largest possible sum of n squared weights between 1 and `heaviest`, in millionths.

    Counters do not hold squares. A bet that overestimates them wins less, so the interval stays
    valid. For w in [1, h], (w - 1)(w - h) is at most 0, hence Σw² ≤ (1 + h)Σw − nh.
    """
    return (MICRO + heaviest) * weight // MICRO - n * heaviest


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, PLACES)
