"""Tallies to the tables of the Over time page: pure arithmetic."""

from collections import Counter
from datetime import datetime
from typing import Final, TypeAlias

import pandas as pd

from dashboard.data.tables import Step, Tallies, with_intervals, with_runs, with_times
from dashboard.ui.text import humanize
from shadow.aggregates import counters
from shadow.aggregates.derived_dimensions import WEEKDAYS
from shadow.aggregates.tally import Sums, Tally
from shadow.records import Role

#: Tallies by the start of their period.
Buckets: TypeAlias = dict[datetime, Tally]

SCORED: Final = "scored"
UNSCORED: Final = "unscored"
NOT_ELIGIBLE: Final = "not eligible"

#: The margins of the week: every hour, or every weekday.
ANY: Final = "any"
HOURS: Final = (*(f"{hour:02}" for hour in range(24)), ANY)


def by_start(tallies: Tallies, value: str) -> Buckets:
    """The tallies of one value of the dimension that was read, by the start of their period."""
    buckets: Buckets = {}
    for cell, tally in tallies.items():
        if cell.value == value:
            buckets.setdefault(cell.hour, Tally()).merge(tally)
    return buckets


def trend(buckets: Buckets, step: Step) -> pd.DataFrame:
    """Agreement over time: `at, when, estimate, low, high, n, enough, run`, one row per step with data."""
    rows = sorted((at, tally.agreement) for at, tally in buckets.items() if tally.agreement.n)
    frame = with_runs(with_intervals([found for _, found in rows]))
    return with_times(frame, [at for at, _ in rows], step)


def week(buckets: Buckets) -> pd.DataFrame:
    """Agreement by hour of the week, UTC: `weekday, hour, estimate, low, high, n, enough`.

    The margins `ANY` add up all hours of a weekday and all weekdays of an hour: they have enough
    pairs long before the single fields do.
    """
    sums: dict[tuple[str, str], Sums] = {}
    for at, tally in buckets.items():
        if tally.agreement.n:
            weekday, hour = WEEKDAYS[at.weekday()], f"{at:%H}"
            for field in ((weekday, hour), (weekday, ANY), (ANY, hour)):
                sums.setdefault(field, Sums()).merge(tally.agreement)
    rows = sorted(sums.items())
    frame = with_intervals([found for _, found in rows])
    frame["weekday"] = [weekday for (weekday, _), _ in rows]
    frame["hour"] = [hour for (_, hour), _ in rows]
    return frame


def failures(buckets: Buckets, role: Role, step: Step) -> pd.DataFrame:
    """Failed replies of one model over time, by kind: `at, when, what, n`."""
    counts: Counter[tuple[datetime, str]] = Counter()
    for at, tally in buckets.items():
        for kind, n in counters.failures(tally, role).items():
            counts[at, humanize(kind)] += n
    return _counts_over_time(counts, step)


def volume(buckets: Buckets, step: Step) -> pd.DataFrame:
    """Pairs over time, scored, unscored and not eligible: `at, when, what, n`."""
    counts: Counter[tuple[datetime, str]] = Counter()
    for at, tally in buckets.items():
        counts[at, SCORED] += tally.agreement.n
        ineligible = sum(counters.ineligible(tally).values())
        counts[at, NOT_ELIGIBLE] += ineligible
        counts[at, UNSCORED] += tally.pairs - tally.agreement.n - ineligible
    return _counts_over_time(Counter({key: n for key, n in counts.items() if n}), step)


def _counts_over_time(counts: Counter[tuple[datetime, str]], step: Step) -> pd.DataFrame:
    rows = sorted(counts.items())
    frame = pd.DataFrame({"what": [what for (_, what), _ in rows], "n": [n for _, n in rows]})
    return with_times(frame, [at for (at, _), _ in rows], step)
