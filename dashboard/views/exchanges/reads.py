"""Cached reads of the Exchanges page."""

from collections import Counter
from dataclasses import dataclass

import pandas as pd

from dashboard.data import cache
from dashboard.data.cache import cached, snapshot
from dashboard.data.windows import Window
from dashboard.views.exchanges import tables
from shadow.aggregates import counters
from shadow.store.read import pairs as stored_pairs
from shadow.store.read.pairs import StoredPair


@dataclass(frozen=True, kw_only=True, slots=True)
class PairFilter:
    """Which pairs the reader looks for; None does not restrict."""

    task: str
    candidate: str
    window: Window
    max_agreement: float | None = None
    failure: str | None = None
    unscored: str | None = None
    segment: tuple[str, str] | None = None
    text: str | None = None
    limit: int = 50


@cached
def pairs(wanted: PairFilter) -> pd.DataFrame:
    """The newest matching pairs, see `tables.pair_rows`."""
    with snapshot() as connection:
        found = stored_pairs.find(
            connection, task=wanted.task, candidate=wanted.candidate, since=wanted.window.since,
            until=wanted.window.until, segment=dict([wanted.segment]) if wanted.segment else None,
            max_agreement=wanted.max_agreement, failure=wanted.failure, unscored=wanted.unscored,
            text=wanted.text, limit=wanted.limit,
        )  # fmt: skip
    return tables.pair_rows([(pair.trial, pair.comparison) for pair in found])


@cached
def exchange(task: str, candidate: str, exchange_id: str) -> list[StoredPair]:
    """All pairs of one exchange with this candidate."""
    with snapshot() as connection:
        return stored_pairs.find(connection, task=task, candidate=candidate, exchange_id=exchange_id)


@cached
def unscored(task: str, candidate: str, window: Window) -> dict[str, int]:
    """Unscored pairs by reason, the most frequent first; without those that sampling left out."""
    reasons: Counter[str] = Counter()
    for tally in cache.totals(task, candidate, window).values():
        reasons.update(counters.unscored(tally))
    return {reason: n for reason, n in reasons.most_common() if reason != counters.NOT_SAMPLED}
