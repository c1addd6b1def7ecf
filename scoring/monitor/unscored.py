"""Coverage lost: too large a share of the pairs could not be scored.

A plain threshold on plain shares, not a sequential test: it says what is so, not what is unlikely.
Hours are put together until they hold enough pairs; two such periods in a row above the
threshold open an incident, two in a row at or below it close it.
"""

from collections import Counter
from datetime import datetime
from typing import Final

import msgspec

from scoring.monitor.events import Closed, Event, Opened
from scoring.monitor.figures import percent
from scoring.monitor.recovery import HOUR, STALE, STALE_AFTER
from shadow.aggregates.tally import Tally

DETECTOR: Final = "coverage"
UNSCORED: Final = "unscored"

#: A share of fewer pairs says little.
MIN_PAIRS: Final = 50
IN_A_ROW: Final = 2

_PREFIX: Final = "unscored:"
#: Pairs that nobody meant to score.
_NOT_TRIED: Final = ("not_sampled",)


class UnscoredState(msgspec.Struct, frozen=True, kw_only=True):
    """The period under way, and how many in a row were above the threshold (negative: not above).

    `last` is the newest hour with pairs, `first` the one in which the row of periods began.
    """

    last: datetime | None = None
    since: datetime | None = None
    pairs: int = 0
    reasons: dict[str, int] = {}
    in_a_row: int = 0
    first: datetime | None = None
    opened_at: datetime | None = None


def step(
    state: UnscoredState, hour: datetime, tally: Tally, *, task: str, candidate: str, most: float
) -> tuple[UnscoredState, Event | None]:
    """One hour of a candidate's pairs of one kind."""
    reasons = Counter(state.reasons)
    for name, n in tally.counts.items():
        if name.startswith(_PREFIX):
            reasons[name.removeprefix(_PREFIX)] += n
    pairs = state.pairs + tally.pairs - sum(reasons.pop(reason, 0) for reason in _NOT_TRIED)
    since = state.since or hour
    if pairs < MIN_PAIRS:
        return msgspec.structs.replace(state, last=hour, since=since, pairs=pairs, reasons=dict(reasons)), None
    share = reasons.total() / pairs
    is_above = share > most
    in_a_row = max(state.in_a_row, 0) + 1 if is_above else min(state.in_a_row, 0) - 1
    # Where this row of periods began: when it opens an incident, that is since when.
    first = since if abs(in_a_row) == 1 else state.first
    ended = UnscoredState(last=hour, in_a_row=in_a_row, first=first, opened_at=state.opened_at)
    if state.opened_at is None and in_a_row >= IN_A_ROW:
        assert first is not None
        opened = Opened(
            subject=UNSCORED,
            at=first,
            summary=f"{percent(share)} of the pairs of {candidate} on {task} could not be scored "
            f"({_worst(reasons)}), n {pairs:,}; at most {percent(most)} is accepted",
            detail={"share": share, "pairs": pairs, "reasons": dict(reasons), "most": most},
        )
        return msgspec.structs.replace(ended, opened_at=first), opened
    if state.opened_at is not None and in_a_row <= -IN_A_ROW:
        closed = Closed(
            subject=UNSCORED,
            opened_at=state.opened_at,
            at=hour + HOUR,
            because=f"{percent(share)} could not be scored, n {pairs:,}: as accepted",
        )
        return msgspec.structs.replace(ended, opened_at=None), closed
    return ended, None


def close_stale(state: UnscoredState, until: datetime) -> tuple[UnscoredState, Event | None]:
    """The state where nothing comes before `until`: after a week of that an incident is over."""
    if state.opened_at is None or state.last is None or until < state.last + STALE_AFTER:
        return state, None
    closed = Closed(subject=UNSCORED, opened_at=state.opened_at, at=state.last + STALE_AFTER, because=STALE)
    return UnscoredState(last=state.last), closed


def _worst(reasons: Counter[str]) -> str:
    """The commonest reasons, the same ones in whatever order they were counted."""
    ordered = sorted(reasons.items(), key=lambda each: (-each[1], each[0]))
    return ", ".join(f"{reason} {n:,}" for reason, n in ordered[:3])
