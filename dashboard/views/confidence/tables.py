"""Tallies by confidence to tables: agreement and regret of each bin, and how many pairs lie in it."""

from collections.abc import Mapping

import pandas as pd

from dashboard.data.tables import with_intervals
from shadow.aggregates import confidence_bins
from shadow.aggregates.tally import Sums, Tally
from shadow.records import RegretSource
from shadow.store.read.confidence_reads import ConfidenceCell

Cells = Mapping[ConfidenceCell, Tally]


def agreement(cells: Cells) -> pd.DataFrame:
    """Agreement by confidence, see `_by_bin`."""
    return _by_bin({number: tally.agreement for number, tally in _bins(cells).items()})


def regret(cells: Cells, source: RegretSource) -> pd.DataFrame:
    """Regret by confidence according to one source, see `_by_bin`."""
    found = _bins({cell: tally for cell, tally in cells.items() if cell.source == source})
    return _by_bin({number: tally.regret for number, tally in found.items()})


def pairs(cells: Cells) -> pd.DataFrame:
    """The number of pairs in each bin, from the least sure one on: `bin, label, pairs`."""
    found = sorted((number, tally.pairs) for number, tally in _bins(cells).items() if tally.pairs)
    return pd.DataFrame(
        {
            "bin": [number for number, _ in found],
            "label": [label(number) for number, _ in found],
            "pairs": [n for _, n in found],
        }
    )


def label(number: int) -> str:
    """A bin as `97–98%`."""
    low, high = (f"{100 * edge:.4g}" for edge in confidence_bins.bounds(number))
    return f"{low}–{high}%"


def _bins(cells: Cells) -> dict[int, Tally]:
    """The sums of all cells by bin."""
    bins: dict[int, Tally] = {}
    for cell, tally in cells.items():
        bins.setdefault(cell.bin, Tally()).merge(tally)
    return bins


def _by_bin(sums: Mapping[int, Sums]) -> pd.DataFrame:
    """A row for each bin with scores: `bin, label, sure_from, sure_to, estimate, low, high, n, enough`."""
    found = sorted((number, each) for number, each in sums.items() if each.n)
    frame = with_intervals([each for _, each in found])
    frame["bin"] = [number for number, _ in found]
    frame["label"] = [label(number) for number, _ in found]
    frame["sure_from"] = [confidence_bins.bounds(number)[0] for number, _ in found]
    frame["sure_to"] = [confidence_bins.bounds(number)[1] for number, _ in found]
    return frame
