"""Evidence per unit: the scores of a typical user or conversation, where one unit makes many calls."""

import msgspec
from msgspec import UNSET, UnsetType

from scoring.evidence.estimates import Estimate, from_interval
from scoring.stats.unit_means import unit_interval_of_sums
from shadow.aggregates.tally import MICRO
from shadow.aggregates.unit_scores import UnitScores, UnitScoresByMeasure
from shadow.records import RegretSource

_UNEQUAL = "calls were sampled with unequal probabilities, so the probabilities of their units are unknown"


class UnitEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """The mean over units of each unit's own mean; units count equally, however many calls they made.

    `n` units made `calls` scored calls. The `n` of an estimate is its number of units. All calls
    must have been sampled with the same probability; otherwise the estimate is null, with a reason.
    """

    n: int
    calls: int
    agreement: Estimate | None
    agreement_reason: str | UnsetType = UNSET
    regret: Estimate | None
    regret_reason: str | UnsetType = UNSET


def unit_evidence(known: UnitScoresByMeasure, source: RegretSource | None) -> UnitEvidence | None:
    """The evidence per unit, with the regret of `source`. None where no call has a unit."""
    agreement, regret = known.get("agreement"), known.get(source) if source else None
    counted = agreement or regret
    if counted is None or not counted.sums:
        return None
    agreement_estimate, agreement_reason = _estimate(agreement, None, "no call with a unit could be scored")
    regret_estimate, regret_reason = _estimate(regret, source, "regret is known of no call with a unit")
    return UnitEvidence(
        n=len(counted.sums),
        calls=sum(calls for calls, _ in counted.sums.values()),
        agreement=agreement_estimate,
        agreement_reason=agreement_reason,
        regret=regret_estimate,
        regret_reason=regret_reason,
    )


def _estimate(
    per_unit: UnitScores | None, source: RegretSource | None, nothing: str
) -> tuple[Estimate | None, str | UnsetType]:
    """The estimate, or None and the reason why there is none."""
    if per_unit is None or not per_unit.sums:
        return None, nothing
    if not per_unit.is_equal:
        return None, _UNEQUAL
    calls, totals = zip(*per_unit.sums.values(), strict=True)
    found = unit_interval_of_sums([total / MICRO for total in totals], calls)
    estimate = from_interval(found.interval, found.units)
    return (None, nothing) if estimate is None else (estimate.with_source(source), UNSET)
