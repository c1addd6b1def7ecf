"""Intervals under continuous looking: counts, scores, unequal sampling, and units."""

from collections.abc import Iterator

import numpy as np

from scoring.stats.betting import bounded_interval
from scoring.stats.moments import Moments
from scoring.stats.sequential import ALPHA, Interval, binomial_interval, binomial_intervals
from scoring.stats.wealth import DEFAULT_BETS, Side, log_mixture, log_wealth_of_rows
from scoring.stats.weighted import interval_of_moments, weighted_interval
from tests.simulation.proof import Row, at_most, comparison, figure, generator
from tests.simulation.test_sequential import SHARES, ever_missed, ours, wilson

THRESHOLD = np.log(2 / ALPHA)

#: Strata of traffic: share, sampling probability, regret. The mean regret is 0.028.
TRAFFIC = np.array([0.80, 0.15, 0.05])
PROBABILITY = np.array([0.05, 0.20, 1.00])
REGRET = np.array([0.01, 0.05, 0.25])
TRUTH = float(TRAFFIC @ REGRET)


def plain(whole: bool) -> Iterator[Row]:
    """Counts of 0/1: the centred beta-binomial sequence, and Wilson's interval in the same harness."""
    runs, samples = (2_000, 5_000) if whole else (300, 1_000)
    for share in SHARES:
        missed = ever_missed(ours, share, runs=runs, samples=samples)
        yield at_most(f"ever missed, watched at every n ≤ {samples:,}, p = {share}", missed, ALPHA, runs, whole=whole)
    for n, bar in ((200, 0.075), (1_000, 0.035), (5_000, 0.017)):
        lows, highs = binomial_intervals(generator(3).binomial(n, 0.03, size=2_000), n)
        yield figure(f"mean width at p = 0.03, n = {n:,}", float((highs - lows).mean()), at_most=bar)
    peeked = ever_missed(wilson, 0.03, runs=runs, samples=5_000, every=50)
    yield Row(check="a peeked Wilson in the same harness", bar="> 0.30", measured=f"{peeked:.4f}", holds=peeked > 0.30)


def scored(whole: bool) -> Iterator[Row]:
    """Scores between 0 and 1: the betting sequence."""
    runs, samples = (2_000, 2_000) if whole else (60, 500)
    for name, a, b in (("around 0.8 ± 0.09", 16.0, 4.0), ("mostly near 0, mean 0.2", 0.4, 1.6)):
        mean = a / (a + b)
        missed = sum(_ever_missed(generator(run).beta(a, b, samples), np.ones(samples), mean) for run in range(runs))
        yield at_most(f"scores {name}: ever missed, n ≤ {samples:,}", missed / runs, ALPHA, runs, whole=whole)
    scores = generator(4).beta(16, 4, (20, 1_000))
    betting = np.mean([_width(bounded_interval(each)) for each in scores])
    from_sums = np.mean([_width(interval_of_moments(Moments.of(each))) for each in scores])
    as_counts = float(np.mean([_width(binomial_interval(each.sum(), each.size)) for each in scores]))
    yield figure("scores around 0.8 ± 0.09: mean width at n = 1,000", float(betting), at_most=round(as_counts / 2, 4))
    yield figure("the same from sums alone", float(from_sums), at_most=round(as_counts / 2, 4))


def weighted(whole: bool) -> Iterator[Row]:
    """Regret where strata are sampled with 0.05, 0.2 and 1."""
    runs = 1_000 if whole else 15
    estimates: list[float] = []
    plain_means, widths, sums_widths, missed = [], [], [], 0
    for run in range(runs):
        x, probability = _sampled(run)
        exact = weighted_interval(x, probability, smallest_probability=0.05)
        estimates.append(exact.estimate or 0.0)
        plain_means.append(x.mean())
        widths.append(_width(exact))
        sums_widths.append(_width(interval_of_moments(Moments.of(x, probability))))
        missed += _ever_missed(x, 0.05 / probability, TRUTH)
    bias = float(np.mean(estimates)) - TRUTH
    error = float(np.std(estimates)) / np.sqrt(runs)
    yield comparison(f"unweighted mean where the truth is {TRUTH:.3f}", f"{np.mean(plain_means):.3f}")
    yield Row(
        check="weighted regret: bias",
        bar=f"0 ± {3 * error:.5f}",
        measured=f"{bias:+.5f}",
        holds=abs(bias) <= 3 * error,
    )
    name = "weighted regret: ever missed, watched at every row of 100,000 requests"
    yield at_most(name, missed / runs, ALPHA, runs, whole=whole, exact=True)
    yield figure("weighted regret: mean width", float(np.mean(widths)), at_most=0.011)
    yield figure("weighted regret: mean width from sums alone", float(np.mean(sums_widths)), at_most=0.011)


def units(whole: bool) -> Iterator[Row]:
    """Twenty calls of each user, alike by the given intraclass correlation; looked at every 100 calls."""
    runs, users, calls, mean = (1_000 if whole else 10), 400, 20, 0.2
    for correlation in (0.05, 0.1, 0.3):
        strength = 1 / correlation - 1
        by_call = by_unit = 0
        for run in range(runs):
            rng = generator(run)
            own = rng.beta(mean * strength, (1 - mean) * strength, users)
            user = np.concatenate(
                [rng.permutation(np.repeat(wave, calls)) for wave in np.arange(users).reshape(-1, 20)]
            )
            x = (rng.random(user.size) < own[user]).astype(float)
            n = np.arange(1, x.size + 1)
            by_call += bool(ours(x.cumsum().astype(np.int64), n, mean).any())
            by_unit += any(_missed_now(_means(x[:look], user[:look]), mean) for look in range(100, x.size + 1, 100))
        yield comparison(f"correlation {correlation}: ever missed by call", f"{by_call / runs:.3f}")
        yield at_most(f"correlation {correlation}: ever missed by unit", by_unit / runs, ALPHA, runs, whole=whole)


def _sampled(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows sampled of 100,000 requests: regret and inclusion probability."""
    rng = generator(seed)
    stratum = rng.choice(3, 100_000, p=TRAFFIC)
    taken = rng.random(stratum.size) < PROBABILITY[stratum]
    x = rng.random(stratum.size) < REGRET[stratum]
    return x[taken].astype(float), PROBABILITY[stratum[taken]]


def _log_wealth_over_time(x, weight, mean: float, side: Side) -> np.ndarray:
    edge, drift = (mean, x - mean) if side == "above" else (1 - mean, mean - x)
    steps = np.log1p(np.multiply.outer(np.array(DEFAULT_BETS.stakes) / edge, weight * drift))
    return log_mixture(steps.cumsum(axis=1), DEFAULT_BETS)


def _ever_missed(x, weight, mean: float) -> bool:
    """Whether the interval misses the mean after any row; its bounds are where this wealth is 2 / alpha."""
    sides: tuple[Side, ...] = ("above", "below")
    return any((_log_wealth_over_time(x, weight, mean, side) >= THRESHOLD).any() for side in sides)


def _missed_now(x, mean: float) -> bool:
    sides: tuple[Side, ...] = ("above", "below")
    one = np.ones(x.size)
    return any(log_wealth_of_rows(mean, x, one, one, DEFAULT_BETS, side) >= THRESHOLD for side in sides)


def _means(x, user) -> np.ndarray:
    n = np.bincount(user)
    return (np.bincount(user, weights=x)[n > 0]) / n[n > 0]


def _width(interval: Interval) -> float:
    return interval.high - interval.low
