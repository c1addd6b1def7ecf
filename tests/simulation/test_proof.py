"""Every bar the statistics have to meet, measured.

A seeded slice runs with every test. `make simulate` runs the whole, shows its progress, prints
the table and writes it to docs/statistics.md.
"""

import sys
import time

import numpy as np
import pytest

from scoring.stats.moments import Moments
from scoring.stats.weighted import intervals_of_moments
from tests.simulation import change, many, watched
from tests.simulation.proof import PAGE, Row, dice, table

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
}

INTRODUCTION = """# Statistics: what was proven

People look at a dashboard all day, sampling rates differ, judges are cheap and biased, many segments are
watched at once, and traffic has a week in it. The usual formulas fail under that use; rows marked
*for comparison* show by how much. Every method here was run against simulated traffic whose truth is known.

Written by `make simulate`, seeded: the same code gives the same page.
"""


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
            sections.append(f"## {name}\n\n{about}\n\n{table(rows)}\n")
            sys.stdout.write(f"\r\033[K{sections[-1]}\n")
        progress(len(CHECKS), f"10,000 segments in {seconds_for_many():.2f} s", started)
    PAGE.write_text("\n".join([INTRODUCTION, *sections]), encoding="utf-8")
    assert missed == []


def progress(done: int, name: str, started: float) -> None:
    bar = "█" * done + "░" * (len(CHECKS) - done)
    sys.stdout.write(f"\r\033[K{bar} {done}/{len(CHECKS)}, {time.monotonic() - started:.0f} s: {name} ")
    sys.stdout.flush()


def seconds_for_many() -> float:
    """How long the intervals of 10,000 segments take (a figure to read, not to pass)."""
    regrets = dice(1).binomial(1_000, dice(2).beta(1, 20, 10_000))
    many_moments = [Moments.of_counts(int(s), 1_000) for s in np.asarray(regrets)]
    started = time.perf_counter()
    intervals_of_moments(many_moments)
    return time.perf_counter() - started
