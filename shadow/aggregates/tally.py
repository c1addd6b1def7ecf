"""Addable sufficient statistics: what evidence is computed from, whoever counted it.

A `Tally` is what the store keeps per (task, candidate, kind, regret source, segment, hour);
`replay --dry-run` builds the very same tallies in memory. Tallies of hours, segments or
machines add up to the tally of their union. `shadow.aggregates.counting` says what of a pair goes in.

All sums are whole numbers in millionths ("micros"). Floating-point sums depend on the order
of addition; these do not, so aggregates come out byte-identical however often and in
whatever order the comparisons are delivered.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from math import log2
from typing import Final, Literal, NamedTuple, TypeAlias, TypeVar

from shadow.records import TrialKind

K = TypeVar("K")
T = TypeVar("T")

#: What a cell is about: trials of a kind, or how much more often the candidate disagrees with
#: the frontier than the frontier does with itself.
CellKind: TypeAlias = TrialKind | Literal["excess"]

MICRO: Final = 1_000_000

#: The dimension and value that stand for "everything".
ALL: Final = ("all", "all")

#: The value of a segment that stands for all those that there were too many of.
OVERFLOW: Final = "overflow"

#: Histogram buckets per doubling: an upper edge is 2^(1/8), 9%, above the one before.
BUCKETS_PER_DOUBLING: Final = 8


class Cell(NamedTuple):
    """What one tally is about. `hour` is the event time cut to the hour, UTC."""

    task: str
    candidate: str
    kind: CellKind
    source: str
    dimension: str
    value: str
    hour: datetime


class Combination(NamedTuple):
    """A cell for each of its segments, and one for the totals: all that a pair belongs to.

    `segments` are in alphabetical order; see `combination`.
    """

    task: str
    candidate: str
    kind: CellKind
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

    def __bool__(self) -> bool:
        """Whether anything was counted, or is to be taken back."""
        return any(
            (self.n, self.total, self.squares, self.weight, self.weight_squares, self.weighted, self.weighted_squares)
        )

    def add(self, x: float, probability: float, times: int = 1) -> None:
        """Add the number x, sampled with `probability`, so many `times`."""
        one = _one(x, probability)
        self.n += times
        self.total += times * one.total
        self.squares += times * one.squares
        self.weight += times * one.weight
        self.weight_squares += times * one.weight_squares
        self.weighted += times * one.weighted
        self.weighted_squares += times * one.weighted_squares
        self.heaviest = max(self.heaviest, one.heaviest)

    def merge(self, other: "Sums") -> None:
        self.n += other.n
        self.total += other.total
        self.squares += other.squares
        self.weight += other.weight
        self.weight_squares += other.weight_squares
        self.weighted += other.weighted
        self.weighted_squares += other.weighted_squares
        self.heaviest = max(self.heaviest, other.heaviest)

    def subtract(self, other: "Sums") -> None:
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

    `pairs`, `agreement`, `histograms` and most counts of a pair are in the cells of one source,
    the strongest that it had when it came; `regret` and `net_regret` of a cell are what its own
    source says, and pairs that have several sources are in several.

    `counts` holds open-ended counters: `unscored:<reason>`, `failure:<role>:<kind>`,
    `cost_nanousd:<role>`, `costed:<role>`, `correct:<role>` (micros), `graded:<role>`. In cells
    of judges, `judged:<preference>`; in those of people, `labelled:<preference of the judge, or
    none>:<preference>`; and of both the weights, in micros: `judged_weight:…`, `labelled_weight:…`.
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
        if other.agreement:
            self.agreement.merge(other.agreement)
        if other.regret:
            self.regret.merge(other.regret)
        if other.net_regret:
            self.net_regret.merge(other.net_regret)
        _add_up(self.counts, other.counts)
        for measure, buckets in other.histograms.items():
            known = self.histograms.get(measure)
            if known is None:
                self.histograms[measure] = Counter(buckets)
            else:
                _add_up(known, buckets)

    def subtract(self, other: "Tally") -> None:
        """Take back what was merged, of a pair of which something else is true now."""
        self.pairs -= other.pairs
        self.agreement.subtract(other.agreement)
        self.regret.subtract(other.regret)
        self.net_regret.subtract(other.net_regret)
        self.counts.subtract(other.counts)
        for measure, buckets in other.histograms.items():
            self.histograms.setdefault(measure, Counter()).subtract(buckets)


def micros(x: float) -> int:
    return round(x * MICRO)


def combination(
    task: str, candidate: str, kind: CellKind, source: str, segments: Mapping[str, str], at: datetime
) -> Combination:
    """The combination of a pair of the event time `at`, for what `source` says of it."""
    return Combination(task, candidate, kind, source, tuple(sorted(segments.items())), hour_of(utc(at)))


def hour_of(at: datetime) -> datetime:
    """The start of the hour of a moment in UTC."""
    return _hour(at.year, at.month, at.day, at.hour)


def tally_at(tallies: dict[K, Tally], key: K) -> Tally:
    """The tally of `key`, empty at first."""
    found = tallies.get(key)
    if found is None:
        found = tallies[key] = Tally()
    return found


def spread(tallies: dict[Cell, Tally], combinations: Mapping[Combination, Tally]) -> None:
    """Add the tallies of combinations to those of the cells they belong to."""
    for (task, candidate, kind, source, segments, hour), counted in combinations.items():
        tally_at(tallies, Cell(task, candidate, kind, source, *ALL, hour)).merge(counted)
        scores = replace(counted, histograms={})
        for dimension, value in segments:
            tally_at(tallies, Cell(task, candidate, kind, source, dimension, value, hour)).merge(scores)


def utc(moment: datetime) -> datetime:
    """`moment` in UTC, also where that would fall out of the calendar."""
    if moment.tzinfo is UTC:
        return moment
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
    return int(log2(x) * BUCKETS_PER_DOUBLING) if x > 1 else 0


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


@lru_cache(maxsize=4096)
def _hour(year: int, month: int, day: int, hour: int) -> datetime:
    """That hour, UTC: the same object each time, which knows its hash by then."""
    return datetime(year, month, day, hour, tzinfo=UTC)


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


def _add_up(counts: Counter[T], others: Counter[T]) -> None:
    # What Counter.update does, without its overhead for the few entries there are.
    for key, n in others.items():
        counts[key] += n
