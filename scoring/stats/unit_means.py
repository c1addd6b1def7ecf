"""Intervals where one user or conversation makes many calls.

Calls of one user are correlated: twenty of them carry less information than twenty calls of twenty
users. An interval over calls ignores that and misses the truth in 25% to 90% of the cases. The
interval over unit means is valid, because units are independent: the betting sequence of
Waudby-Smith & Ramdas (see `betting`) on the mean of each unit.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scoring.stats.betting import bounded_interval
from scoring.stats.moments import checked_rows
from scoring.stats.sequential import ALPHA, Interval

UnitReason: TypeAlias = Literal["no_calls", "one_call_a_unit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitInterval:
    """The mean over units of each unit's own mean. `interval.n` is the number of units.

    `reason` is `no_calls`, `one_call_a_unit` where units make no difference, or None.
    """

    interval: Interval
    calls: int
    units: int
    reason: UnitReason | None = None


def unit_interval(values: ArrayLike, units: Sequence[Hashable] | NDArray[Any], alpha: float = ALPHA) -> UnitInterval:
    """The mean score in [0, 1] of a typical unit, with bounds valid under continuous looking.

    `units` names the unit of each value. Units count equally, however many calls they made. Raises
    ValueError for scores outside [0, 1] or lengths that differ.
    """
    x, _ = checked_rows(values)
    codes = _codes(units)
    if codes.size != x.size:
        raise ValueError(f"{x.size} values but {codes.size} units")
    return unit_interval_of_sums(np.bincount(codes, weights=x), np.bincount(codes), alpha)


def unit_interval_of_sums(totals: ArrayLike, calls: ArrayLike, alpha: float = ALPHA) -> UnitInterval:
    """As `unit_interval`, from the sum of scores and the number of calls (at least 1) of each unit."""
    total, count = np.asarray(totals, dtype=np.float64).ravel(), np.asarray(calls, dtype=np.int64).ravel()
    if total.size != count.size:
        raise ValueError(f"{total.size} sums but {count.size} numbers of calls")
    if not total.size:
        return UnitInterval(interval=Interval(None, 0.0, 1.0, 0), calls=0, units=0, reason="no_calls")
    if not ((count >= 1).all() and (total >= 0).all() and (total <= count * (1 + 1e-9)).all()):
        raise ValueError("every unit must have calls, and scores in [0, 1]")
    made = int(count.sum())
    return UnitInterval(
        # Rounding may make a mean of ones slightly larger than 1.
        interval=bounded_interval(np.minimum(total / count, 1.0), alpha),
        calls=made,
        units=count.size,
        reason="one_call_a_unit" if made == count.size else None,
    )


def _codes(units: Sequence[Hashable] | NDArray[Any]) -> NDArray[np.intp]:
    if isinstance(units, np.ndarray):
        return np.unique(units, return_inverse=True)[1].ravel()
    known: dict[Hashable, int] = {}
    return np.array([known.setdefault(unit, len(known)) for unit in units], dtype=np.intp)
