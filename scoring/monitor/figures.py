"""The sums of rollups as detectors need them, and numbers as text for incidents."""

from scoring.stats.moments import MICRO, Moments, columns
from scoring.stats.sequential import Interval, binomial_interval
from scoring.stats.weighted import interval_of_moments
from shadow.aggregates import counters
from shadow.aggregates.tally import Sums, Tally
from shadow.records import Role


def moments(sums: Sums, heaviest: int = MICRO) -> Moments:
    """The sums of a rollup. `heaviest` is the largest weight known beforehand, in millionths.

    A bet must know the largest weight before the row that it is placed on. The largest weight seen
    so far is the best estimate; where the rollup holds a larger one, that one is used.
    """
    return Moments.of_sums(sums, smallest_probability=MICRO / max(heaviest, sums.heaviest))


def disagreement_moments(agreement: Sums, heaviest: int = MICRO) -> Moments:
    """The moments of 1 − x, from the sums of agreements x.

    Rollups do not hold Σxw². It is exact for agreements of 0 or 1 and for equal weights; otherwise
    the smallest possible value is used, which makes the bets more cautious.
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
    """Failures among the pairs for which this side was asked; every pair has the weight 1."""
    asked = counters.asked(tally, role)
    return Moments.of_counts(min(sum(counters.failures(tally, role).values()), asked), asked)


def interval(seen: Moments) -> Interval:
    """The mean with bounds that are valid under continuous looking."""
    # Equal weights make the mean of squares the square of the mean.
    if seen.n and seen.weight**2 == seen.n * seen.weight_squares * MICRO:
        return binomial_interval(seen.total / MICRO, seen.n)
    return interval_of_moments(seen)


def percent(share: float) -> str:
    """A share as text, such as "2.1%"; small shares get enough digits to differ from 0."""
    return f"{100 * share:.1f}%" if share >= 0.001 or share == 0 else f"{100 * share:.2g}%"


def format_interval(found: Interval) -> str:
    """An interval as text, such as "5.3% (3.9%–7.1%), n 812"."""
    if found.estimate is None:
        return "no data"
    return f"{percent(found.estimate)} ({percent(found.low)}–{percent(found.high)}), n {found.n:,.0f}"


def as_detail(found: Interval) -> dict[str, float | int | None]:
    """An interval as JSON for an incident's detail."""
    return {"estimate": found.estimate, "low": found.low, "high": found.high, "n": round(found.n)}
