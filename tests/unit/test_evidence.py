import json
import random
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from scoring.estimates import APPROXIMATE
from scoring.evidence import TaskEvidence, evidence, to_json
from scoring.stats.sequential import binomial_interval
from shadow import counting
from shadow.records import Comparison, Exchange, Failure, Preference, RegretSource, Reply, Trial, TrialKind
from shadow.tally import Cell, Tally

AT = datetime(2026, 9, 7, tzinfo=UTC)  # a Monday


class Traffic:
    """Tallies built from pairs, as the store and replay build them."""

    def __init__(self) -> None:
        self.tallies: dict[Cell, Tally] = {}

    def add(
        self,
        agreement: float | None = 1.0,
        *,
        n: int = 1,
        net: float | None = None,
        source: RegretSource = "reference",
        kind: TrialKind = "shadow",
        probability: float = 1.0,
        unscored: str | None = None,
        failure: Failure | None = None,
        hour: int = 0,
        latency_ms: float | None = None,
        cost_usd: float | None = None,
        **segment: str,
    ) -> "Traffic":
        at = AT + timedelta(hours=hour)
        served = Reply(model="big", latency_ms=latency_ms, cost_usd=cost_usd)
        preference: Preference | None = (
            None if net is None else "frontier" if net > 0 else "candidate" if net < 0 else "tie"
        )
        exchange = Exchange(
            id="1", task="t", at=at, request={}, reply=served, segment=segment,
            label=preference if source == "human" else None, judge=preference if source == "judge" else None,
        )  # fmt: skip
        candidate = "big" if kind == "ceiling" else "small"
        trial = Trial(
            exchange=exchange, kind=kind, candidate=candidate, reply=Reply(model="small", failure=failure), at=at,
            inclusion_probability=probability,
        )  # fmt: skip
        comparison = Comparison(scorer="exact", agreement=agreement, unscored=unscored)
        if net is not None and source == "reference":
            right = {"frontier_correct": max(0.0, net), "candidate_correct": max(0.0, -net)}
            comparison = msgspec.structs.replace(comparison, **right)
        for _ in range(n):
            counting.count(self.tallies, trial, comparison)
        return self

    def evidence(self, **options: float) -> TaskEvidence:
        (found,) = evidence(self.tallies, **options)
        return found


def test_equal_sampling_gives_the_exact_interval():
    found = Traffic().add(1, n=70).add(0, n=30).evidence().agreement
    exact = binomial_interval(70, 100)
    assert found is not None
    assert (found.estimate, found.low, found.high, found.n) == pytest.approx(
        (0.7, exact.low, exact.high, 100), abs=1e-6
    )
    assert found.interval is None


def test_equal_sampling_at_any_rate_is_equal():
    found = Traffic().add(1, n=70, probability=0.05).add(0, n=30, probability=0.05).evidence().agreement
    assert found is not None
    assert (found.estimate, found.low) == pytest.approx((0.7, binomial_interval(70, 100).low), abs=1e-6)
    assert found.interval is None


def test_unequal_sampling_is_weighted_back_and_says_that_its_interval_is_approximate():
    # 1,000 requests of which 10% disagree: those were all sampled, of the others one in ten.
    found = Traffic().add(1, n=90, probability=0.1).add(0, n=100).evidence().agreement
    assert found is not None
    assert found.estimate == pytest.approx(0.9)
    assert found.interval == APPROXIMATE
    assert found.high - found.low > 2 * (0.9 - binomial_interval(900, 1000).low)


def test_net_regret_lies_between_its_sides_and_its_interval_holds_both():
    found = Traffic().add(0, net=1, n=20).add(0, net=-1, n=10).add(1, net=0, n=970).evidence()
    assert found.regret is not None
    assert found.net_regret is not None
    assert found.regret.estimate == 0.02
    assert found.net_regret.estimate == pytest.approx(0.01)
    assert found.net_regret.low < 0 < found.net_regret.high
    # Far tighter than an interval for any numbers in [-1, 1] would be.
    assert found.net_regret.high - found.net_regret.low < 0.1


def test_nothing_is_said_where_nothing_is_known_and_the_reason_stands_beside():
    found = json.loads(to_json([Traffic().add(None, unscored="candidate_timeout", failure="timeout").evidence()]))
    task = found["tasks"][0]
    for name in ("agreement", "ceiling", "agreement_vs_ceiling", "regret", "net_regret"):
        assert task[name] is None
        assert task[f"{name}_reason"]
    assert task["latency_ms"]["candidate"] == {"p50": None, "p99": None}
    assert "the frontier and the candidate" in task["latency_ms_reason"]
    assert task["cost_usd"] == {"frontier": None, "candidate": None}
    assert task["cost_usd_reason"]
    assert (task["n"], task["unscored"]) == (1, {"candidate_timeout": 1})
    assert task["failures"] == {"refusal": 0, "malformed": 0, "timeout": 1}


def test_a_reply_nobody_asked_for_is_no_failure_of_the_model():
    found = (
        Traffic().add(None, unscored="expired", failure="expired").add(None, unscored="not_asked", failure="not_asked")
    )
    assert sum(found.evidence().failures.values()) == 0


def test_the_file_has_the_public_shape():
    traffic = Traffic().add(0, net=1, n=50, locale="de", latency_ms=100, cost_usd=0.001).add(1, kind="ceiling", n=10)
    found = json.loads(to_json([traffic.evidence()], generated_at=AT))
    assert found["schema"] == "shadow.evidence/1"
    assert found["generated_at"] == "2026-09-07T00:00:00Z"
    task = found["tasks"][0]
    assert {"task", "candidate", "window", "n", "unscored", "agreement", "ceiling", "agreement_vs_ceiling", "regret",
            "net_regret", "verdict", "segments", "latency_ms", "cost_usd", "failures"} <= set(task)  # fmt: skip
    assert task["window"] == {"from": "2026-09-07T00:00:00Z", "to": "2026-09-07T01:00:00Z"}
    assert set(task["regret"]) == {"estimate", "low", "high", "n", "source"}
    assert task["latency_ms"]["frontier"]["p50"] == pytest.approx(100, rel=0.05)
    assert task["cost_usd"]["frontier"] == pytest.approx(0.001)
    segment = next(s for s in task["segments"] if s["dimension"] == "locale")
    assert {"dimension", "value", "n", "agreement", "regret", "net_regret", "flagged", "q_value"} <= set(segment)


def test_several_sources_of_regret_are_all_named():
    found = Traffic().add(net=0, n=5, source="judge").add(0, net=1, n=2, source="human").evidence()
    assert found.regret is not None
    assert (found.regret.n, found.regret.source) == (7, "human+judge")
    assert found.regret.sources == {"human": 2, "judge": 5}


def test_segments_come_worst_first_and_thin_ones_last():
    traffic = Traffic().add(1, n=300, locale="en").add(0, n=100, locale="de").add(1, n=200, locale="de")
    traffic.add(0, n=1, locale="fr")
    found = [s for s in traffic.evidence().segments if s.dimension == "locale"]
    assert [s.value for s in found] == ["de", "en", "fr"]
    assert [s.flagged for s in found] == [True, False, False]
    assert found[2].verdict.status == "not_enough_data"


def test_hour_and_weekday_are_segments_read_off_the_clock():
    found = Traffic().add(1, n=3, hour=2).add(1, n=4, hour=26).evidence().segments
    by_name = {(s.dimension, s.value): s.n for s in found}
    assert by_name["hour", "02:00"] == 7
    assert (by_name["weekday", "Mon"], by_name["weekday", "Tue"]) == (3, 4)


def test_agreement_is_read_against_the_frontiers_own():
    found = Traffic().add(1, n=800).add(0, n=200).add(1, n=900, kind="ceiling").add(0, n=100, kind="ceiling").evidence()
    assert found.ceiling is not None
    assert found.agreement_vs_ceiling is not None
    assert found.ceiling.estimate == 0.9
    assert found.agreement_vs_ceiling.estimate == pytest.approx(-0.1)
    assert found.agreement_vs_ceiling.high < 0
    assert found.n == 1000


def test_shadow_and_reverse_pairs_speak_together_weighted_by_their_chances():
    found = Traffic().add(1, n=100).add(0, n=5, kind="reverse", probability=0.05).evidence()
    assert found.agreement is not None
    assert found.agreement.estimate == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("traffic", "status"),
    [
        (Traffic().add(0, net=1, n=50).add(net=0, n=50), "worse"),
        (Traffic().add(net=0, n=2000), "not_worse"),
        (Traffic().add(0, net=1, n=6).add(net=0, n=294), "undecided"),
        (Traffic().add(net=0, n=10), "not_enough_data"),
        (Traffic().add(1, n=2000), "no_regret_source"),
        (Traffic().add(1, n=3), "not_enough_data"),
        (Traffic().add(None, unscored="candidate_timeout", n=500), "not_enough_data"),
        (Traffic().add(net=0, n=2000).add(None, unscored="candidate_timeout", n=200), "undecided"),
        (Traffic().add(net=0, n=2000).add(None, unscored="frontier_timeout", n=200), "not_worse"),
    ],
)
def test_no_data_is_never_a_pass(traffic: Traffic, status: str):
    found = traffic.evidence().verdict
    assert found.status == status
    assert found.reasons


def test_the_limit_is_the_callers():
    assert Traffic().add(0, net=1, n=30).add(net=0, n=970).evidence(limit=0.1).verdict.status == "not_worse"


def test_the_order_in_which_pairs_were_counted_changes_nothing():
    steps = [
        {"agreement": random.Random(i).random(), "net": 0.1 * (i % 3), "hour": i % 5, "locale": str(i % 4)}
        for i in range(60)
    ]
    found = []
    for seed in range(3):
        random.Random(seed).shuffle(steps)
        traffic = Traffic()
        for step in steps:
            traffic.add(**step)  # type: ignore[arg-type]
        found.append(to_json([traffic.evidence()], generated_at=AT))
    assert len(set(found)) == 1


def test_a_candidate_without_totals_has_no_evidence():
    cells = {cell: found for cell, found in Traffic().add(locale="de").tallies.items() if cell.dimension == "locale"}
    assert evidence(cells) == []
    assert evidence({}) == []
    assert msgspec.json.decode(to_json([]))["tasks"] == []
