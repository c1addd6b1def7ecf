"""The verdict that the evidence allows: one word, with reasons.

Missing data is never a pass: `worse` needs the whole interval of regret above the limit, `not_worse`
the whole interval at or below it, and everything else is undecided. A judge is cheap and biased, so a
judge alone may count against a candidate but never for it: `not_worse` needs people's labels or
references.
"""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import msgspec

from scoring.evidence.estimates import Estimate
from shadow.aggregates.counters import NOT_SAMPLED
from shadow.records import is_ineligible
from shadow.settings import TaskSettings

#: Accepted mean regret for a task without settings.
DEFAULT_REGRET_LIMIT: Final[float] = TaskSettings.model_fields["regret_limit"].default

#: With fewer pairs than this the verdict is `not_enough_data`.
MIN_PAIRS: Final = 30

#: Above this share of pairs in which the candidate failed, the rest does not represent all pairs.
MAX_FAILED_SHARE: Final = 0.05

JUDGE_ALONE: Final = "a judge alone never raises traffic: add human labels or references"

Status: TypeAlias = Literal["worse", "not_worse", "undecided", "not_enough_data", "no_regret_source"]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """`worse` and `not_worse` hold with 95%, however often one looks; `reasons` are texts for people."""

    status: Status
    reasons: list[str]


def verdict(
    pairs: int, unscored: Mapping[str, int], regret: Estimate | None, limit: float = DEFAULT_REGRET_LIMIT
) -> Verdict:
    """The verdict on `regret` against `limit`. `pairs` counts all pairs, `unscored` those without a score by reason."""
    if regret is None:
        return _without_regret(pairs, unscored)
    known = f"{regret.estimate:.3f} ({regret.low:.3f} to {regret.high:.3f})"
    by = f", by {regret.source}" if regret.source else ""
    reasons = [f"regret {known}{by}, limit {limit:g}, n {regret.n}"]
    if regret.low > limit:
        return Verdict(status="worse", reasons=[f"regret above {limit:g}", *reasons])
    if regret.high <= limit:
        objections = [*_objections(pairs, unscored, regret)]
        status: Status = "undecided" if objections else "not_worse"
        return Verdict(status=status, reasons=[*(objections or [f"regret at most {limit:g}"]), *reasons])
    if regret.n < MIN_PAIRS:
        return Verdict(status="not_enough_data", reasons=[f"fewer than {MIN_PAIRS} pairs with regret", *reasons])
    return Verdict(status="undecided", reasons=["the interval contains the limit: more pairs are needed", *reasons])


def _objections(pairs: int, unscored: Mapping[str, int], regret: Estimate) -> list[str]:
    """Why a regret below the limit does not count for the candidate."""
    found = []
    if regret.source == "judge":
        found.append(JUDGE_ALONE)
    # Pairs that sampling left out, or that the candidate cannot serve, would dilute the share of failures.
    left_out = sum(n for reason, n in unscored.items() if reason == NOT_SAMPLED or is_ineligible(reason))
    failed = sum(n for reason, n in unscored.items() if reason.startswith("candidate_")) / max(pairs - left_out, 1)
    if failed > MAX_FAILED_SHARE:
        found.append(f"the candidate failed on {failed:.1%} of the pairs, and those are not in the regret")
    return found


def _without_regret(pairs: int, unscored: Mapping[str, int]) -> Verdict:
    if pairs - sum(unscored.values()) < MIN_PAIRS:
        return Verdict(status="not_enough_data", reasons=[f"fewer than {MIN_PAIRS} scored pairs"])
    reason = "no human label, reference or judge says which reply is better; disagreement is not regret"
    return Verdict(status="no_regret_source", reasons=[reason])
