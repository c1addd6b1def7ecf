"""Cached reads of the Confidence page."""

from collections import Counter
from dataclasses import dataclass
from typing import Final

import pandas as pd

from dashboard.data import cache
from dashboard.data.cache import KINDS, cached, snapshot
from dashboard.data.windows import Window
from dashboard.views.confidence import tables
from shadow.aggregates.regret_sources import SOURCES
from shadow.records import RegretSource
from shadow.store.read import confidence_reads

#: Start of the counters of replies without a confidence; the reason follows.
_MISSING: Final = "no_confidence:"


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """What is known by confidence; see `tables`.

    `n` counts the pairs of the window. `sure` those of the same days whose reply has a confidence, `missing` those
    without, by reason. `regret` has the sources that cover some of them.
    """

    n: int
    sure: int
    missing: dict[str, int]
    pairs: pd.DataFrame
    agreement: pd.DataFrame
    regret: dict[RegretSource, pd.DataFrame]


@cached
def calibration(task: str, candidate: str, window: Window) -> Calibration:
    """Agreement and regret by confidence. Statistics by confidence are kept by day: a window has whole days of them."""
    totals = cache.totals(task, candidate, window)
    with snapshot() as connection:
        cells = confidence_reads.read(
            connection, task=task, candidate=candidate, kinds=KINDS, since=window.since, until=window.until
        )
    missing: Counter[str] = Counter()
    for tally in totals.values():
        missing += Counter({name: n for name, n in tally.counts.items() if name.startswith(_MISSING) and n > 0})
    regret = {source: tables.regret(cells, source) for source in SOURCES}
    return Calibration(
        n=sum(tally.pairs for tally in totals.values()),
        sure=sum(tally.pairs for tally in cells.values()),
        missing={name.removeprefix(_MISSING): n for name, n in missing.most_common()},
        pairs=tables.pairs(cells),
        agreement=tables.agreement(cells),
        regret={source: frame for source, frame in regret.items() if len(frame)},
    )
