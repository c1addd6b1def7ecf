"""What calls cost, how long they took, and how they failed: read off the counters of a tally."""

from typing import Final, Literal

from shadow.aggregates.tally import Tally, quantile
from shadow.records import NOT_SENT, Role

#: Failures that are always listed, so that a reader can tell "none" from "not looked for".
_LISTED: Final = ("refusal", "malformed", "timeout")


def counted(tally: Tally, prefix: str) -> dict[str, int]:
    """The counters that start with `prefix` and count anything, by the rest of their names."""
    # What was taken back leaves a 0 in the store.
    return {name.removeprefix(prefix): n for name, n in sorted(tally.counts.items()) if n and name.startswith(prefix)}


def failures(tally: Tally, role: Role) -> dict[str, int]:
    """How many of a side's replies were none, by kind."""
    found = counted(tally, f"failure:{role}:")
    return dict.fromkeys(_LISTED, 0) | {kind: n for kind, n in found.items() if kind not in NOT_SENT}


def latencies(tally: Tally, role: Role) -> dict[Literal["p50", "p99"], float | None]:
    """Milliseconds to the last byte, within 4.5%; None where no latency is known."""
    return {"p50": _quantile(tally, role, 0.5), "p99": _quantile(tally, role, 0.99)}


def cost(tally: Tally, role: Role) -> float | None:
    """The mean price of a call in dollars, of those whose price is known."""
    calls = tally.counts[f"costed:{role}"]
    return tally.counts[f"cost_nanousd:{role}"] / calls / 1e9 if calls else None


def _quantile(tally: Tally, role: Role, q: float) -> float | None:
    value = quantile(tally.histograms.get(f"latency_ms:{role}", {}), q)
    return None if value is None else round(value, 1)
