"""Coverage lost: too large a share of the pairs could not be scored.

Compares the observed share with a threshold, without a significance test. Hours are added up until
they hold enough pairs; two such periods in a row above the threshold open an incident, two in a row
at or below it close it.
"""

from collections import Counter
from datetime import datetime
from typing import Final

import msgspec

from scoring.monitor.events import Closed, Event, Opened
from scoring.monitor.figures import percent
from scoring.monitor.recovery import HOUR, STALE, STALE_AFTER
from shadow.aggregates import counters
from shadow.aggregates.tally import Tally
from shadow.records import is_ineligible

DETECTOR: Final = "coverage"
UNSCORED: Final = "unscored"

#: Pairs that a period must hold: the share of fewer is too noisy.
MIN_PAIRS: Final = 50
IN_A_ROW: Final = 2


class UnscoredState(msgspec.Struct, frozen=True, kw_only=True):
    """The current period, and how many periods in a row were above the threshold (negative: not above).

    `last` is the newest hour with pairs, `first` the start of the first period of the row.
    """

    last: datetime | None = None
    since: datetime | None = None
    pairs: int = 0
    reasons: dict[str, int] = {}
    in_a_row: int = 0
    first: datetime | None = None
    opened_at: datetime | None = None


def step(
    state: UnscoredState, hour: datetime, tally: Tally, *, task: str, candidate: str, max_share: float
) -> tuple[UnscoredState, Event | None]:
    """One hour of a candidate's pairs of one kind."""
    reasons = Counter(state.reasons) + Counter(counters.unscored(tally))
    # Some pairs were never meant to be scored.
    for reason in [reason for reason in reasons if reason == counters.NOT_SAMPLED or is_ineligible(reason)]:
        del reasons[reason]
    pairs = state.pairs + counters.eligible(tally)
    since = state.since or hour
    if pairs < MIN_PAIRS:
        return msgspec.structs.replace(state, last=hour, since=since, pairs=pairs, reasons=dict(reasons)), None
    share = reasons.total() / pairs
    is_above = share > max_share
    in_a_row = max(state.in_a_row, 0) + 1 if is_above else min(state.in_a_row, 0) - 1
    # If this row of periods opens an incident, the incident starts where the row starts.
    first = since if abs(in_a_row) == 1 else state.first
    ended = UnscoredState(last=hour, in_a_row=in_a_row, first=first, opened_at=state.opened_at)
    if state.opened_at is None and in_a_row >= IN_A_ROW:
        assert first is not None
        opened = Opened(
            subject=UNSCORED,
            at=first,
            summary=f"{percent(share)} of the pairs of {candidate} on {task} could not be scored "
            f"({_most_frequent(reasons)}), n {pairs:,}; at most {percent(max_share)} is accepted",
            detail={"share": share, "pairs": pairs, "reasons": dict(reasons), "most": max_share},
        )
        return msgspec.structs.replace(ended, opened_at=first), opened
    if state.opened_at is not None and in_a_row <= -IN_A_ROW:
        closed = Closed(
            subject=UNSCORED,
            opened_at=state.opened_at,
            at=hour + HOUR,
            reason=f"{percent(share)} could not be scored, n {pairs:,}: within the accepted share",
        )
        return msgspec.structs.replace(ended, opened_at=None), closed
    return ended, None


def close_stale(state: UnscoredState, until: datetime) -> tuple[UnscoredState, Event | None]:
    """Closes the incident if there were no pairs for a week before `until`."""
    if state.opened_at is None or state.last is None or until < state.last + STALE_AFTER:
        return state, None
    closed = Closed(subject=UNSCORED, opened_at=state.opened_at, at=state.last + STALE_AFTER, reason=STALE)
    return UnscoredState(last=state.last), closed


def _most_frequent(reasons: Counter[str]) -> str:
    """The three most frequent reasons; ties are ordered by name, so the result does not depend on order."""
    ordered = sorted(reasons.items(), key=lambda each: (-each[1], each[0]))
    return ", ".join(f"{reason} {n:,}" for reason, n in ordered[:3])
