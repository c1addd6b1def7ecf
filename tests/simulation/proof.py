"""A check of the statistical proof, and the page docs/statistics.md that lists all checks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import TypeAlias

import numpy as np

PAGE = Path(__file__).parents[2] / "docs" / "statistics.md"

#: Everything after this mark on the page is generated; everything before it is written by hand.
MARK = "<!-- measured -->\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the proof: a measured figure and its bar. A row without a bar is for comparison."""

    check: str
    bar: str
    measured: str
    holds: bool


#: Measures and yields rows. The argument `whole` requests the full number of runs; without it, a seeded
#: slice of them runs, with bars that are wider by its Monte Carlo error.
Check: TypeAlias = Callable[[bool], Iterator[Row]]


def at_most(check: str, share: float, bar: float, runs: int, *, whole: bool, exact: bool = False) -> Row:
    """A share of `runs` that must not exceed `bar`: exactly if `exact`, else within three standard errors."""
    error = 0.0 if exact and whole else 3 * sqrt(bar * (1 - bar) / runs)
    allowed = f"≤ {bar:g}" if exact else f"≤ {bar:g} + {error:.3f}"
    return Row(check=check, bar=allowed, measured=f"{share:.4f}", holds=share <= bar + error)


def figure(
    check: str, value: float, *, at_most: float | None = None, at_least: float | None = None, digits: int = 4
) -> Row:
    """A figure with a bar on either or both sides."""
    bars = [f"{sign} {bar:g}" for sign, bar in (("≤", at_most), ("≥", at_least)) if bar is not None]
    holds = (at_most is None or value <= at_most) and (at_least is None or value >= at_least)
    return Row(check=check, bar=" and ".join(bars), measured=f"{value:.{digits}f}", holds=holds)


def comparison(check: str, measured: str) -> Row:
    """A row without a bar: the result of the usual method in the same simulation."""
    return Row(check=check, bar="", measured=measured, holds=True)


def table(rows: list[Row]) -> str:
    lines = ["| check | bar | measured | |", "|---|---|---|---|"]
    for row in rows:
        verdict = "for comparison" if not row.bar else "holds" if row.holds else "**misses**"
        lines.append(f"| {row.check} | {row.bar} | {row.measured} | {verdict} |")
    return "\n".join(lines)


def write_measured(sections: list[str]) -> None:
    head, mark, _ = PAGE.read_text(encoding="utf-8").partition(MARK)
    assert mark, f"{PAGE} has lost its mark {MARK}"
    PAGE.write_text("\n".join([head + mark, *sections]), encoding="utf-8")


def generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)
