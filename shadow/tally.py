"""Comparisons counted into addable sufficient statistics.

A `Tally` is what the store keeps per (task, candidate, kind, regret source, segment, hour)
and what evidence is computed from; `replay --dry-run` builds the very same tallies in memory.
Tallies of hours, segments or machines add up to the tally of their union.

All sums are whole numbers in millionths ("micros"). Floating-point sums depend on the order
of addition; these do not, so aggregates come out byte-identical however often and in
whatever order the comparisons are delivered.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from math import floor, log2
from typing import Final, NamedTuple, TypeVar

from shadow import identify
from shadow.records import Comparison, Reply, Role, Trial, TrialKind, candidate_reply, frontier_reply

T = TypeVar("T")

MICRO: Final = 1_000_000

#: The dimension and value that stand for "everything".
ALL: Final = ("all", "all")

#: Histogram buckets per doubling: an upper edge is 2^(1/8), 9%, above the one before.
BUCKETS_PER_DOUBLING: Final = 8


class Cell(NamedTuple):
    """What one tally is about. `hour` is the event time cut to the hour, UTC."""

    task: str
    candidate: str
    kind: TrialKind
    source: str
    dimension: str
    value: str
    hour: datetime


class Combination(NamedTuple):
    """A cell for each of its segments, and one for the totals: all that a pair belongs to."""

    task: str
    candidate: str
    kind: TrialKind
    source: str
    segments: tuple[tuple[str, str], ...]
    hour: datetime


@dataclass(slots=True)
class Sums:
    """Sufficient statistics of numbers x with weights w = 1 / inclusion probability.

    `n` counts; the rest is in micros: Σx, Σx², Σw, Σw², Σwx, Σ(wx)² (squares of micros are
    cut back to micros term by term, so that every term is the same in any order). `heaviest`
    is the largest w: it does not add up, the largest counts.
    """

    n: int = 0
    total: int = 0
    squares: int = 0
    weight: int = 0
    weight_squares: int = 0
    weighted: int = 0
    weighted_squares: int = 0
    heaviest: int = MICRO

    def add(self, x: float, probability: float) -> None:
        self.merge(_one(x, probability))

    def merge(self, other: "Sums") -> None:
        self.n += other.n
        self.total += other.total
        self.squares += other.squares
        self.weight += other.weight
        self.weight_squares += other.weight_squares
        self.weighted += other.weighted
        self.weighted_squares += other.weighted_squares
        self.heaviest = max(self.heaviest, other.heaviest)

    def take(self, other: "Sums") -> None:
        """Take back what was merged. `heaviest` stays: it bounds what was seen."""
        self.n -= other.n
        self.total -= other.total
        self.squares -= other.squares
        self.weight -= other.weight
        self.weight_squares -= other.weight_squares
        self.weighted -= other.weighted
        self.weighted_squares -= other.weighted_squares


@dataclass(slots=True)
class Tally:
    """The statistics of one cell.

    `counts` holds open-ended counters: `unscored:<reason>`, `failure:<role>:<kind>`,
    `cost_nanousd:<role>`, `costed:<role>`, `correct:<role>` (micros), `graded:<role>`.
    `histograms[measure][bucket]` counts values per logarithmic bucket, see `bucket`; measures
    are `latency_ms:<role>`, `output_chars:<role>` and `input_chars`. Only the `ALL` cell of an
    hour carries histograms.
    """

    pairs: int = 0
    agreement: Sums = field(default_factory=Sums)
    regret: Sums = field(default_factory=Sums)
    net_regret: Sums = field(default_factory=Sums)
    counts: Counter[str] = field(default_factory=Counter)
    histograms: dict[str, Counter[int]] = field(default_factory=dict)

    def merge(self, other: "Tally") -> None:
        self.pairs += other.pairs
        # Every pair is merged into every cell it belongs to, and most pairs have no regret.
        if other.agreement.n:
            self.agreement.merge(other.agreement)
        if other.regret.n:
            self.regret.merge(other.regret)
        if other.net_regret.n:
            self.net_regret.merge(other.net_regret)
        _add_up(self.counts, other.counts)
        for measure, buckets in other.histograms.items():
            known = self.histograms.get(measure)
            if known is None:
                self.histograms[measure] = Counter(buckets)
            else:
                _add_up(known, buckets)


def micros(x: float) -> int:
    return round(x * MICRO)


def count(
    tallies: dict[Cell, Tally], trial: Trial, comparison: Comparison, dimensions: Mapping[str, str] | None = None
) -> None:
    """Count one scored pair into every cell it belongs to.

    `dimensions` are the pair's segments, declared and derived (`dimensions_of(trial)` if left
    out). Calendar dimensions are not cells: they are read off `hour`.
    """
    alone: dict[Combination, Tally] = {}
    count_combination(alone, trial, comparison, dimensions)
    spread(tallies, alone)


def count_combination(
    combinations: dict[Combination, Tally],
    trial: Trial,
    comparison: Comparison,
    dimensions: Mapping[str, str] | None = None,
) -> None:
    """Count one scored pair into the tally of exactly its segments, to be `spread` later.

    For a batch of pairs with few combinations that is several times faster than `count`.
    """
    segments = dimensions_of(trial) if dimensions is None else dimensions
    key = Combination(
        trial.exchange.task,
        trial.candidate,
        trial.kind,
        comparison.regret_source or "",
        tuple(sorted(segments.items())),
        utc(trial.exchange.at).replace(minute=0, second=0, microsecond=0),
    )
    tally = combinations.get(key)
    if tally is None:
        tally = combinations[key] = Tally()
    _count_scores(tally, trial, comparison)
    _count_sizes(tally, trial)


def spread(tallies: dict[Cell, Tally], combinations: Mapping[Combination, Tally]) -> None:
    """Add the tallies of combinations to those of the cells they belong to."""
    for (task, candidate, kind, source, segments, hour), counted in combinations.items():
        _at(tallies, Cell(task, candidate, kind, source, *ALL, hour)).merge(counted)
        scores = replace(counted, histograms={})
        for dimension, value in segments:
            _at(tallies, Cell(task, candidate, kind, source, dimension, value, hour)).merge(scores)


def dimensions_of(trial: Trial) -> dict[str, str]:
    """Declared and derived segments of a pair, within the limits on what may be one."""
    declared = {
        name[: identify.MAX_VALUE]: value[: identify.MAX_VALUE]
        for name, value in islice(trial.exchange.segment.items(), identify.MAX_DIMENSIONS)
        if name != ALL[0]  # would be counted among the totals
    }
    return declared | identify.derived(trial.exchange.request)


def utc(moment: datetime) -> datetime:
    """`moment` in UTC, also where that would fall out of the calendar."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return moment.replace(tzinfo=UTC)


def total(tallies: Iterable[Tally]) -> Tally:
    """The tally of the union."""
    result = Tally()
    for tally in tallies:
        result.merge(tally)
    return result


def bucket(x: float) -> int:
    """The histogram bucket of x: bucket b holds [2^(b/8), 2^((b+1)/8)); below 1 all is bucket 0."""
    return floor(log2(x) * BUCKETS_PER_DOUBLING) if x > 1 else 0


def bucket_value(index: int) -> float:
    """A bucket's representative value (its geometric middle): within 4.5% of what it holds."""
    return float(2 ** ((index + 0.5) / BUCKETS_PER_DOUBLING))


def quantile(histogram: Mapping[int, int], q: float) -> float | None:
    """The q-quantile of a histogram, within 4.5%; None where it is empty."""
    remaining = q * sum(histogram.values())
    last: int | None = None
    for index, n in sorted(histogram.items()):
        last = index
        remaining -= n
        if remaining <= 0:
            break
    return None if last is None else bucket_value(last)


def _at(tallies: dict[Cell, Tally], cell: Cell) -> Tally:
    found = tallies.get(cell)
    if found is None:
        found = tallies[cell] = Tally()
    return found


@lru_cache(maxsize=4096)
def _one(x: float, probability: float) -> Sums:
    """The sums of one number. Most numbers are 0 or 1 and most rates the same."""
    weight = 1 / probability
    return Sums(
        n=1,
        total=micros(x),
        squares=micros(x * x),
        weight=micros(weight),
        weight_squares=micros(weight * weight),
        weighted=micros(x * weight),
        weighted_squares=micros(x * x * weight * weight),
        heaviest=micros(weight),
    )


def _count_scores(tally: Tally, trial: Trial, comparison: Comparison) -> None:
    probability = trial.inclusion_probability
    counts = tally.counts
    tally.pairs += 1
    for sums, x in (
        (tally.agreement, comparison.agreement),
        (tally.regret, comparison.regret),
        (tally.net_regret, comparison.net_regret),
    ):
        if x is not None:
            sums.add(x, probability)
    if comparison.agreement is None:
        counts[f"unscored:{comparison.unscored or 'unknown'}"] += 1
    for role, reply, correct in _sides(trial, comparison):
        if reply.failure is not None:
            counts[f"failure:{role}:{reply.failure}"] += 1
        if reply.cost_usd is not None:
            counts[f"costed:{role}"] += 1
            counts[f"cost_nanousd:{role}"] += round(reply.cost_usd * 1e9)
        if correct is not None:
            counts[f"graded:{role}"] += 1
            counts[f"correct:{role}"] += micros(correct)


def _count_sizes(tally: Tally, trial: Trial) -> None:
    _into(tally, "input_chars", identify.input_characters(trial.exchange.request))
    for role, reply in (("frontier", frontier_reply(trial)), ("candidate", candidate_reply(trial))):
        if reply.latency_ms is not None:
            _into(tally, f"latency_ms:{role}", reply.latency_ms)
        if reply.content is not None:
            _into(tally, f"output_chars:{role}", len(reply.content))


def _into(tally: Tally, measure: str, x: float) -> None:
    histogram = tally.histograms.get(measure)
    if histogram is None:
        histogram = tally.histograms[measure] = Counter()
    histogram[bucket(x)] += 1


def _add_up(counts: Counter[T], others: Counter[T]) -> None:
    # What Counter.update does, without its overhead for the few entries there are.
    for key, n in others.items():
        counts[key] += n


def _sides(trial: Trial, comparison: Comparison) -> tuple[tuple[Role, Reply, float | None], ...]:
    return (
        ("frontier", frontier_reply(trial), comparison.frontier_correct),
        ("candidate", candidate_reply(trial), comparison.candidate_correct),
    )
