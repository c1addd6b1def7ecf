"""What bets against "the mean is θ" have won, and the interval of means that no bet has refuted.

A bettor who starts with 1 and stakes a share of it on every score before seeing it expects to
end with 1 at most if the mean really is at most θ. So wealth is evidence: that it ever reaches
1/alpha has probability at most alpha (Ville's inequality), however often it is looked at.
Wealth of that kind is called an e-process; it is never too early or too late to read it.

The bet that the mean is above θ multiplies its wealth by 1 + λw(x − θ) at each row, x in
[0, 1] with weight w in (0, 1], where λ = g/θ puts the share g at stake. Rows sampled with
probability π weigh in proportion to 1/π, which makes E[w(x − θ)] = 0 for the mean of all rows
that could have been sampled: Horvitz and Thompson's weights, within the bet. Nobody knows the
best g beforehand, so the stake is spread over a few (a mixture; the implied bet is that of a
universal portfolio, a predictable bet in the sense of Waudby-Smith & Ramdas, "Estimating means
of bounded random variables by betting", JRSS B 2024, Theorem 3). A constant g makes wealth
independent of the order of the rows.

From sums alone the wealth is known to be at least the larger of two bounds, which hold for
every sequence of rows, so that a bound may stand for the wealth itself:

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

#: 2^-40 of the bracket; what is left of it is given to the interval.
_HALVINGS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Bets:
    """Shares g in (0, 1) that are put at stake, and the part of the first 1 that starts on each."""

    stakes: tuple[float, ...]
    parts: tuple[float, ...]

    @property
    def log_parts(self) -> Floats:
        parts = np.array(self.parts)
        logs: Floats = np.log(parts / parts.sum())
        return logs


def _spread() -> Bets:
    """Stakes by halves, so that no sample size is far from its best one.

    Most of the wealth starts on those that suit some hundred to some hundred thousand rows.
    """
    return Bets(
        stakes=(0.75, *(2.0**-k for k in range(1, 15))),
        parts=tuple(exp(-(((k - 4.5) / 2.5) ** 2) / 2) for k in range(15)),
    )


#: For intervals, where nothing is known of the mean.
SPREAD: Final = _spread()


def log_wealth(theta: Floats, sums: Columns, bets: Bets = SPREAD, side: Side = "above") -> Floats:
    """A lower bound of ln wealth of the bet that the mean is above (below) `theta`, from sums.

    `theta`, in (0, 1), broadcasts with the columns; the result has their common shape.
    """
    # One layer per stake, in front: sums over the first axis run through memory in order.
    layers = np.array(bets.stakes).reshape(-1, *(1,) * np.broadcast(theta, sums.up).ndim)
    return mixed(log_wealth_of_stakes(theta, sums, layers, side), bets)


def log_wealth_of_stakes(theta: Floats, sums: Columns, stakes: Floats, side: Side = "above") -> Floats:
    """The same for what each stake alone makes of 1; `stakes` broadcasts with `theta` and the columns."""
    squares = np.maximum(sums.up_squares - 2 * theta * sums.up2_low + theta**2 * sums.weight2, 0)
    up, down = sums.up, sums.weight - sums.up
    if side == "above":
        edge, won, won2, lost, lost2 = theta, up, sums.up2_high, down, sums.weight2 - sums.up2_low
    else:
        edge, won, won2, lost, lost2 = 1 - theta, down, sums.weight2 - sums.up2_low, up, sums.up2_high
    drag = -np.log1p(-stakes) - stakes
    # How much a row that won weighs; 1, the cautious answer, where rounding has left nothing to tell it.
    typical = np.divide(won2, won, out=np.ones_like(won), where=(won > 0) & (won2 > 0))
    by_chords = won / typical * np.log1p(stakes * ((1 - edge) / edge * typical)) - stakes * lost - drag * lost2
    drift = up - theta * sums.weight
    by_squares = stakes * ((drift if side == "above" else -drift) / edge) - drag * (squares / edge**2)
    larger: Floats = np.maximum(by_chords, by_squares)
    return larger


def log_wealth_of_rows(
    theta: float, x: Floats, weight: Floats, count: Floats, bets: Bets = SPREAD, side: Side = "above"
) -> float:
    """The logarithm of wealth exactly, from rows: `count` rows of score `x` and weight in (0, 1] each (flat arrays)."""
    edge, drift = (theta, x - theta) if side == "above" else (1 - theta, theta - x)
    stakes = np.array(bets.stakes)
    each = np.log1p(np.multiply.outer(stakes / edge, weight * drift)) @ count
    return float(mixed(each, bets))


def mixed(each: Floats, bets: Bets) -> Floats:
    """The logarithm of the whole wealth, given that of what each stake alone has made of 1 (first axis)."""
    logs = each + bets.log_parts.reshape(-1, *(1,) * (each.ndim - 1))
    largest = logs.max(axis=0)
    # Spelled out because logaddexp.reduce takes eight times as long.
    total: Floats = largest + np.log(np.exp(logs - largest).sum(axis=0))
    return total


def unrefuted(
    wealth: Callable[[Floats, Side], Floats], estimate: Floats, alpha: float, halvings: int = _HALVINGS
) -> tuple[Floats, Floats]:
    """The means between which neither bet has reached 2/alpha: (lows, highs), shaped like `estimate`.

    Half the stake is on each side (the hedge of Theorem 3). True wealth falls as θ moves
    towards the estimate, so halving finds its crossing; where `wealth` is only a bound it
    finds a θ that *has* been refuted, which is all that an honest edge needs.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be in (0, 1), not {alpha}")
    threshold = log(2 / alpha)
    edges: list[Floats] = []
    sides: tuple[tuple[Side, float], ...] = (("above", 0.0), ("below", 1.0))
    for side, extreme in sides:
        outside, inside = np.full_like(estimate, extreme), estimate.copy()
        for _ in range(halvings):
            middle = (outside + inside) / 2
            # At 0 or 1, or next to it, odds are infinite: such an estimate is its own edge.
            with np.errstate(all="ignore"):
                refuted = wealth(middle, side) >= threshold
            outside, inside = np.where(refuted, middle, outside), np.where(refuted, inside, middle)
        edges.append(outside)
    return edges[0], edges[1]
