"""Cost, latency and failures of calls, from the counters of a tally."""

from typing import Final, Literal

from shadow.aggregates.tally import Tally, quantile
from shadow.records import NOT_SENT, Role

#: Failures that are always listed, so that a reader can distinguish "none" from "not counted".
_LISTED: Final = ("refusal", "malformed", "timeout")


def counts_with_prefix(tally: Tally, prefix: str) -> dict[str, int]:
    """The non-zero counters that start with `prefix`, by the rest of their names, sorted."""
    # A count that was reverted stays in the store as 0.
    return {name.removeprefix(prefix): n for name, n in sorted(tally.counts.items()) if n and name.startswith(prefix)}


def failures(tally: Tally, role: Role) -> dict[str, int]:
    """The number of failures of one side's replies, by kind."""
    found = counts_with_prefix(tally, f"failure:{role}:")
    return dict.fromkeys(_LISTED, 0) | {kind: n for kind, n in found.items() if kind not in NOT_SENT}


def latencies(tally: Tally, role: Role) -> dict[Literal["p50", "p99"], float | None]:
    """Latency to the last byte in milliseconds, within 4.5%; None where none is known."""
    return {"p50": _quantile(tally, role, 0.5), "p99": _quantile(tally, role, 0.99)}


def cost(tally: Tally, role: Role) -> float | None:
    """The mean cost of a call in US dollars, over calls with a known cost; None where none is known."""
    calls = tally.counts[f"costed:{role}"]
    return tally.counts[f"cost_nanousd:{role}"] / calls / 1e9 if calls else None


def _quantile(tally: Tally, role: Role, q: float) -> float | None:
    value = quantile(tally.histograms.get(f"latency_ms:{role}", {}), q)
    return None if value is None else round(value, 1)
