"""An interval for a share that is valid under continuous looking: the centred beta-binomial sequence.

An ordinary 95% interval is valid at one look. People look at a dashboard continuously, and an
interval that is looked at after every batch misses the truth in far more than 5% of the cases. The
intervals here hold at *all* sample sizes at once: the probability that the truth is ever outside is at
most `alpha`, however often one looks and whenever one stops.

The method (Howard, Ramdas, McAuliffe, Sekhon: "Time-uniform, nonparametric, nonasymptotic
confidence sequences", Annals of Statistics 2021, section 3): against each possible share p, bet with
a beta mixture that is centred on p. The wealth of that bet after n observations with S successes is

    E_n(p) = B(κp + S, κ(1−p) + n − S) / (B(κp, κ(1−p)) · p^S · (1−p)^(n−S))

A fair game multiplies its stake by 1/alpha with probability at most alpha (Ville's inequality), so the
p whose bets have not won so far, {p : E_n(p) < 1/alpha}, are a confidence sequence.

It depends on S and n only, so it works on summed counts. S need not be whole: for
observations x in [0, 1] with mean p the factor of one observation, (q/p)^x ((1−q)/(1−p))^(1−x),
is convex in x and so at most the line x·q/p + (1−x)·(1−q)/(1−p), whose expectation is 1. The
wealth is then a supermartingale instead of a martingale, and the bound still holds (but it is
conservative: scores in the middle of [0, 1] get an interval as wide as 0/1 scores would).
"""

from dataclasses import dataclass
from functools import lru_cache
from math import log
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln, xlog1py, xlogy

ALPHA: Final = 0.05

#: The sample size at which the interval is tightest relative to what is possible.
T_OPT: Final = 300.0

#: Leaves 2^-52 of the bracket, the precision of a float.
_BISECTIONS: Final = 52

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its bounds. Where n is 0, `estimate` is None and the bounds are the whole range."""

    estimate: float | None
    low: float
    high: float
    n: float


def binomial_interval(successes: float, n: float, alpha: float = ALPHA, t_opt: float = T_OPT) -> Interval:
    """The share of successes among n, with bounds that are valid under continuous looking.

    `successes` is a count, or the sum of n scores in [0, 1]; n may be an effective sample
    size. Raises ValueError unless 0 <= successes <= n and 0 < alpha < 1 and t_opt > 0.
    """
    return _cached(float(successes), float(n), alpha, t_opt)


def binomial_intervals(
    successes: ArrayLike, n: ArrayLike, alpha: float = ALPHA, t_opt: float = T_OPT
) -> tuple[Floats, Floats]:
    """`binomial_interval` for many segments at once: (lows, highs), with the broadcast shape of the arguments.

    Raises ValueError as `binomial_interval` does.
    """
    s, size = np.broadcast_arrays(np.asarray(successes, dtype=float), np.asarray(n, dtype=float))
    if not (0 < alpha < 1 and t_opt > 0):
        raise ValueError(f"alpha must be in (0, 1) and t_opt positive, not {alpha} and {t_opt}")
    if not (np.isfinite(size).all() and ((s >= 0) & (s <= size)).all()):
        raise ValueError("successes must be between 0 and n, and n finite")
    centre = np.divide(s, size, out=np.full(s.shape, 0.5), where=size > 0)
    kappa = _kappa(alpha, t_opt)
    lows = _edge(s, size, np.zeros_like(centre), centre, kappa, log(1 / alpha))
    highs = _edge(s, size, np.ones_like(centre), centre, kappa, log(1 / alpha))
    # No observation contradicts the extreme itself, so it is always inside.
    lows = np.where(s == 0, 0.0, lows)
    highs = np.where(s == size, 1.0, highs)
    return lows, highs


def log_wealth(p: ArrayLike, successes: ArrayLike, n: ArrayLike, alpha: float = ALPHA, t_opt: float = T_OPT) -> Floats:
    """Ln E_n(p): the wealth so far of the bet against "the share is p", 0 < p < 1. Arguments broadcast."""
    s, size = np.asarray(successes, dtype=float), np.asarray(n, dtype=float)
    return _log_wealth(np.asarray(p, dtype=float), s, size, _kappa(alpha, t_opt))


def _kappa(alpha: float, t_opt: float) -> float:
    """The weight of the mixture's centre that is best at about `t_opt` observations."""
    # For t_opt near 1 the formula goes below 0, where there is no beta distribution.
    return max(t_opt / (2 * log(1 / alpha) + log(1 + 2 * log(1 / alpha))) - 1, 1e-3)


def _log_wealth(p: Floats, s: Floats, n: Floats, kappa: float) -> Floats:
    a, b = kappa * p, kappa * (1 - p)
    wealth: Floats = betaln(a + s, b + n - s) - betaln(a, b) - xlogy(s, p) - xlog1py(n - s, -p)
    return wealth


def _edge(s: Floats, n: Floats, outside: Floats, inside: Floats, kappa: float, threshold: float) -> Floats:
    """The p between `outside` and the estimate `inside` at which the wealth crosses `threshold`.

    At the estimate the wealth is at most 1 (no mixture beats the maximum likelihood), and it grows
    monotonically away from it, so bisection finds the only crossing. Returns the outer end of the
    last bracket, because rounding must not make the interval narrower.
    """
    outside, inside = outside.copy(), inside.copy()
    for _ in range(_BISECTIONS):
        middle = (outside + inside) / 2
        # At exactly 0 or 1 the beta functions are infinite; such a point counts as outside.
        with np.errstate(all="ignore"):
            won = ~(_log_wealth(middle, s, n, kappa) < threshold)
        outside = np.where(won, middle, outside)
        inside = np.where(won, inside, middle)
    return outside


@lru_cache(maxsize=4096)
def _cached(successes: float, n: float, alpha: float, t_opt: float) -> Interval:
    if n == 0 and successes == 0:
        return Interval(None, 0.0, 1.0, 0.0)
    low, high = binomial_intervals(successes, n, alpha, t_opt)
    return Interval(successes / n, float(low), float(high), n)
