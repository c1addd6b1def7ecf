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

from scoring.estimates import PLACES, Estimate, of_interval
from scoring.stats.judges import agreement_of_table
from scoring.stats.moments import Moments
from scoring.stats.two_phase import TwoPhase, two_phase_interval
from scoring.stats.weighted import interval_of_moments
from shadow.records import Preference
from shadow.tally import MICRO

TrustReason: TypeAlias = Literal["no_judge", "no_labels"]

#: Beside an interval that is right at one look, and not at every look.
ONE_LOOK: Final = "for one look, planned beforehand"

#: The candidate's reply is worse, or it is not.
_WORSE: Final[tuple[Preference, ...]] = ("frontier",)
_FINE: Final[tuple[Preference, ...]] = ("tie", "candidate")
_PREFERENCES: Final = (*_WORSE, *_FINE)


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
    labels = _Labels(counts, heaviest)
    judged = sum(counts.get(f"judged:{said}", 0) for said in _PREFERENCES)
    n, _ = labels.sum(_PREFERENCES, _PREFERENCES)
    if not n:
        return JudgeTrust(judged=judged, n=0, reason="no_labels" if judged else "no_judge")
    found = agreement_of_table([[labels.sum([j], [h])[1] / MICRO for h in _PREFERENCES] for j in _PREFERENCES], n)
    together = two_phase(counts) if equal else None
    return JudgeTrust(
        judged=judged,
        n=n,
        observed=_rounded(found.observed),
        kappa=_rounded(found.kappa),
        ac1=_rounded(found.ac1),
        sensitivity=labels.share(_WORSE, among=_WORSE),
        specificity=labels.share(_FINE, among=_FINE),
        two_phase=of_interval(two_phase_interval(together).interval, n, only=ONE_LOOK) if together else None,
    )


def two_phase(counts: Mapping[str, int]) -> TwoPhase | None:
    """The counters as two-phase sampling has them; None where more were labelled than judged."""
    labels = _Labels(counts, MICRO)
    judged_worse, judged_fine = (
        sum(counts.get(f"judged:{said}", 0) for said in verdicts) for verdicts in (_WORSE, _FINE)
    )
    try:
        return TwoPhase(
            judged_worse=judged_worse,
            judged_fine=judged_fine,
            labelled_worse=labels.sum(_WORSE, _PREFERENCES)[0],
            labelled_fine=labels.sum(_FINE, _PREFERENCES)[0],
            worse_of_worse=labels.sum(_WORSE, _WORSE)[0],
            worse_of_fine=labels.sum(_FINE, _WORSE)[0],
        )
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class _Labels:
    """Labels of pairs that a judge looked at, by what both said: how many, and their weight in millionths."""

    counts: Mapping[str, int]
    heaviest: int

    def sum(self, judge: Iterable[Preference], human: Iterable[Preference]) -> tuple[int, int]:
        """How many, and their weight, among these verdicts of the judge and these labels."""
        both = [f"{j}:{h}" for j, h in product(judge, human)]
        number = sum(self.counts.get(f"labelled:{name}", 0) for name in both)
        return number, sum(self.counts.get(f"labelled_weight:{name}", 0) for name in both)

    def share(self, judge: Iterable[Preference], *, among: Sequence[Preference]) -> Estimate | None:
        """Of pairs with these labels, the share with these verdicts; under continuous looking."""
        (ones, of_ones), (n, of_all) = self.sum(judge, among), self.sum(_PREFERENCES, among)
        squares = [self._most_squares(ones, of_ones), self._most_squares(n - ones, of_all - of_ones)]
        found = interval_of_moments(
            Moments(
                n=n,
                total=ones * MICRO,
                squares=ones * MICRO,
                weight=of_all,
                weight_squares=sum(squares),
                weighted=of_ones,
                weighted_squares=squares[0],
                heaviest=self.heaviest,
            )
        )
        return of_interval(found, n)

    def _most_squares(self, n: int, weight: int) -> int:
        """The most that n squared weights add up to, all being between 1 and the heaviest.

        Counters do not hold squares. A bet that takes them for larger than they are wins less,
        so the interval stays valid. For w in [1, h], (w - 1)(w - h) is at most 0.
        """
        return (MICRO + self.heaviest) * weight // MICRO - n * self.heaviest


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, PLACES)
