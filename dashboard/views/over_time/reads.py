"""Cached reads of the Over time page."""

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from dashboard.data import cache
from dashboard.data.cache import cached
from dashboard.data.tables import Step
from dashboard.data.windows import Window
from dashboard.views.over_time import tables
from shadow.aggregates.tally import ALL
from shadow.records import Role


@dataclass(frozen=True, kw_only=True, slots=True)
class TrafficSlice:
    """What the page shows: one segment of a candidate's traffic, or all of it."""

    task: str
    candidate: str
    window: Window
    dimension: str = ALL[0]
    value: str = ALL[1]


@cached
def trend(traffic: TrafficSlice, step: Step) -> pd.DataFrame:
    """Agreement over time, see `tables.trend`."""
    return tables.trend(_buckets(traffic, step), step)


@cached
def week(traffic: TrafficSlice) -> pd.DataFrame:
    """Agreement by hour of the week, see `tables.week`."""
    return tables.week(_buckets(traffic, "hour_of_week", counts=False))


@cached
def failures(traffic: TrafficSlice, role: Role, step: Step) -> pd.DataFrame:
    """Failed replies over time, see `tables.failures`."""
    return tables.failures(_buckets(traffic, step), role, step)


@cached
def volume(traffic: TrafficSlice, step: Step) -> pd.DataFrame:
    """Pairs over time, see `tables.volume`."""
    return tables.volume(_buckets(traffic, step), step)


def _buckets(traffic: TrafficSlice, per: Step | Literal["hour_of_week"], *, counts: bool = True) -> tables.Buckets:
    found = cache.periods(traffic.task, traffic.candidate, traffic.window, traffic.dimension, per, counts=counts)
    return tables.by_start(found, traffic.value)
