"""The counters of a tally, read the same way by evidence, monitor and pages.

`Tally.counts` lists the names of all counters. `counting` adds to them; a count that was taken back stays as 0.
"""

from typing import Final

from shadow.aggregates.tally import Tally
from shadow.records import INELIGIBLE, NOT_COUNTED, Role

#: The beginning of the names of the counters of unscored pairs; the reason follows.
UNSCORED: Final = "unscored:"

#: The unscored reason of pairs that sampling left out.
NOT_SAMPLED: Final = "not_sampled"

#: Their counter. Whatever weighs pairs has to subtract it; see `sampled`.
NOT_SAMPLED_COUNTER: Final = UNSCORED + NOT_SAMPLED


def failure_prefix(role: Role) -> str:
    """The beginning of the names of the counters of one side's failures; the kind follows."""
    return f"failure:{role}:"


def unscored(tally: Tally) -> dict[str, int]:
    """Pairs without a score, by reason."""
    return _with_prefix(tally, UNSCORED)


def sampled(tally: Tally) -> int:
    """Pairs without those that sampling left out, which the others stand for."""
    return tally.pairs - tally.counts[NOT_SAMPLED_COUNTER]


def ineligible(tally: Tally) -> dict[str, int]:
    """Pairs whose model cannot serve such a request, by reason."""
    return _with_prefix(tally, UNSCORED + INELIGIBLE)


def eligible(tally: Tally) -> int:
    """Sampled pairs whose model could serve the request."""
    return sampled(tally) - sum(ineligible(tally).values())


def failures(tally: Tally, role: Role) -> dict[str, int]:
    """Failed replies of one side, by kind. A model that was not asked, or is not eligible, did not fail."""
    return {kind: n for kind, n in _with_prefix(tally, failure_prefix(role)).items() if kind not in NOT_COUNTED}


def asked(tally: Tally, role: Role) -> int:
    """Pairs for which this side's model was asked, and was eligible: the denominator of `failures`."""
    start = failure_prefix(role)
    return max(0, tally.pairs - sum(tally.counts[start + kind] for kind in NOT_COUNTED))


def _with_prefix(tally: Tally, prefix: str) -> dict[str, int]:
    """The non-zero counters whose names begin so, by the rest of their names, sorted."""
    return {name.removeprefix(prefix): n for name, n in sorted(tally.counts.items()) if n and name.startswith(prefix)}
