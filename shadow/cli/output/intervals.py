"""Intervals of shares for a terminal, and as JSON."""

from typing import Any

from scoring.stats.sequential import Interval


def as_text(interval: Interval) -> str:
    """As in `12.0% (8.1–16.4), n 230`; a dash where there is nothing to estimate from."""
    if interval.estimate is None:
        return "–"
    return f"{interval.estimate:.1%} ({100 * interval.low:.1f}–{100 * interval.high:.1f}), n {round(interval.n):,}"


def as_json(interval: Interval) -> dict[str, Any]:
    return {"estimate": interval.estimate, "low": interval.low, "high": interval.high, "n": round(interval.n)}
