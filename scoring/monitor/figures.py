"""Rollups as detectors need them, and numbers as people read them."""

from typing import Final

from scoring.stats.moments import MICRO, Moments, columns
from scoring.stats.sequential import Interval, binomial_interval
from scoring.stats.weighted import interval_of_moments
from shadow.aggregates.tally import Sums, Tally
from shadow.records import Role

#: Nobody was asked: no fault of the model's.
_NOT_FAILURES: Final = ("not_asked", "expired")


def moments(sums: Sums, heaviest: int = MICRO) -> Moments:
    """The sums of a rollup. `heaviest` is the largest weight known before, in millionths.

    A bet should know the largest weight before the row that it is placed on. What was seen
    before is the best guess there is; a rollup that holds a larger one says so itself.
    """
    return Moments.of_sums(sums, smallest_probability=MICRO / max(heaviest, sums.heaviest))


def disagreement_moments(agreement: Sums, heaviest: int = MICRO) -> Moments:
    """The moments of 1 − x, from the sums of agreements x.

    Σxw² is not among the sums. It is exact for agreements of 0 or 1 and for equal weights; else
    the smallest value it can have is taken, which makes the bets more careful.
    """
    agreed = moments(agreement, heaviest)
    if not agreed.n:
        return agreed
    scaled = float(columns([agreed]).up2_low[0]) * (agreed.heaviest / MICRO) ** 2
    squares = agreed.weight_squares - 2 * round(scaled * MICRO) + agreed.weighted_squares
    rows = agreed.n * MICRO
    return Moments(
        n=agreed.n,
        total=rows - agreed.total,
        squares=max(0, rows - 2 * agreed.total + agreed.squares),
        weight=agreed.weight,
        weight_squares=agreed.weight_squares,
        weighted=agreed.weight - agreed.weighted,
        weighted_squares=max(0, squares),
        heaviest=agreed.heaviest,
    )


def failure_moments(tally: Tally, role: Role) -> Moments:
    """Of the pairs for which this side was asked, those in which it failed. Each counts once."""
    start = f"failure:{role}:"
    kinds = {name.removeprefix(start): n for name, n in tally.counts.items() if name.startswith(start)}
    unasked = sum(kinds.pop(kind, 0) for kind in _NOT_FAILURES)
    asked = max(0, tally.pairs - unasked)
    return Moments.of_counts(min(sum(kinds.values()), asked), asked)


def interval(seen: Moments) -> Interval:
    """The mean with bounds that hold under continuous looking."""
    # Equal weights make the mean of squares the square of the mean.
    if seen.n and seen.weight**2 == seen.n * seen.weight_squares * MICRO:
        return binomial_interval(seen.total / MICRO, seen.n)
    return interval_of_moments(seen)


def percent(share: float) -> str:
    """2.1%; as many digits as a small share needs to be format_interval from nothing."""
    return f"{100 * share:.1f}%" if share >= 0.001 or share == 0 else f"{100 * share:.2g}%"


def format_interval(found: Interval) -> str:
    """5.3% (3.9%–7.1%), n 812"""
    if found.estimate is None:
        return "no data"
    return f"{percent(found.estimate)} ({percent(found.low)}–{percent(found.high)}), n {found.n:,.0f}"


def as_detail(found: Interval) -> dict[str, float | int | None]:
    """An interval for an incident's detail."""
    return {"estimate": found.estimate, "low": found.low, "high": found.high, "n": round(found.n)}
