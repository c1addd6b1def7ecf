"""Many hypotheses at once (segments, slices, dimensions), judges with people, and ceilings."""

from collections.abc import Iterator

import numpy as np
from scipy.stats import binom, false_discovery_control

from scoring.stats.ceiling import excess_of_counts
from scoring.stats.ebh import e_benjamini_hochberg
from scoring.stats.exploration.shift import mix_shift, ranked
from scoring.stats.exploration.slices import find_slices
from scoring.stats.moments import Moments
from scoring.stats.segments import e_values_above, e_values_against_rest
from scoring.stats.two_phase import TwoPhase, two_phase_anytime, two_phase_interval
from tests.simulation.proof import Row, at_most, comparison, figure, generator

RATES = np.array([0.02] * 45 + [0.06] * 5)
BAD = RATES > 0.02


def segments(whole: bool) -> Iterator[Row]:
    """Fifty segments, 45 at 2% and 5 at 6%, looked at 20 times, each time with 50 rows more."""
    runs, looks, step = (1_000 if whole else 10), 20, 50
    methods: dict[str, list[tuple[float, float]]] = {
        "e-BH against the limit": [],
        "e-BH against the rest": [],
        "BH at each look": [],
    }
    for run in range(runs):
        regrets = generator(run).binomial(step, RATES, (looks, RATES.size)).cumsum(axis=0)
        ever = {name: np.zeros(RATES.size, dtype=bool) for name in methods}
        for look, now in enumerate(regrets, start=1):
            n = look * step
            inside = [Moments.of_counts(int(s), n) for s in now]
            rest = [Moments.of_counts(int(now.sum() - s), n * (RATES.size - 1)) for s in now]
            ever["e-BH against the limit"] |= e_benjamini_hochberg(e_values_above(0.02, inside), 0.1)
            if look % 5 == 0:
                ever["e-BH against the rest"] |= e_benjamini_hochberg(e_values_against_rest(inside, rest), 0.1)
            ever["BH at each look"] |= false_discovery_control(binom.sf(now - 1, n, 0.02)) <= 0.1
        for name, rejected in ever.items():
            methods[name].append(((rejected & ~BAD).sum() / max(1, rejected.sum()), rejected[BAD].mean()))
    for name in ("e-BH against the limit", "e-BH against the rest"):
        rate, power = np.mean(methods[name], axis=0)
        yield figure(f"{name}: false discovery rate over 20 looks", rate, at_most=0.1)
        yield figure(f"{name}: power", power, at_least=0.95)
    yield comparison("BH at each look: false discovery rate", f"{np.mean(methods['BH at each look'], axis=0)[0]:.3f}")


def slices(whole: bool) -> Iterator[Row]:
    """Crossings of six dimensions over 20,000 rows: nothing to find, and one crossing at 10% instead of 2%."""
    runs, rows = (200 if whole else 4), 20_000
    wrong = same_half = right = 0
    for run in range(runs):
        rng = generator(run)
        values = {f"d{d}": rng.integers(0, 4 + 2 * d, rows) for d in range(6)}
        dimensions = {name: [str(v) for v in each] for name, each in values.items()}
        confirming = rng.random(rows) < 0.5
        nothing = (rng.random(rows) < 0.02).astype(float)
        wrong += find_slices(dimensions, nothing, confirming).reason == "found"
        # The same rows twice, so that both halves hold the same data.
        half = {name: each[: rows // 2] * 2 for name, each in dimensions.items()}
        twice = np.tile(nothing[: rows // 2], 2)
        same_half += find_slices(half, twice, np.arange(rows) >= rows // 2).reason == "found"
        planted = (values["d0"] == 1) & (values["d1"] == 2)
        regret = (rng.random(rows) < np.where(planted, 0.1, 0.02)).astype(float)
        found = find_slices(dimensions, regret, confirming).slices
        right += bool(found) and found[0].confirmed and found[0].where == (("d0", "1"), ("d1", "2"))
    yield at_most("slices: confirmed where there is nothing", wrong / runs, 0.1, runs, whole=whole, exact=True)
    yield comparison("slices: confirmed on the half that found them", f"{same_half / runs:.3f}")
    yield figure("slices: the planted crossing comes first and is confirmed", right / runs, at_least=0.9, digits=3)


def judges(whole: bool) -> Iterator[Row]:
    """A judge of sensitivity 0.85 and specificity 0.93 on 10,000 pairs, 5% of them worse; 300 human labels."""
    runs, truth, labels = (4_000 if whole else 200), 0.05, 300
    both, people, alone, covered, watched = [], [], [], 0, 0
    for run in range(runs):
        rng = generator(run)
        worse = rng.random(10_000) < truth
        verdict = rng.random(worse.size) < np.where(worse, 0.85, 0.07)
        one, other = np.flatnonzero(verdict), np.flatnonzero(~verdict)
        chosen = [rng.choice(side, labels // 2, replace=False) for side in (one, other)]
        counts = TwoPhase(
            judged_worse=one.size,
            judged_fine=other.size,
            labelled_worse=labels // 2,
            labelled_fine=labels // 2,
            worse_of_worse=int(worse[chosen[0]].sum()),
            worse_of_fine=int(worse[chosen[1]].sum()),
        )
        interval = two_phase_interval(counts).interval
        both.append(interval.estimate)
        covered += interval.low <= truth <= interval.high
        bounds = two_phase_anytime(counts, labels / 2 / one.size, labels / 2 / other.size).interval
        watched += not bounds.low <= truth <= bounds.high
        people.append(worse[rng.choice(worse.size, labels, replace=False)].mean())
        alone.append(verdict.mean())
    error, of_people, of_judge = (
        float(np.sqrt(np.mean((np.array(each) - truth) ** 2))) for each in (both, people, alone)
    )
    yield figure(
        "judge and people: RMSE with 300 labels", error, at_most=round((0.7 if whole else 0.85) * of_people, 4)
    )
    yield comparison("people alone / judge alone: RMSE", f"{of_people:.4f} / {of_judge:.4f}")
    yield figure("judge and people: coverage of the 95% interval (one look)", covered / runs, at_least=0.93, digits=3)
    yield at_most("judge and people: watched interval misses", watched / runs, 0.05, runs, whole=whole)


def ceilings(whole: bool) -> Iterator[Row]:
    """A candidate exactly as noisy as the frontier itself: 5% excess either way, 1,000 exchanges, ten looks."""
    runs, looks, step = (2_000 if whole else 40), 10, 100
    ours = thumb = 0
    for run in range(runs):
        rng = generator(run)
        # Whether candidate and A′ differ from A: both are frontier-like draws, so they are exchangeable.
        candidate, again = (rng.random(looks * step) < 0.04 for _ in range(2))
        flagged = rule = False
        for n in range(step, looks * step + 1, step):
            raw, noise = int(candidate[:n].sum()), int(again[:n].sum())
            only = int((candidate & ~again)[:n].sum()), int((again & ~candidate)[:n].sum())
            flagged = flagged or excess_of_counts(*only, n).status == "worse"
            # Diffy: more than 20% relative and 0.03% absolute difference.
            rule = rule or (raw > noise and (raw - noise) / (raw + noise) > 0.2 and (raw - noise) / n > 0.0003)
        ours += flagged
        thumb += rule
    yield at_most("ceiling: flags a candidate that is as good as the frontier", ours / runs, 0.05, runs, whole=whole)
    yield comparison("ceiling: a rule of thumb (20% more than the noise) flags it", f"{thumb / runs:.3f}")


def shifts(whole: bool) -> Iterator[Row]:
    """Twenty dimensions that did not move; and one that moved by 15 points among them."""
    runs = 200 if whole else 10
    false = found = 0
    for run in range(runs):
        rng = generator(run)
        still = [_mix(rng, f"d{d}", 0.5) for d in range(20)]
        false += any(each.status != "within_chance" for each in ranked(still))
        best = ranked([*still, _mix(rng, "moved", 0.65)])[0]
        found += best.name == "moved" and best.status == "shifted"
    yield at_most("shift: any of 20 still dimensions beyond chance", false / runs, 0.05, runs, whole=whole)
    yield figure("shift: a moved dimension comes first", found / runs, at_least=0.95, digits=3)


def _mix(rng: np.random.Generator, name: str, share: float):
    now, then = rng.binomial(2_000, share), rng.binomial(2_000, 0.5)
    return mix_shift(
        name, {"a": int(now), "b": 2_000 - int(now)}, {"a": int(then), "b": 2_000 - int(then)}, permutations=499
    )
