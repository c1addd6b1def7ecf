"""Addable sufficient statistics, from which all evidence is computed.

The store has a `Tally` for each (task, candidate, kind, regret source, segment, hour), and
`replay --dry-run` builds the same tallies in memory. The tallies of hours or machines add up to the
tally of their union. `shadow.aggregates.counting` adds pairs to tallies.

All sums are whole numbers of millionths ("micros"). Floating-point sums depend on the order of
addition; these do not, so the aggregates are byte-identical however often and in whatever order the
comparisons are delivered.
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

#: The kind of trials in a cell, or "excess": how much more often the candidate disagrees with the
#: frontier than the frontier disagrees with itself.
CellKind: TypeAlias = TrialKind | Literal["excess"]

MICRO: Final = 1_000_000

#: The dimension and value of the totals.
ALL: Final = ("all", "all")

#: The value under which the values beyond a limit are counted together (see `cardinality`).
OVERFLOW: Final = "overflow"

#: Histogram buckets per doubling: each upper edge is 2^(1/8) times, 9% above, the edge before it.
BUCKETS_PER_DOUBLING: Final = 8


class Cell(NamedTuple):
    """The key of a tally. `hour` is the start of the hour (UTC) of the event times."""

    task: str
    candidate: str
    kind: CellKind
    source: str
    dimension: str
    value: str
    hour: datetime


class Combination(NamedTuple):
    """All segments of a pair together. `spread` turns it into cells: one per segment, and the totals.

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

    `n` is the number of them; the other fields are in micros: Σx, Σx², Σw, Σw², Σwx, Σ(wx)². Each
    term is rounded to micros before it is added, so that the sum is the same in any order. `heaviest`
    is the largest w: the maximum of two tallies, not their sum.
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
        """Whether anything was added or subtracted."""
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
        """Undo a `merge`. `heaviest` stays, as an upper bound."""
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

    A pair adds `pairs`, `agreement`, `histograms` and most counts to the cells of one source: the
    strongest that it had when it came. It adds `regret` and `net_regret` to the cells of each of its
    sources, so the regret in a cell is that by the cell's own source.

    `counts` has counters by name: `unscored:<reason>`, `failure:<role>:<kind>`,
    `cost_nanousd:<role>`, `costed:<role>`, `correct:<role>` (micros), `graded:<role>`,
    `no_confidence:<reason>` (of the candidate). Cells of the source `judge` also have
    `judged:<preference>`, those of `human` `labelled:<the judge's preference, or none>:<preference>`,
    and both have the weights in micros, `judged_weight:…` and `labelled_weight:…`.
    `histograms[measure][bucket]` counts values per logarithmic bucket (see `bucket`) of the measures
    `latency_ms:<role>`, `ttft_ms:<role>`, `output_chars:<role>` and `input_chars`. Only totals (`ALL`)
    have histograms.

    `by_confidence` has the pairs, the agreement and the regret of the pairs whose candidate reported a
    confidence, by bin (see `confidence_bins`). Only totals have it.
    """

    pairs: int = 0
    agreement: Sums = field(default_factory=Sums)
    regret: Sums = field(default_factory=Sums)
    net_regret: Sums = field(default_factory=Sums)
    counts: Counter[str] = field(default_factory=Counter)
    histograms: dict[str, Counter[int]] = field(default_factory=dict)
    by_confidence: dict[int, "Tally"] = field(default_factory=dict)

    def merge(self, other: "Tally") -> None:
        self.pairs += other.pairs
        # Most pairs have no regret.
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
        for number, scores in other.by_confidence.items():
            tally_at(self.by_confidence, number).merge(scores)

    def subtract(self, other: "Tally") -> None:
        """Undo a `merge`, for a pair whose label, verdict or reply has changed."""
        self.pairs -= other.pairs
        self.agreement.subtract(other.agreement)
        self.regret.subtract(other.regret)
        self.net_regret.subtract(other.net_regret)
        self.counts.subtract(other.counts)
        for measure, buckets in other.histograms.items():
            self.histograms.setdefault(measure, Counter()).subtract(buckets)
        for number, scores in other.by_confidence.items():
            tally_at(self.by_confidence, number).subtract(scores)


def micros(x: float) -> int:
    return round(x * MICRO)


def combination(
    task: str, candidate: str, kind: CellKind, source: str, segments: Mapping[str, str], at: datetime
) -> Combination:
    """The combination of a pair with the event time `at`, for the cells of `source`."""
    return Combination(task, candidate, kind, source, tuple(sorted(segments.items())), hour_of(utc(at)))


def hour_of(at: datetime) -> datetime:
    """The start of the hour of a moment in UTC."""
    return _hour(at.year, at.month, at.day, at.hour)


def tally_at(tallies: dict[K, Tally], key: K) -> Tally:
    """The tally at `key`; a new one if there is none."""
    found = tallies.get(key)
    if found is None:
        found = tallies[key] = Tally()
    return found


def spread(tallies: dict[Cell, Tally], combinations: Mapping[Combination, Tally]) -> None:
    """Add the tallies of combinations to the cells of their segments and to the totals."""
    for (task, candidate, kind, source, segments, hour), counted in combinations.items():
        tally_at(tallies, Cell(task, candidate, kind, source, *ALL, hour)).merge(counted)
        scores = replace(counted, histograms={}, by_confidence={})
        for dimension, value in segments:
            tally_at(tallies, Cell(task, candidate, kind, source, dimension, value, hour)).merge(scores)


def utc(moment: datetime) -> datetime:
    """`moment` in UTC; if that is outside the range of `datetime`, with its clock time unchanged."""
    if moment.tzinfo is UTC:
        return moment
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return moment.replace(tzinfo=UTC)


def total(tallies: Iterable[Tally]) -> Tally:
    """The sum of tallies."""
    result = Tally()
    for tally in tallies:
        result.merge(tally)
    return result


def bucket(x: float) -> int:
    """The histogram bucket of x: bucket b is [2^(b/8), 2^((b+1)/8)); numbers below 1 are in bucket 0."""
    return int(log2(x) * BUCKETS_PER_DOUBLING) if x > 1 else 0


def bucket_value(index: int) -> float:
    """The geometric middle of a bucket: within 4.5% of every value in it."""
    return float(2 ** ((index + 0.5) / BUCKETS_PER_DOUBLING))


def quantile(histogram: Mapping[int, int], q: float) -> float | None:
    """The q-quantile of a histogram, within 4.5%; None if it is empty."""
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
    """The start of an hour (UTC). Cached, because a `datetime` caches its hash."""
    return datetime(year, month, day, hour, tzinfo=UTC)


@lru_cache(maxsize=4096)
def _one(x: float, probability: float) -> Sums:
    """The sums of one number. Cached, because most numbers are 0 or 1 and most rates the same."""
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
    # Like Counter.update, without its overhead: there are few entries.
    for key, n in others.items():
        counts[key] += n
