"""How far the judge can be trusted, from the counters that rollups keep: `judged:…` and `labelled:…`.

People's labels tell the judge's mistakes. Labels are chosen two-phase, with a chance that
depends on the verdict, so every figure weighs a label with 1 / the chance of its being seen.
The rate that people and judge give together, held under continuous looking, is the regret of
the source `human`, which has these weights too; the figure here adds what is known of pairs
without a label, and is for one look that was planned.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from scoring.evidence.estimates import PLACES, Estimate, of_interval
from scoring.stats.judges import JudgeQuality, RaterAgreement, agreement_of_table
from scoring.stats.moments import Moments
from scoring.stats.sequential import Interval
from scoring.stats.two_phase import TwoPhase, two_phase_interval
from scoring.stats.weighted import interval_of_moments
from shadow.aggregates.tally import MICRO
from shadow.records import Preference

TrustReason: TypeAlias = Literal["no_judge", "no_labels"]

#: Beside an interval that is right at one look, and not at every look.
ONE_LOOK: Final = "for one look, planned beforehand"

#: The candidate's reply is worse, or it is not.
WORSE: Final[tuple[Preference, ...]] = ("frontier",)
FINE: Final[tuple[Preference, ...]] = ("tie", "candidate")
PREFERENCES: Final[tuple[Preference, ...]] = (*WORSE, *FINE)


class JudgeTrust(msgspec.Struct, frozen=True, kw_only=True):
    """The judge held against people.

    `judged` counts verdicts, `n` those that people labelled too; on these they agreed on the
    share `observed`, beyond chance `kappa` (Cohen) and `ac1` (Gwet). `sensitivity`: share of what
    people call worse that the judge calls worse; `specificity`: share of the rest that it does
    not; both under continuous looking. `two_phase`: the rate of worse pairs by judge and people
    together, for one look. What cannot be told is null; `reason` says why nothing can.
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
    """What labels say of the judge.

    `counts` are those of a tally; `heaviest` is the largest weight of a label, in millionths (the
    `heaviest` of the human regret sums). `equal` says whether all verdicts had the same chance
    of being seen: only then do plain counts give a two-phase rate.
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
        sensitivity=of_interval(right.sensitivity, round(right.sensitivity.n)),
        specificity=of_interval(right.specificity, round(right.specificity.n)),
        two_phase=of_interval(two_phase_interval(together).interval, found.n, only=ONE_LOOK) if equal else None,
    )


def agreement(counts: Mapping[str, int]) -> RaterAgreement:
    """How well judge and people agree, weighted back to the traffic."""
    labels = _Labels(counts)
    n, _ = labels.sum(PREFERENCES, PREFERENCES)
    return agreement_of_table([[labels.sum([j], [h])[1] / MICRO for h in PREFERENCES] for j in PREFERENCES], n)


def quality(counts: Mapping[str, int], *, heaviest: int) -> JudgeQuality:
    """Sensitivity and specificity for "the candidate is worse", under continuous looking.

    `heaviest` is the largest weight of a label, in millionths.
    """
    labels = _Labels(counts)
    return JudgeQuality(
        sensitivity=labels.share(WORSE, among=WORSE, heaviest=heaviest),
        specificity=labels.share(FINE, among=FINE, heaviest=heaviest),
    )


def two_phase(counts: Mapping[str, int]) -> TwoPhase:
    """Worse and fine, said by the judge, labelled, and confirmed."""
    labels = _Labels(counts)
    judged_worse, judged_fine = (sum(counts.get(f"judged:{said}", 0) for said in side) for side in (WORSE, FINE))
    labelled_worse, labelled_fine = (labels.sum(side, PREFERENCES)[0] for side in (WORSE, FINE))
    return TwoPhase(
        # Never fewer verdicts than labels of pairs with one, should a window part the two.
        judged_worse=max(judged_worse, labelled_worse),
        judged_fine=max(judged_fine, labelled_fine),
        labelled_worse=labelled_worse,
        labelled_fine=labelled_fine,
        worse_of_worse=labels.sum(WORSE, WORSE)[0],
        worse_of_fine=labels.sum(FINE, WORSE)[0],
    )


@dataclass(frozen=True, slots=True)
class _Labels:
    """Labels of pairs that a judge looked at, by what both said: how many, and their weight in millionths."""

    counts: Mapping[str, int]

    def sum(self, judge: Iterable[Preference], human: Iterable[Preference]) -> tuple[int, int]:
        """How many, and their weight, among these verdicts of the judge and these labels."""
        both = [f"{j}:{h}" for j, h in product(judge, human)]
        number = sum(self.counts.get(f"labelled:{name}", 0) for name in both)
        return number, sum(self.counts.get(f"labelled_weight:{name}", 0) for name in both)

    def share(self, judge: Iterable[Preference], *, among: Sequence[Preference], heaviest: int) -> Interval:
        """Of pairs with these labels, the share with these verdicts; under continuous looking."""
        (ones, of_ones), (n, of_all) = self.sum(judge, among), self.sum(PREFERENCES, among)
        squares = [_most_squares(*side, heaviest) for side in ((ones, of_ones), (n - ones, of_all - of_ones))]
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


def _most_squares(n: int, weight: int, heaviest: int) -> int:
    """The most that n squared weights add up to, all being between 1 and the heaviest.

    Counters do not hold squares. A bet that takes them for larger than they are wins less, so
    the interval stays valid. For w in [1, h], (w - 1)(w - h) is at most 0.
    """
    return (MICRO + heaviest) * weight // MICRO - n * heaviest


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, PLACES)
