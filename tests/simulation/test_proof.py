"""Measures every bar that the statistics have to meet.

A seeded slice runs with the other tests. `make simulate` runs the whole proof, shows its progress,
prints the tables and writes them to docs/statistics.md.
"""

import sys
import time

import numpy as np
import pytest

from scoring.stats.moments import Moments
from scoring.stats.weighted import intervals_of_moments
from tests.simulation import change, many, monitored, watched
from tests.simulation.proof import Row, generator, table, write_measured

CHECKS = {
    "Counts, watched": watched.plain,
    "Scores, watched": watched.scored,
    "Unequal sampling": watched.weighted,
    "Many calls of one user": watched.units,
    "Many segments": many.segments,
    "Bad slices": many.slices,
    "Drift, calm": change.calm,
    "Drift, weekly wave": change.weekly_wave,
    "Drift, delay": change.rise,
    "Gate": change.gate,
    "Judges and people": many.judges,
    "Ceiling": many.ceilings,
    "Shift": many.shifts,
    "Monitor, calm": monitored.calm_weeks,
    "Monitor, change": monitored.rises,
}


@pytest.mark.parametrize("name", CHECKS)
def test_a_slice_of_the_proof_holds(name: str):
    rows = list(CHECKS[name](False))
    assert [row for row in rows if not row.holds] == [], table(rows)


@pytest.mark.slow
@pytest.mark.timeout(7_200)
def test_the_whole_proof(capsys: pytest.CaptureFixture[str]):
    sections: list[str] = []
    missed: list[Row] = []
    with capsys.disabled():
        started = time.monotonic()
        for done, (name, check) in enumerate(CHECKS.items()):
            progress(done, name, started)
            rows = list(check(True))
            missed += [row for row in rows if not row.holds]
            about = (check.__doc__ or "").strip()
            sections.append(f"### {name}\n\n{about}\n\n{table(rows)}\n")
            sys.stdout.write(f"\r\033[K{sections[-1]}\n")
        progress(len(CHECKS), f"10,000 segments in {seconds_for_many():.2f} s", started)
    write_measured(sections)
    assert missed == []


def progress(done: int, name: str, started: float) -> None:
    bar = "█" * done + "░" * (len(CHECKS) - done)
    sys.stdout.write(f"\r\033[K{bar} {done}/{len(CHECKS)}, {time.monotonic() - started:.0f} s: {name} ")
    sys.stdout.flush()


def seconds_for_many() -> float:
    """Seconds for the intervals of 10,000 segments; informative, without a bar."""
    regrets = generator(1).binomial(1_000, generator(2).beta(1, 20, 10_000))
    many_moments = [Moments.of_counts(int(s), 1_000) for s in np.asarray(regrets)]
    started = time.perf_counter()
    intervals_of_moments(many_moments)
    return time.perf_counter() - started
