"""Simulated weeks of a task for tests of the monitor: as tallies of hours, and as pairs to ingest."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np

from scoring.monitor import detectors
from scoring.monitor.detectors import DetectorEvent, Rules, States
from shadow.aggregates.tally import ALL, MICRO, Cell, Sums, Tally
from shadow.records import Reply
from shadow.settings import Settings
from tests.support.store_samples import Scored, exchange, scored

#: A Monday.
MONDAY = datetime(2026, 9, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)
WEEK = 168

RULES = Rules(regret_limit=0.02, false_flag_rate=0.1, horizon=20_000, most_unscored=0.2)

#: The rate in an hour, counted from 0 at the start.
Rate = Callable[[int], float]


def wave(hour: int, *, rate: float = 0.02, by: float = 0.5) -> float:
    """A rate that rises and falls by half over the week."""
    return float(rate * (1 + by * np.sin(2 * np.pi * hour / WEEK)))


def counted(ones: int, n: int) -> Sums:
    """The sums of n numbers, `ones` of them 1 and the rest 0, each with weight 1."""
    return Sums(n, ones * MICRO, ones * MICRO, n * MICRO, n * MICRO, ones * MICRO, ones * MICRO)


def an_hour(
    rng: np.random.Generator,
    hour: int,
    rates: Mapping[str, Rate],
    *,
    rows: int = 120,
    source: str = "reference",
    start: datetime = MONDAY,
    failures: float = 0.01,
) -> dict[Cell, Tally]:
    """One hour's cells: about `rows` pairs, spread evenly over the segments that `rates` names."""
    cells: dict[Cell, Tally] = {}
    at = start + hour * HOUR
    for segment, rate in rates.items():
        n = int(rng.poisson(rows / len(rates)))
        regrets = int(rng.binomial(n, rate(hour)))
        for dimension, value in (ALL, segment.split("=")):
            cell = Cell("ticket-intent", "small-7b", "shadow", source, dimension, value, at)
            tally = cells.setdefault(cell, Tally())
            tally.pairs += n
            tally.counts["failure:candidate:timeout"] += int(rng.binomial(n, failures))
            tally.agreement.merge(counted(n - regrets, n))
            tally.regret.merge(counted(regrets, n))
    return cells


def run_detectors(
    hours: Iterator[dict[Cell, Tally]] | list[dict[Cell, Tally]], states: States | None = None, rules: Rules = RULES
) -> tuple[States, list[DetectorEvent]]:
    """The states and events of a task's detectors after hours made by `an_hour`."""
    states, found = dict(states or {}), []
    for cells in hours:
        if cells:
            hour = next(iter(cells)).hour
            for part in detectors.PARTS:
                states, now = detectors.step(part, "ticket-intent", states, hour, cells, rules)
                found += now
    return states, found


def through_json(states: States) -> States:
    """The states as the database returns them."""
    return {
        key: detectors.restore(key, msgspec.json.decode(msgspec.json.encode(state), type=dict[str, Any]))
        for key, state in states.items()
    }


def traffic(
    hours: int, rate: Rate, *, rows: int = 10, seed: int = 1, start: datetime, bad: str | None = None
) -> list[Scored]:
    """Pairs with a reference, `rows` an hour. In the segment locale=`bad`, one in four, regret is likely."""
    rng = np.random.default_rng(seed)
    pairs = []
    for hour in range(hours):
        for row in range(rows):
            locale = ("de", "en", "fr", "es")[int(rng.integers(4))]
            is_regret = rng.random() < (0.5 if locale == bad else rate(hour))
            number = hour * rows + row
            asked = exchange(number, at=start + hour * HOUR + row * (HOUR / rows), segment={"locale": locale})
            if rng.random() < 0.01:
                failed = Reply(model="small-7b", failure="timeout")
                pairs.append(scored(exchange=asked, reply=failed, agreement=None, unscored="candidate_timeout"))
            else:
                right: dict[str, Any] = {"frontier_correct": 1.0, "candidate_correct": 0.0 if is_regret else 1.0}
                pairs.append(scored(exchange=asked, agreement=1.0 - is_regret, **right))
    return pairs


def settings_for(url: str, **monitor: Any) -> Settings:
    """One task, and a monitor with short waits."""
    hurried = {"every_s": 0.05, "settle_s": 0.2, "health_port": 0, **monitor}
    return Settings.model_validate(
        {
            "models": {name: {"base_url": "http://127.0.0.1:9/v1"} for name in ("gpt-x", "small-7b")},
            "tasks": {"ticket-intent": {"frontier": "gpt-x", "candidates": ["small-7b"], "regret_limit": 0.1}},
            "postgres": {"url": url},
            "monitor": hurried,
        }
    )
