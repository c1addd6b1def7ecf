"""Changes over time: drift alarms and the gate."""

from collections.abc import Iterator

import numpy as np

from scoring.stats.detection.baseline import HOURS, Baseline, Weekly, fit_baseline
from scoring.stats.detection.drift import HORIZON, DriftState, observe_hours, observe_samples
from scoring.stats.gate import GATE_BETS, plan_gate
from scoring.stats.moments import MICRO, Columns, Moments
from scoring.stats.sequential import ALPHA
from scoring.stats.wealth import log_wealth
from tests.simulation.proof import Row, at_most, comparison, figure, generator

WEEKLY_WAVE = 0.02 * (1 + 0.5 * np.sin(2 * np.pi * np.arange(HOURS) / HOURS))

#: A week of traffic, in samples.
WEEK = 20_000

LIMIT = 0.05


def calm(whole: bool) -> Iterator[Row]:
    """20,000 samples in which nothing happens."""
    runs = 2_000 if whole else 40
    alarms = sum(
        observe_samples(DriftState(), generator(run).random(HORIZON) < 0.02, 0.02).alarmed for run in range(runs)
    )
    yield at_most("drift: false alarm within 20,000 calm samples", alarms / runs, ALPHA, runs, whole=whole, exact=True)
    hours = 100
    alarms = 0
    for run in range(runs):
        regrets = generator(run).binomial(HORIZON // hours, 0.02, hours)
        alarms += observe_hours(
            DriftState(), [(Moments.of_counts(int(s), HORIZON // hours), 0.02) for s in regrets]
        ).alarmed
    yield at_most("drift: the same from sums of 200", alarms / runs, ALPHA, runs, whole=whole, exact=True)


def weekly_wave(whole: bool) -> Iterator[Row]:
    """Regret that rises and falls by half over the week, before and after a week has been seen."""
    runs = 1_000 if whole else 20
    hour = np.arange(HORIZON) * HOURS // WEEK % HOURS
    naive = learnt = 0
    delays = []
    for run in range(runs):
        rng = generator(run)
        baseline = _after_a_week(rng)
        calm_run = rng.random(HORIZON) < WEEKLY_WAVE[hour]
        rates = np.array(baseline.cautious)[hour]
        learnt += observe_samples(DriftState(), calm_run, rates).alarmed
        if run < (200 if whole else 10):
            naive += observe_samples(DriftState(), calm_run, 0.02).alarmed
            risen = rng.random(5_000) < 2.5 * WEEKLY_WAVE[hour[:5_000]]
            delays.append(observe_samples(DriftState(), risen, rates[:5_000]).alarmed_at or 5_000)
    yield comparison(
        "drift: false alarm in a ±50% weekly wave, one baseline for all hours", f"{naive / len(delays):.3f}"
    )
    name = "drift: false alarm in a ±50% weekly wave after one week of baseline"
    yield at_most(name, learnt / runs, ALPHA, runs, whole=whole, exact=True)
    text = f"{np.median(delays):.0f} / {np.quantile(delays, 0.9):.0f}"
    yield comparison("drift: delay to ×2.5 in that wave with that baseline, median / p90", text)


def rise(whole: bool) -> Iterator[Row]:
    """From 2% to 5%: at the very start, which is the hardest moment, and after 5,000 calm samples."""
    runs = 4_000 if whole else 150
    for name, before in (("at once", 0), ("after 5,000 calm samples", 5_000))[: 2 if whole else 1]:
        delays = []
        for run in range(runs):
            rng = generator(run)
            x = np.concatenate([rng.random(before) < 0.02, rng.random(4_000) < 0.05])
            alarmed_at = observe_samples(DriftState(), x, 0.02).alarmed_at or x.size
            if alarmed_at > before:
                delays.append(alarmed_at - before)
        # A slice of the runs gives quantiles within some per cent.
        slack = 1.0 if whole else 1.25
        yield figure(
            f"drift: median delay from 2% to 5%, {name}", float(np.median(delays)), at_most=500 * slack, digits=0
        )
        yield figure(
            f"drift: p90 of that delay, {name}", float(np.quantile(delays, 0.9)), at_most=900 * slack, digits=0
        )


def gate(whole: bool) -> Iterator[Row]:
    """Non-inferiority at a limit of 5%, looked at after every sample."""
    runs, samples = (10_000, 10_000) if whole else (300, 5_000)
    opened = _openings(0.05, runs, samples) <= samples
    name = f"gate: opens within {samples:,} samples although the truth is the limit"
    yield at_most(name, float(opened.mean()), ALPHA, runs, whole=whole, exact=True)
    times = _openings(0.03, 2_000 if whole else 300, 10_000)
    plan = plan_gate(LIMIT, 0.03, 1)
    yield figure("gate: median samples at 3% of a limit of 5%", float(np.median(times)), at_most=700, digits=0)
    within = float((times <= plan.samples_p90).mean())
    yield figure(
        f"gate: opened within the planned {plan.samples_p90:,} samples (p90)",
        within,
        at_least=0.9 if whole else 0.85,
        digits=3,
    )


def _after_a_week(rng: np.random.Generator) -> Baseline:
    n = rng.multinomial(WEEK, np.full(HOURS, 1 / HOURS))
    regrets = rng.binomial(n, WEEKLY_WAVE)
    weekly = Weekly(rows=tuple((n * MICRO).tolist()), regrets=tuple((regrets * MICRO).tolist()))
    baseline = fit_baseline(weekly)
    assert baseline is not None
    return baseline


def _openings(truth: float, runs: int, samples: int) -> np.ndarray:
    """After how many samples each run first opens; samples + 1 if it never does."""
    first = np.full(runs, samples + 1)
    n = np.arange(1, samples + 1, dtype=float)
    for run in range(runs):
        s = (generator(run).random(samples) < truth).cumsum().astype(float)
        sums = Columns(up=s, weight=n, weight2=n, up_squares=s, up2_low=s, up2_high=s)
        reached = log_wealth(np.array(LIMIT), sums, GATE_BETS, "below") >= np.log(1 / ALPHA)
        if reached.any():
            first[run] = int(reached.argmax()) + 1
    return first
