"""The wealth of bets against "the mean is θ", and the confidence bounds that follow from it.

A bettor starts with 1 and stakes a share of it on every score before seeing it. If the mean is at
most θ, the expected wealth is at most 1. So wealth is evidence: the probability that it ever reaches
1/alpha is at most alpha (Ville's inequality), however often one looks. Such a wealth is called an
e-process, and may be read at any time.

The bet that the mean is above θ multiplies its wealth by 1 + λw(x − θ) at each row, x in
[0, 1] with weight w in (0, 1], where λ = g/θ puts the share g at stake. Rows sampled with
probability π weigh in proportion to 1/π, which makes E[w(x − θ)] = 0 for the mean of all rows
that could have been sampled: Horvitz and Thompson's weights, within the bet. The best g is unknown
beforehand, so the stake is spread over several (a mixture; the implied bet is that of a
universal portfolio, a predictable bet in the sense of Waudby-Smith & Ramdas, "Estimating means
of bounded random variables by betting", JRSS B 2024, Theorem 3). A constant g makes wealth
independent of the order of the rows.

From sums alone, two lower bounds of the wealth can be computed. They hold for every sequence of
rows, so the larger one may replace the wealth itself:

* ln(1 + λw(x−θ)) is concave in x, so at least x·ln(1+λw(1−θ)) + (1−x)·ln(1−gw); of the first
  term ln(1+aw)/w is convex in w (Jensen), of the second ln(1−gw)/w is concave (its chord).
  Exact for unweighted 0/1 rows.
* ln(1+ξ) ≥ ξ + ξ²(ln(1−g)+g)/g² for ξ ≥ −g (Fan, Grama & Liu, "Exponential inequalities for
  martingales with applications", EJP 2015, Lemma 4.1). Better for scores in the middle.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, log
from typing import Final, Literal, TypeAlias

import numpy as np

from scoring.stats.moments import Columns, Floats

Side: TypeAlias = Literal["above", "below"]

#: Leaves 2^-40 of the bracket, and the interval includes the rest.
_BISECTIONS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Bets:
    """A mixture of bets: `stakes` are shares g in (0, 1) of the wealth, `parts` how the initial wealth is divided."""

    stakes: tuple[float, ...]
    parts: tuple[float, ...]

    @property
    def log_parts(self) -> Floats:
        parts = np.array(self.parts)
        logs: Floats = np.log(parts / parts.sum())
        return logs


def _default_bets() -> Bets:
    """Stakes that halve from one to the next, so that every sample size is close to its best one.

    Most of the initial wealth is on stakes that suit a few hundred to a few hundred thousand rows.
    """
    return Bets(
        stakes=(0.75, *(2.0**-k for k in range(1, 15))),
        parts=tuple(exp(-(((k - 4.5) / 2.5) ** 2) / 2) for k in range(15)),
    )


#: For intervals, where nothing is known about the mean.
DEFAULT_BETS: Final = _default_bets()


def log_wealth(theta: Floats, sums: Columns, bets: Bets = DEFAULT_BETS, side: Side = "above") -> Floats:
    """A lower bound of ln(wealth) of the bet that the mean is above (`side` "below": below) `theta`.

    `theta`, in (0, 1), broadcasts with the columns; the result has their common shape.
    """
    # Stakes are the first axis, because sums over the first axis read memory in order.
    layers = np.array(bets.stakes).reshape(-1, *(1,) * np.broadcast(theta, sums.up).ndim)
    return log_mixture(log_wealth_of_stakes(theta, sums, layers, side), bets)


def log_wealth_of_stakes(theta: Floats, sums: Columns, stakes: Floats, side: Side = "above") -> Floats:
    """As `log_wealth`, for each stake alone from an initial wealth of 1; `stakes` broadcasts with the rest."""
    squares = np.maximum(sums.up_squares - 2 * theta * sums.up2_low + theta**2 * sums.weight2, 0)
    up, down = sums.up, sums.weight - sums.up
    if side == "above":
        edge, won, won2, lost, lost2 = theta, up, sums.up2_high, down, sums.weight2 - sums.up2_low
    else:
        edge, won, won2, lost, lost2 = 1 - theta, down, sums.weight2 - sums.up2_low, up, sums.up2_high
    drag = -np.log1p(-stakes) - stakes
    # The typical weight of a row that won; 1, which is cautious, where rounding leaves it undefined.
    typical = np.divide(won2, won, out=np.ones_like(won), where=(won > 0) & (won2 > 0))
    by_chords = won / typical * np.log1p(stakes * ((1 - edge) / edge * typical)) - stakes * lost - drag * lost2
    drift = up - theta * sums.weight
    by_squares = stakes * ((drift if side == "above" else -drift) / edge) - drag * (squares / edge**2)
    larger: Floats = np.maximum(by_chords, by_squares)
    return larger


def log_wealth_of_rows(
    theta: float, x: Floats, weight: Floats, count: Floats, bets: Bets = DEFAULT_BETS, side: Side = "above"
) -> float:
    """The exact ln(wealth), from `count` rows with score `x` and `weight` in (0, 1]: flat arrays of one length."""
    edge, drift = (theta, x - theta) if side == "above" else (1 - theta, theta - x)
    stakes = np.array(bets.stakes)
    each = np.log1p(np.multiply.outer(stakes / edge, weight * drift)) @ count
    return float(log_mixture(each, bets))


def log_mixture(each: Floats, bets: Bets) -> Floats:
    """ln(wealth) of the mixture, from that of each stake alone (first axis)."""
    logs = each + bets.log_parts.reshape(-1, *(1,) * (each.ndim - 1))
    largest = logs.max(axis=0)
    # Written out, because logaddexp.reduce takes eight times as long.
    total: Floats = largest + np.log(np.exp(logs - largest).sum(axis=0))
    return total


def confidence_bounds(
    wealth: Callable[[Floats, Side], Floats], estimate: Floats, alpha: float, bisections: int = _BISECTIONS
) -> tuple[Floats, Floats]:
    """The bounds (lows, highs) between which neither bet has reached 2/alpha, shaped like `estimate`.

    Half of alpha is for each side (the hedge of Waudby-Smith & Ramdas 2024, Theorem 3). Wealth falls
    as θ moves towards the estimate, so bisection finds the crossing; where `wealth` is only a lower
    bound, it finds a θ that has been refuted, which keeps the interval valid. Raises ValueError for
    alpha outside (0, 1).
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be in (0, 1), not {alpha}")
    threshold = log(2 / alpha)
    edges: list[Floats] = []
    sides: tuple[tuple[Side, float], ...] = (("above", 0.0), ("below", 1.0))
    for side, extreme in sides:
        outside, inside = np.full_like(estimate, extreme), estimate.copy()
        for _ in range(bisections):
            middle = (outside + inside) / 2
            # At or next to 0 and 1 the odds are infinite; such an estimate is its own bound.
            with np.errstate(all="ignore"):
                refuted = wealth(middle, side) >= threshold
            outside, inside = np.where(refuted, middle, outside), np.where(refuted, inside, middle)
        edges.append(outside)
    return edges[0], edges[1]
