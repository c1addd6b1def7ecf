"""Means of scores anywhere in [0, 1] under continuous looking: the hedged betting sequence.

An interval made for 0/1 outcomes is valid for scores in between too, but as wide as if they were
0 or 1. Bets use the low variance of scores: for agreement around 0.8 ± 0.08 the interval is a
quarter as wide. Method: Waudby-Smith & Ramdas, "Estimating means of bounded random variables by
betting", JRSS B 2024, Theorem 3, with the bets of `wealth`.

The state of a stream is a histogram that loses almost nothing: a score between two of the 65 marks
counts for both of them, in proportion to its distance. Wealth is concave in the score, so the
histogram's wealth is at most that of the scores themselves, and the interval stays valid. Counts are
integers in millionths: batches, machines and restarts give the same state to the bit.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from scoring.stats.moments import MICRO, Floats, checked_rows
from scoring.stats.sequential import ALPHA, Interval
from scoring.stats.weighted import interval_of_rows

#: Marks at k/64. The variance a histogram adds is at most (1/128)².
_STEPS: Final = 64

_NOTHING: Final = (0,) * (_STEPS + 1)


@dataclass(frozen=True, slots=True)
class BettingState:
    """The state of a stream: per weight 1/π (in millionths), counts at the 65 marks (in millionths).

    Integers in tuples, so equal streams have equal states, and msgspec or json can store it.
    """

    strata: tuple[tuple[int, tuple[int, ...]], ...] = ()

    @property
    def n(self) -> int:
        return sum(sum(counts) for _, counts in self.strata) // MICRO

    def __add__(self, other: "BettingState") -> "BettingState":
        merged = dict(self.strata)
        for weight, counts in other.strata:
            merged[weight] = tuple(a + b for a, b in zip(merged.get(weight, _NOTHING), counts, strict=True))
        return BettingState(tuple(sorted(merged.items())))


def observe(state: BettingState, values: ArrayLike, inclusion_probabilities: ArrayLike | None = None) -> BettingState:
    """The state after a batch of scores in [0, 1]; does not depend on how the stream is cut into batches.

    Arrays are flattened to one dimension. With inclusion probabilities, in (0, 1], the state grows by
    one histogram per distinct probability. Raises ValueError for values or probabilities out of
    range, or lengths that differ.
    """
    x, probability = checked_rows(values, inclusion_probabilities)
    weights = np.rint(MICRO / probability).astype(np.int64)
    seen = [(int(weight), _histogram(np.rint(x[weights == weight] * MICRO))) for weight in np.unique(weights)]
    return state + BettingState(tuple(seen))


def interval_of(state: BettingState, alpha: float = ALPHA, *, smallest_probability: float | None = None) -> Interval:
    """The mean of the stream so far, with bounds that hold with 1 − `alpha` at all times at once.

    `smallest_probability` is the smallest inclusion probability that sampling is configured with;
    without it, the smallest seen. Raises ValueError if one was seen that is smaller.
    """
    if not state.strata:
        return Interval(None, 0.0, 1.0, 0)
    weights = np.array([weight for weight, _ in state.strata], dtype=np.float64)
    heaviest = weights.max() if smallest_probability is None else MICRO / smallest_probability
    if weights.max() > heaviest * (1 + 1e-6):
        raise ValueError(f"smallest_probability {smallest_probability} is above a probability in the state")
    counts = np.array([counts for _, counts in state.strata], dtype=np.float64) / MICRO
    at, mark = np.nonzero(counts)
    interval = interval_of_rows(mark / _STEPS, np.minimum(weights / heaviest, 1)[at], counts[at, mark], alpha)
    return replace(interval, n=state.n)


def bounded_interval(values: ArrayLike, alpha: float = ALPHA) -> Interval:
    """The mean of scores in [0, 1], with bounds that are valid under continuous looking.

    The order of the scores does not matter. Raises ValueError for scores outside [0, 1].
    """
    return interval_of(observe(BettingState(), values), alpha)


def _histogram(micros: Floats) -> tuple[int, ...]:
    """Counts at the marks, in millionths; the mean of the histogram is exactly the mean of the scores."""
    below, beyond = np.divmod(micros.astype(np.int64) * _STEPS, MICRO)
    counts = np.zeros(_STEPS + 2, dtype=np.int64)
    np.add.at(counts, below, MICRO - beyond)
    np.add.at(counts, below + 1, beyond)
    return tuple(counts[: _STEPS + 1].tolist())
