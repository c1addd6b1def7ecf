"""Evidence by unit: what a typical user or conversation sees, where many calls come from each."""

import msgspec
from msgspec import UNSET, UnsetType

from scoring.evidence.estimates import Estimate, of_interval
from scoring.stats.unit_means import unit_interval_of_sums
from shadow.aggregates.tally import MICRO
from shadow.aggregates.unit_scores import UnitScores, UnitScoresByMeasure
from shadow.records import RegretSource

_UNEQUAL = "calls were sampled with unequal chances, which says nothing of the chances of their units"


class UnitEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """Means over units of their own means; every unit counts the same, however many calls it made.

    `n` units made `calls` scored calls. The `n` of an estimate is its number of units. Calls
    must have had the same chance of being sampled: an estimate is null with the reason beside
    it where they had not.
    """

    n: int
    calls: int
    agreement: Estimate | None
    agreement_reason: str | UnsetType = UNSET
    regret: Estimate | None
    regret_reason: str | UnsetType = UNSET


def unit_evidence(known: UnitScoresByMeasure, source: RegretSource | None) -> UnitEvidence | None:
    """What the units say; `source` is whose regret. None where no call has a unit."""
    agreement, regret = known.get("agreement"), known.get(source) if source else None
    most = agreement or regret
    if most is None or not most.sums:
        return None
    agrees, why_not_agreement = _estimate(agreement, None, "no call with a unit could be scored")
    regrets, why_not_regret = _estimate(regret, source, "regret is known of no call with a unit")
    return UnitEvidence(
        n=len(most.sums),
        calls=sum(calls for calls, _ in most.sums.values()),
        agreement=agrees,
        agreement_reason=why_not_agreement,
        regret=regrets,
        regret_reason=why_not_regret,
    )


def _estimate(
    per_unit: UnitScores | None, source: RegretSource | None, nothing: str
) -> tuple[Estimate | None, str | UnsetType]:
    """The estimate, or the reason why there is none."""
    if per_unit is None or not per_unit.sums:
        return None, nothing
    if not per_unit.is_equal:
        return None, _UNEQUAL
    calls, totals = zip(*per_unit.sums.values(), strict=True)
    found = unit_interval_of_sums([total / MICRO for total in totals], calls)
    estimate = of_interval(found.interval, found.units)
    return (None, nothing) if estimate is None else (estimate.of(source), UNSET)
