"""Tallies to tables that several pages draw: pure arithmetic, without reads and widgets.

Every table has n beside its estimate, and an estimate without data is missing, not 0.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

import pandas as pd

from scoring.evidence.estimates import estimates
from scoring.evidence.pools import Pool
from scoring.evidence.report import TaskEvidence
from scoring.evidence.verdict import MIN_PAIRS
from shadow.aggregates.derived_dimensions import WEEKDAYS
from shadow.aggregates.tally import ALL, Cell, Sums, Tally
from shadow.records import RegretSource

Step: TypeAlias = Literal["hour", "day"]
Measure: TypeAlias = Literal["agreement", "regret"]
Tallies: TypeAlias = Mapping[Cell, Tally]

#: The status of a segment as the pages show it; `scoring.evidence.report` decides it.
FLAGGED: Final = "flagged: worse"
NOT_FLAGGED: Final = "not flagged"
NOT_ENOUGH_DATA: Final = "not enough data"
_STATUSES: Final = {"flagged": FLAGGED, "ok": NOT_FLAGGED, "not_enough_data": NOT_ENOUGH_DATA}

#: A regret source as the end of the phrase "according to …".
SOURCE_PHRASES: Final[dict[RegretSource, str]] = {
    "human": "people",
    "reference": "the right answer",
    "judge": "a judge",
}

#: Characters of a text that a list shows.
MAX_LINE: Final = 200


def ranking(evidence: TaskEvidence, measure: Measure) -> pd.DataFrame:
    """Segments: flagged ones first, then by how bad they are; those without enough data last.

    `dimension, value, label, n, estimate, low, high, q_value, enough, status, looked_for`
    """
    rows = []
    for each in evidence.segments:
        found = each.agreement if measure == "agreement" else each.regret
        # A segment with every pair in it is the whole traffic, not a part of it.
        if found is None or each.n == evidence.n:
            continue
        status = _STATUSES[each.status]
        # Order by the bound in favour of the segment, so that a wide interval does not rank high.
        badness = found.high if measure == "agreement" else -found.low
        label = f"{each.dimension} = {each.value}"
        order = (status == NOT_ENOUGH_DATA, status != FLAGGED, badness, label)
        numbers = (found.n, found.estimate, found.low, found.high, each.q_value)
        rows.append((order, each.dimension, each.value, label, *numbers, found.n >= MIN_PAIRS, status, each.looked_for))
    return pd.DataFrame(
        [row for _, *row in sorted(rows, key=lambda row: row[0])],
        columns=[
            "dimension",
            "value",
            "label",
            "n",
            "estimate",
            "low",
            "high",
            "q_value",
            "enough",
            "status",
            "looked_for",
        ],
    )


def pool_totals(tallies: Tallies) -> Pool:
    """The totals of all cells, with the regret of each source apart."""
    found = Pool()
    for cell, tally in tallies.items():
        if is_total(cell):
            found.add(cell, tally)
    return found


def with_regret_of(tallies: Tallies, source: RegretSource | None) -> dict[Cell, Tally]:
    """The same tallies with the regret of `source` alone; with None, without any regret."""
    return {
        cell: tally
        if cell.source == source or not tally.regret.n
        else Tally(tally.pairs, tally.agreement, counts=tally.counts, histograms=tally.histograms)
        for cell, tally in tallies.items()
    }


def pairs_by_value(tallies: Tallies, dimension: str) -> Counter[str]:
    """The number of pairs with each value of a dimension; `hour` and `weekday` are derived from the cells' times."""
    counts: Counter[str] = Counter()
    for cell, tally in tallies.items():
        if (value := value_of(cell, dimension)) is not None:
            counts[value] += tally.pairs
    return counts


def value_of(cell: Cell, dimension: str) -> str | None:
    """The value of a cell in `dimension`; None where the cell belongs to another dimension."""
    if dimension == "hour":
        return f"{cell.hour:%H}:00" if is_total(cell) else None
    if dimension == "weekday":
        return WEEKDAYS[cell.hour.weekday()] if is_total(cell) else None
    return cell.value if cell.dimension == dimension else None


def is_total(cell: Cell) -> bool:
    """Whether the cell counts all pairs of its hour, and not those of one segment."""
    return (cell.dimension, cell.value) == ALL


def with_intervals(sums: Iterable[Sums]) -> pd.DataFrame:
    """One row for each of `sums`, none of which may be empty: `estimate, low, high, n, enough`.

    The intervals are 95% and stay valid however often one looks.
    """
    found = [each for each in estimates(list(sums)) if each is not None]
    return pd.DataFrame(
        {
            "estimate": [each.estimate for each in found],
            "low": [each.low for each in found],
            "high": [each.high for each in found],
            "n": [each.n for each in found],
            "enough": [each.n >= MIN_PAIRS for each in found],
        }
    )


def with_times(frame: pd.DataFrame, starts: list[datetime], step: Step) -> pd.DataFrame:
    """The frame with two more columns: `at`, the start of each row, and `when`, the same as text in UTC."""
    frame["at"] = pd.to_datetime(pd.Series(starts, dtype="datetime64[us, UTC]"))
    # As text too: a browser would show a time in the reader's own zone.
    pattern = "%a %Y-%m-%d %H:%M UTC" if step == "hour" else "%a %Y-%m-%d"
    frame["when"] = [format(at, pattern) for at in starts]
    return frame


def with_runs(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the column `run`: periods that follow each other and have enough data share a number.

    A chart draws one line and one band for each run, and so none across periods without enough data.
    """
    frame["run"] = (~frame["enough"]).cumsum() if len(frame) else pd.Series(dtype="int64")
    return frame


def last_message(request: Mapping[str, Any], *, max_length: int = MAX_LINE) -> str:
    """The last message of a request, or the start of the whole request; one line of at most `max_length` characters."""
    messages = request.get("messages") or request.get("input") or ""
    last = messages[-1] if isinstance(messages, list) and messages else messages
    content = last.get("content") if isinstance(last, Mapping) else last
    return one_line(content if isinstance(content, str) else str(content or ""), max_length)


def one_line(text: str, max_length: int = MAX_LINE) -> str:
    """The start of `text` in one line."""
    return " ".join(text[: 10 * max_length].split())[:max_length]
