"""Tallies built from pairs, as the store and replay build them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from scoring.evidence.report import TaskEvidence, evidence
from shadow.aggregates import counting
from shadow.aggregates.tally import Cell, Combination, Tally, spread
from shadow.records import Comparison, Exchange, Failure, Preference, RegretSource, Reply, Trial, TrialKind

AT = datetime(2026, 9, 7, tzinfo=UTC)  # a Monday

_PREFERENCE: dict[float, Preference] = {1.0: "frontier", 0.0: "tie", -1.0: "candidate"}


class Traffic:
    """Pairs of one task; `net` is the net regret that `source` gives, `human` and `judge` are preferences."""

    def __init__(self) -> None:
        self.tallies: dict[Cell, Tally] = {}

    def add(
        self,
        agreement: float | None = 1.0,
        *,
        n: int = 1,
        net: float | None = None,
        source: RegretSource = "reference",
        human: Preference | None = None,
        judge: Preference | None = None,
        kind: TrialKind = "shadow",
        probability: float = 1.0,
        unscored: str | None = None,
        failure: Failure | None = None,
        hour: int = 0,
        latency_ms: float | None = None,
        ttft_ms: float | None = None,
        cost_usd: float | None = None,
        ceiling: float | None = None,
        **segment: str,
    ) -> "Traffic":
        """`n` such pairs; with `ceiling` the frontier answered again, and agreed so well with itself."""
        at = AT + timedelta(hours=hour)
        if net is not None and source == "human":
            human = _PREFERENCE[net]
        if net is not None and source == "judge":
            judge = _PREFERENCE[net]
        graded = net if source == "reference" else None
        exchange = Exchange(
            id="1", task="t", at=at, request={}, segment=segment, label=human, judge=judge,
            reply=Reply(model="big", latency_ms=latency_ms, cost_usd=cost_usd),
        )  # fmt: skip
        trial = Trial(
            exchange=exchange, kind=kind, candidate="big" if kind == "ceiling" else "small",
            reply=Reply(model="small", failure=failure, ttft_ms=ttft_ms), at=at, inclusion_probability=probability,
        )  # fmt: skip
        comparison = Comparison(
            scorer="exact", agreement=agreement, unscored=unscored,
            frontier_correct=None if graded is None else max(0.0, graded),
            candidate_correct=None if graded is None else max(0.0, -graded),
        )  # fmt: skip
        pairs = [(trial, comparison)]
        if ceiling is not None:
            again = Trial(exchange=exchange, kind="ceiling", candidate="big", reply=Reply(model="big"), at=at)
            pairs.append((again, Comparison(scorer="exact", agreement=ceiling)))
        combined: dict[Combination, Tally] = {}
        for _ in range(n):
            for pair in pairs:
                counting.count_combination(combined, *pair)
            counting.count_excess(combined, pairs)
        spread(self.tallies, combined)
        return self

    def evidence(self, **options: Any) -> TaskEvidence:
        """The evidence of the one candidate."""
        (found,) = evidence(self.tallies, **options)
        return found
