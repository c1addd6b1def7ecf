"""Cost, latency, time to first token and failures of calls, from the counters of a tally."""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import msgspec

from shadow.aggregates import counters
from shadow.aggregates.tally import Tally, quantile
from shadow.records import Role

Quantile: TypeAlias = Literal["p50", "p99"]

QUANTILES: Final[Mapping[Quantile, float]] = {"p50": 0.5, "p99": 0.99}

#: Failures that are always listed, so that a reader can distinguish "none" from "not counted".
_LISTED: Final = ("refusal", "malformed", "timeout")


class FirstToken(msgspec.Struct, frozen=True, kw_only=True):
    """Time to the first token in milliseconds, within 4.5%, of the `n` replies that were streamed; None without any."""

    p50: float | None
    p99: float | None
    n: int


def failures(tally: Tally, role: Role) -> dict[str, int]:
    """The number of failures of one side's replies, by kind."""
    return dict.fromkeys(_LISTED, 0) | counters.failures(tally, role)


def latencies(tally: Tally, role: Role) -> dict[Quantile, float | None]:
    """Latency to the last byte in milliseconds, within 4.5%; None where none is known."""
    return {name: _quantile(tally, f"latency_ms:{role}", q) for name, q in QUANTILES.items()}


def first_token(tally: Tally, role: Role) -> FirstToken:
    """The time to the first token of the answer; see `shadow.openai_api.stream_reader` for which token that is."""
    measure = f"ttft_ms:{role}"
    n = sum(tally.histograms.get(measure, {}).values())
    return FirstToken(p50=_quantile(tally, measure, 0.5), p99=_quantile(tally, measure, 0.99), n=n)


def cost(tally: Tally, role: Role) -> float | None:
    """The mean cost of a call in US dollars, over calls with a known cost; None where none is known."""
    calls = tally.counts[f"costed:{role}"]
    return tally.counts[f"cost_nanousd:{role}"] / calls / 1e9 if calls else None


def _quantile(tally: Tally, measure: str, q: float) -> float | None:
    value = quantile(tally.histograms.get(measure, {}), q)
    return None if value is None else round(value, 1)
