"""The monitor as a whole: weeks of a task's traffic, hour by hour, through all of its detectors."""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from scoring.monitor.events import Opened
from tests.simulation.proof import Row, at_most, figure, generator
from tests.support.monitoring import HOUR, MONDAY, WEEK, Rate, an_hour, run_detectors, wave

SEGMENTS = tuple(f"locale={number}" for number in range(10))

#: Pairs an hour: some 1,400 a day.
ROWS = 60


def calm_weeks(whole: bool) -> Iterator[Row]:
    """Three weeks in which nothing happens but a weekly wave of ±50%; ten segments, mean regret 1.3%, limit 2%."""
    runs = 200 if whole else 4
    opened: Counter[str] = Counter()
    for run in range(runs):
        opened.update(set(_opened(run, 3 * WEEK, lambda hour: wave(hour, rate=0.013))))
    for detector, name in (
        ("regret_drift", "drift"),
        ("bad_segment", "a bad segment"),
        ("candidate_failures", "failures"),
    ):
        check = f"monitor: an incident of {name} in three calm weeks"
        # e-BH bounds the share of false flags, which is all of them here: by 0.1 a week at most.
        bar = 0.1 if detector == "bad_segment" else 0.05
        yield at_most(check, opened[detector] / runs, bar, runs, whole=whole, exact=True)


def rises(whole: bool) -> Iterator[Row]:
    """After two calm weeks regret rises from 2% to 5%, or in one segment of ten from 1.3% to 12%."""
    runs = 100 if whole else 4
    delays, found = [], []
    for run in range(runs):
        times = _opened(run, 2 * WEEK + 48, lambda hour: 0.02 if hour < 2 * WEEK else 0.05)
        delays.append(times.get("regret_drift", 2 * WEEK + 48) - 2 * WEEK)
        times = _opened(run, 2 * WEEK + 96, lambda _: 0.013, bad=lambda hour: 0.013 if hour < 2 * WEEK else 0.12)
        found.append(times.get("bad_segment", 2 * WEEK + 96) - 2 * WEEK)
    slack = 1.0 if whole else 1.3
    yield figure("monitor: median hours from 2% to 5% to its incident", float(np.median(delays)), at_most=12, digits=0)
    p90 = float(np.quantile(delays, 0.9))
    yield figure("monitor: p90 of those hours, at 1,440 pairs a day", p90, at_most=24 * slack, digits=0)
    name = "monitor: p90 of the hours until a segment turned bad has its incident"
    yield figure(name, float(np.quantile(found, 0.9)), at_most=72, digits=0)


def _opened(run: int, hours: int, rate: Rate, *, bad: Rate | None = None) -> dict[str, int]:
    """The hour in which each detector opened its first incident."""
    rng = generator(run)
    rates = {name: bad if bad is not None and name == SEGMENTS[3] else rate for name in SEGMENTS}
    _, found = run_detectors(an_hour(rng, hour, rates, rows=ROWS) for hour in range(hours))
    first: dict[str, int] = {}
    for each in found:
        if isinstance(each.event, Opened):
            first.setdefault(each.key.detector, round((each.event.at - MONDAY) / HOUR))
    return first
