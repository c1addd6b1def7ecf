"""Have requests or replies changed between two windows? Effect size first, then significance.

With a million exchanges every difference is "significant", so each shift has an effect size from 0
(the same) to 1 (nothing in common), and it counts only if it is both large enough to matter and
beyond chance. The p-values come from permutation tests: the rows of the two windows are shuffled and
divided again. They are corrected for all dimensions together (Benjamini & Hochberg, "Controlling the
false discovery rate", JRSS B 1995, by scipy). A shift is an explanation, not an alarm.

Categories: Jensen–Shannon distance (Lin, "Divergence measures based on the Shannon entropy", 1991)
and the population stability index. Numbers: the distances of Kolmogorov and Smirnov, and of
Wasserstein. All are computed from addable counts; numbers are in logarithmic buckets.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import jensenshannon
from scipy.stats import false_discovery_control, ks_2samp, wasserstein_distance

from scoring.stats.moments import Floats

Kind: TypeAlias = Literal["mix", "numbers", "text"]
ShiftStatus: TypeAlias = Literal["shifted", "too_small_to_matter", "within_chance", "no_data", "not_judged"]

Value = TypeVar("Value", str, int)

#: Effects below this are `too_small_to_matter`, whatever their p-value.
MIN_EFFECT: Final = 0.1

PERMUTATIONS: Final = 999

#: Maximum number of values of a dimension, or buckets of a number; the rarest values are counted together.
_MAX_VALUES: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """The shift of one dimension. `effect`, in [0, 1], is the Jensen–Shannon distance for a mix of
    categories, Kolmogorov's distance for numbers, and 2·AUC − 1 of a classifier for text; None where a
    window is empty.

    `psi` is for mixes; `wasserstein` for numbers, in their own unit. `contributions` holds what changed
    most, with its weight or its difference in share: positive is more frequent now. `ranked` sets
    `status` and `q_value`, which depend on all dimensions.
    """

    name: str
    kind: Kind
    effect: float | None
    p_value: float | None
    n_current: int
    n_reference: int
    psi: float | None = None
    wasserstein: float | None = None
    contributions: tuple[tuple[str, float], ...] = ()
    q_value: float | None = None
    status: ShiftStatus = "not_judged"


def mix_shift(
    name: str, current: Mapping[str, int], reference: Mapping[str, int], permutations: int = PERMUTATIONS
) -> Shift:
    """The shift of a mix of categories, from counts per value in the two windows."""
    values = sorted({*current, *reference}, key=lambda v: (-current.get(v, 0) - reference.get(v, 0), v))
    now, then = _table(current, values), _table(reference, values)
    if not now.sum() or not then.sum():
        return _empty(name, "mix", now, then)
    now, then = (np.append(each[:_MAX_VALUES], each[_MAX_VALUES:].sum()) for each in (now, then))
    effect, p_value = _permuted(now, then, _distance_of_mixes, permutations)
    moved = now / now.sum() - then / then.sum()
    most = sorted(range(min(len(values), _MAX_VALUES)), key=lambda index: (-abs(moved[index]), index))[:5]
    return Shift(
        name=name,
        kind="mix",
        effect=effect,
        p_value=p_value,
        n_current=int(now.sum()),
        n_reference=int(then.sum()),
        psi=stability_index(now, then),
        contributions=tuple((values[index], float(moved[index])) for index in most),
    )


def histogram_shift(
    name: str,
    current: Mapping[int, int],
    reference: Mapping[int, int],
    value_of: Callable[[int], float] = float,
    permutations: int = PERMUTATIONS,
) -> Shift:
    """The shift of numbers, from counts per bucket. `value_of` maps a bucket to its number.

    Let `value_of` return the logarithm to measure a factor instead of a difference.
    """
    buckets = sorted({*current, *reference})
    now, then = _table(current, buckets), _table(reference, buckets)
    if not now.sum() or not then.sum():
        return _empty(name, "numbers", now, then)
    values = np.array([value_of(bucket) for bucket in buckets])
    effect, p_value = _permuted(now, then, _distance_of_steps, permutations)
    return Shift(
        name=name,
        kind="numbers",
        effect=effect,
        p_value=p_value,
        n_current=int(now.sum()),
        n_reference=int(then.sum()),
        wasserstein=float(wasserstein_distance(values, values, now, then)),
    )


def number_shift(name: str, current: ArrayLike, reference: ArrayLike, permutations: int = PERMUTATIONS) -> Shift:
    """The shift of single numbers, such as lengths or latencies. Effect sizes are exact; the
    permutations use up to 200 buckets of equal size instead of single numbers.
    """
    now, then = (np.asarray(each, dtype=np.float64).ravel() for each in (current, reference))
    if not now.size or not then.size:
        return _empty(name, "numbers", np.ones(now.size, dtype=np.int64), np.ones(then.size, dtype=np.int64))
    edges = np.unique(np.quantile(np.concatenate([now, then]), np.linspace(0, 1, _MAX_VALUES + 1)[1:-1]))
    tables = [np.bincount(np.searchsorted(edges, each, side="left"), minlength=edges.size + 1) for each in (now, then)]
    _, p_value = _permuted(tables[0], tables[1], _distance_of_steps, permutations)
    return Shift(
        name=name,
        kind="numbers",
        effect=float(ks_2samp(now, then, method="asymp").statistic),
        p_value=p_value,
        n_current=now.size,
        n_reference=then.size,
        wasserstein=float(wasserstein_distance(now, then)),
    )


def ranked(shifts: Iterable[Shift], alpha: float = 0.05, matters: float = MIN_EFFECT) -> list[Shift]:
    """All dimensions, largest effect first, each with a q-value (corrected p-value) and a status.

    `alpha` is the false discovery rate, `matters` the smallest effect that matters.
    """
    every = list(shifts)
    p_values = [each.p_value for each in every if each.p_value is not None]
    q_values = iter(false_discovery_control(p_values).tolist() if p_values else [])
    judged = [
        replace(each, status="no_data")
        if each.effect is None or each.p_value is None
        else _with_status(each, each.effect, next(q_values), alpha, matters)
        for each in every
    ]
    return sorted(judged, key=lambda each: (-(each.effect if each.effect is not None else -1.0), each.name))


def stability_index(current: ArrayLike, reference: ArrayLike) -> float:
    """PSI, Σ(p − q)·ln(p/q), of two arrays of counts of one length; half a count per cell keeps it finite."""
    now, then = (np.asarray(each, dtype=np.float64) for each in (current, reference))
    used = now + then > 0
    p, q = ((each[used] + 0.5) / (each[used] + 0.5).sum() for each in (now, then))
    return float(((p - q) * np.log(p / q)).sum())


def _with_status(shift: Shift, effect: float, q_value: float, alpha: float, matters: float) -> Shift:
    status: ShiftStatus = (
        "within_chance" if q_value > alpha else "too_small_to_matter" if effect < matters else "shifted"
    )
    return replace(shift, q_value=q_value, status=status)


def _permuted(
    now: NDArray[np.int64],
    then: NDArray[np.int64],
    distance: Callable[[Floats, Floats], Floats],
    permutations: int,
) -> tuple[float, float]:
    """The distance, and its p-value: the share of permutations of the pooled rows with one as large.

    A random permutation of the rows is a draw of counts from a multivariate hypergeometric
    distribution, so no row is needed. The seed is fixed: the same counts give the same p-value.
    """
    pooled = now + then
    observed = float(distance(now[None] / now.sum(), then[None] / then.sum())[0])
    permuted = np.random.default_rng(0).multivariate_hypergeometric(
        pooled, int(now.sum()), permutations, method="marginals"
    )
    by_chance = distance(permuted / now.sum(), (pooled - permuted) / then.sum())
    # The tolerance makes equal distances count as equal in spite of rounding.
    as_large = int((by_chance >= observed * (1 - 1e-9) - 1e-15).sum())
    return observed, (1 + as_large) / (1 + permutations)


def _distance_of_mixes(p: Floats, q: Floats) -> Floats:
    distances: Floats = np.nan_to_num(jensenshannon(p, q, base=2, axis=1))
    return distances


def _distance_of_steps(p: Floats, q: Floats) -> Floats:
    distances: Floats = np.abs(np.cumsum(p - q, axis=1)).max(axis=1)
    return distances


def _table(counts: Mapping[Value, int], cells: Iterable[Value]) -> NDArray[np.int64]:
    return np.array([counts.get(cell, 0) for cell in cells], dtype=np.int64)


def _empty(name: str, kind: Kind, now: NDArray[np.int64], then: NDArray[np.int64]) -> Shift:
    return Shift(name=name, kind=kind, effect=None, p_value=None, n_current=int(now.sum()), n_reference=int(then.sum()))
