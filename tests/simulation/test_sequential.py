"""Is the interval valid however often one looks? The same harness detects one that is not.

A seeded slice runs with every test; `make simulate` runs the whole (`slow`) and prints its table.
"""

import sys
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from scoring.stats.sequential import ALPHA, binomial_intervals, log_wealth

Bools: TypeAlias = NDArray[np.bool_]
Misses: TypeAlias = Callable[[NDArray[np.int64], NDArray[np.int64], float], Bools]

SHARES = (0.01, 0.03, 0.05, 0.2)


def ours(successes: NDArray[np.int64], n: NDArray[np.int64], share: float) -> Bools:
    """Whether the interval misses the true share: its bounds are where this wealth is 1 / alpha."""
    missed: Bools = log_wealth(share, successes, n) >= np.log(1 / ALPHA)
    return missed


def wilson(successes: NDArray[np.int64], n: NDArray[np.int64], share: float) -> Bools:
    """Whether the usual 95% interval for a single look misses it."""
    z = 1.959964
    middle = (successes + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * np.sqrt(successes * (n - successes) / n + z * z / 4)
    return np.abs(share - middle) > half


def ever_missed(misses: Misses, share: float, *, runs: int, samples: int, every: int = 1, seed: int = 1) -> float:
    """The share of runs in which at least one look, after every `every` samples, misses the truth."""
    rng = np.random.default_rng(seed)
    looks = np.arange(every, samples + 1, every)
    missed = 0
    for start in range(0, runs, 100):
        count = min(100, runs - start)
        successes = (rng.random((count, samples)) < share).cumsum(axis=1)[:, looks - 1]
        missed += int(misses(successes, looks, share).any(axis=1).sum())
    return missed / runs


def monte_carlo_error(runs: int) -> float:
    """Three standard errors of a share of 5%, measured in `runs` runs."""
    return float(3 * np.sqrt(ALPHA * (1 - ALPHA) / runs))


@pytest.mark.parametrize("share", SHARES)
def test_the_interval_holds_at_every_look(share: float):
    assert ever_missed(ours, share, runs=300, samples=1_500) <= ALPHA + monte_carlo_error(300)


def test_scores_between_0_and_1_are_covered_too():
    rng = np.random.default_rng(2)
    scores = rng.beta(0.4, 1.6, size=(300, 1_500)).cumsum(axis=1)  # mean 0.2, most of it near 0
    missed = ours(scores, np.arange(1, 1_501), 0.2).any(axis=1).mean()
    assert missed <= ALPHA + monte_carlo_error(300)


def test_the_harness_sees_what_peeking_does_to_an_ordinary_interval():
    assert ever_missed(wilson, 0.05, runs=1_500, samples=5_000, every=50) > 0.30


@pytest.mark.parametrize(("n", "most"), [(200, 0.075), (1_000, 0.035), (5_000, 0.017)])
def test_the_price_of_continuous_looking_is_bounded(n: int, most: float):
    successes = np.random.default_rng(3).binomial(n, 0.03, size=2_000)
    lows, highs = binomial_intervals(successes, n)
    assert (highs - lows).mean() <= most


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_the_whole_proof(capsys: pytest.CaptureFixture[str]):
    runs, samples = 2_000, 5_000
    rows = [("every look", share, ever_missed(ours, share, runs=runs, samples=samples)) for share in SHARES]
    peeked = ever_missed(wilson, 0.05, runs=runs, samples=samples, every=50)
    table = [f"ever missed in {runs} runs of {samples} samples (bar {ALPHA} + {monte_carlo_error(runs):.3f})"]
    table += [f"  ours, {what:<14} p {share:<5} {missed:.4f}" for what, share, missed in rows]
    table += [f"  Wilson, every 50     p 0.05  {peeked:.4f}"]
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(table) + "\n")
    assert all(missed <= ALPHA + monte_carlo_error(runs) for _, _, missed in rows)
    assert peeked > 0.30
