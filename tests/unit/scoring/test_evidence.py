import json
import random

import msgspec
import pytest

from scoring.evidence.estimates import Estimate, estimates
from scoring.evidence.report import evidence, to_json
from scoring.evidence.verdict import verdict
from scoring.stats.ceiling import excess_disagreement
from scoring.stats.sequential import binomial_interval
from scoring.stats.weighted import weighted_interval
from shadow.aggregates.tally import ALL, Sums
from shadow.aggregates.unit_scores import UnitScores, UnitScoresByCandidate
from shadow.cli.output.evidence_table import sentences
from shadow.settings import TaskSettings
from tests.support.traffic import AT, Traffic


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


def test_unequal_sampling_is_weighted_with_an_interval_valid_under_continuous_looking():
    # 1,000 requests of which 10% disagree: those were all sampled, of the others one in ten.
    found = Traffic().add(1, n=90, probability=0.1).add(0, n=100).evidence().agreement
    by_rows = weighted_interval([1] * 90 + [0] * 100, [0.1] * 90 + [1.0] * 100)
    assert found is not None
    assert found.estimate == pytest.approx(0.9)
    assert found.interval is None
    assert found.low <= by_rows.low < 0.9 < by_rows.high <= found.high
    assert found.high - found.low < 2 * (by_rows.high - by_rows.low)


def test_scores_that_vary_little_have_a_narrow_interval():
    scores = [round(0.8 + 0.1 * random.Random(i).uniform(-1, 1), 3) for i in range(1000)]
    traffic = Traffic()
    for score in scores:
        traffic.add(score)
    found = traffic.evidence().agreement
    as_counts = binomial_interval(sum(scores), 1000)
    assert found is not None
    assert found.low < sum(scores) / 1000 < found.high
    assert found.high - found.low < (as_counts.high - as_counts.low) / 2


def test_ten_thousand_segments_have_intervals_of_both_kinds():
    traffic = Traffic().add(1, n=5).add(0.5, n=5, hour=1).add(0, n=3, hour=2).add(1, hour=2, probability=0.1)
    one, other, third = (
        tally.agreement for cell, tally in traffic.tallies.items() if (cell.dimension, cell.value) == ALL
    )
    many = estimates([one, other, Sums(), third] * 2500)
    assert many[:4] == estimates([one, other, Sums(), third])
    assert many[2] is None
    assert len(many) == 10_000


def test_net_regret_lies_between_its_sides_and_its_interval_holds_both():
    found = Traffic().add(0, net=1, n=20).add(0, net=-1, n=10).add(1, net=0, n=970).evidence()
    assert found.regret is not None
    assert found.net_regret is not None
    assert found.regret.estimate == 0.02
    assert found.net_regret.estimate == pytest.approx(0.01)
    assert found.net_regret.low < 0 < found.net_regret.high
    # Far tighter than an interval for any numbers in [-1, 1] would be.
    assert found.net_regret.high - found.net_regret.low < 0.1


def test_a_number_that_is_unknown_is_null_with_a_reason_beside_it():
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


def test_a_trial_that_was_not_sent_is_not_a_failure_of_the_model():
    traffic = Traffic().add(n=7).add(None, unscored="candidate_refusal", failure="refusal")
    traffic.add(None, unscored="expired", failure="expired").add(None, unscored="not_asked", failure="not_asked")
    found = traffic.evidence()
    assert found.failures == {"refusal": 1, "malformed": 0, "timeout": 0}
    assert found.asked == {"frontier": 10, "candidate": 8}


def test_what_the_candidate_cannot_serve_is_counted_by_reason_and_in_no_other_figure():
    traffic = Traffic().add(1.0, n=50).add(None, unscored="candidate_timeout", failure="timeout", n=2)
    (without,) = evidence(traffic.tallies)
    traffic.add(None, unscored="ineligible:image_input", failure="ineligible", n=30)
    traffic.add(None, unscored="ineligible:context_length", failure="ineligible", n=10)
    (found,) = evidence(traffic.tallies)
    assert found.ineligible == {"context_length": 10, "image_input": 30}
    assert (found.agreement, found.failures, found.n) == (without.agreement, without.failures, without.n + 40)
    assert found.unscored["ineligible:image_input"] == 30
    lines = sentences(found)
    assert "  eligible 52 of 92 pairs (56.5%); not eligible: context_length 10, image_input 30" in lines
    assert "  unscored 2 of 52 pairs: candidate_timeout 2" in lines


@pytest.mark.parametrize("reason", ["not_sampled", "ineligible:image_input"])
def test_pairs_without_a_trial_do_not_dilute_the_share_of_failures(reason: str):
    good = Estimate(estimate=0.0, low=0.0, high=0.01, n=900, source="human")
    counts = {"candidate_timeout": 60, reason: 9_000}
    assert verdict(10_000, counts, good, 0.02).status == "undecided"


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


def test_the_time_to_first_token_of_both_models_stands_side_by_side():
    traffic = Traffic().add(n=99, latency_ms=900, ttft_ms=80).add(latency_ms=900, ttft_ms=2_000).add(n=20)
    (task,) = json.loads(to_json([traffic.evidence()]))["tasks"]
    candidate = task["ttft_ms"]["candidate"]
    assert (candidate["p50"], candidate["p99"]) == pytest.approx((80, 80), rel=0.05)
    assert candidate["n"] == 100
    assert task["ttft_ms"]["frontier"] == {"p50": None, "p99": None, "n": 0}
    assert task["ttft_ms_reason"] == "no reply was streamed by the frontier"


def test_the_report_prints_times_only_where_there_are_any():
    with_times = sentences(Traffic().add(n=10, latency_ms=900, ttft_ms=80).evidence())
    assert any(
        line.startswith("  first token p50, p99: frontier –, –, candidate 80 ms, 80 ms; ") for line in with_times
    )
    assert any(line.startswith("  latency p50, p99: frontier ") for line in with_times)
    assert not any("p50" in line for line in sentences(Traffic().add(n=10).evidence()))


def test_each_source_of_regret_is_reported_separately():
    traffic = Traffic().add(net=0, n=40, source="judge").add(0, net=1, n=8, human="tie", judge="candidate")
    found = traffic.evidence()
    by_source = {source: (each.estimate, each.n, each.source) for source, each in found.regret_by_source.items()}
    assert by_source == {
        "human": (0.0, 8, "human"),
        "reference": (1.0, 8, "reference"),
        "judge": (0.0, 48, "judge"),
    }
    assert found.net_regret_by_source["judge"].estimate == pytest.approx(-8 / 48, abs=1e-6)


@pytest.mark.parametrize(
    ("labels", "references", "votes", "primary"),
    [(30, 500, 500, "human"), (29, 30, 500, "reference"), (5, 4, 9, "judge"), (5, 5, 5, "human"), (1, 0, 40, "judge")],
)
def test_the_primary_source_is_the_strongest_one_with_enough_pairs(
    labels: int, references: int, votes: int, primary: str
):
    traffic = Traffic().add(net=0, n=labels, source="human").add(net=0, n=votes, source="judge")
    found = traffic.add(net=0, n=references).evidence()
    assert found.regret is not None
    assert found.net_regret is not None
    assert (found.regret.source, found.net_regret.source) == (primary, primary)


def test_a_judge_alone_counts_against_a_candidate_but_never_for_it():
    calm = Traffic().add(net=0, n=3000, source="judge")
    assert calm.evidence().verdict.status == "undecided"
    assert "a judge alone never raises traffic" in calm.evidence().verdict.reasons[0]
    assert Traffic().add(0, net=1, n=300, source="judge").evidence().verdict.status == "worse"
    assert Traffic().add(net=0, n=3000, source="human").evidence().verdict.status == "not_worse"


def test_labels_measure_the_judge():
    traffic = Traffic().add(human="frontier", judge="frontier", n=40).add(human="tie", judge="frontier", n=10)
    traffic.add(human="tie", judge="tie", n=45).add(human="frontier", judge="candidate", n=5).add(judge="tie", n=900)
    found = traffic.evidence().judge
    assert found is not None
    assert (found.judged, found.n, found.observed) == (1000, 100, 0.85)
    assert found.sensitivity is not None
    assert found.specificity is not None
    assert (found.sensitivity.n, found.specificity.n) == (45, 55)
    assert found.sensitivity.estimate == pytest.approx(40 / 45, abs=1e-6)
    assert found.specificity.estimate == pytest.approx(45 / 55, abs=1e-6)
    assert found.kappa is not None
    assert 0 < found.kappa < 0.85
    # Of the 50 pairs it calls worse 80% are; of the 950 others 10%.
    assert found.two_phase is not None
    assert found.two_phase.estimate == pytest.approx(0.05 * 0.8 + 0.95 * 0.1)
    assert found.two_phase.interval == "for one look, planned beforehand"


def test_a_label_sampled_rarely_has_the_weight_of_many():
    # Labels on "fine" pairs were chosen with one chance in ten.
    traffic = Traffic().add(human="frontier", judge="frontier", n=40)
    found = traffic.add(human="frontier", judge="tie", n=4, probability=0.1).evidence().judge
    assert found is not None
    assert found.sensitivity is not None
    assert found.sensitivity.estimate == 0.5
    by_rows = weighted_interval([1] * 40 + [0] * 4, [1.0] * 40 + [0.1] * 4)
    assert found.sensitivity.low <= by_rows.low + 1e-6
    assert found.sensitivity.high >= by_rows.high - 1e-6
    assert found.two_phase is None


def test_without_labels_or_a_judge_there_is_a_reason():
    assert Traffic().add(net=0, n=9).evidence().judge_reason == "no pair was judged"
    alone = Traffic().add(net=0, n=9, source="judge").evidence().judge
    assert alone is not None
    assert (alone.reason, alone.judged, alone.kappa) == ("no_labels", 9, None)


def test_segments_come_worst_first_and_thin_ones_last():
    traffic = Traffic().add(1, n=300, locale="en").add(0, n=100, locale="de").add(1, n=200, locale="de")
    traffic.add(0, n=1, locale="fr")
    found = [s for s in traffic.evidence().segments if s.dimension == "locale"]
    assert [s.value for s in found] == ["de", "en", "fr"]
    assert [s.flagged for s in found] == [True, False, False]
    assert found[2].verdict.status == "not_enough_data"


def test_hour_and_weekday_are_segments_from_the_time():
    found = Traffic().add(1, n=3, hour=2).add(1, n=4, hour=26).evidence().segments
    by_name = {(s.dimension, s.value): s.n for s in found}
    assert by_name["hour", "02:00"] == 7
    assert (by_name["weekday", "Mon"], by_name["weekday", "Tue"]) == (3, 4)


def test_agreement_is_relative_to_the_frontiers_agreement_with_itself():
    found = Traffic().add(1, n=800).add(0, n=200).add(1, n=900, kind="ceiling").add(0, n=100, kind="ceiling").evidence()
    assert found.ceiling is not None
    assert found.agreement_vs_ceiling is not None
    assert found.ceiling.estimate == 0.9
    assert found.agreement_vs_ceiling.estimate == pytest.approx(-0.1)
    assert found.agreement_vs_ceiling.high < 0
    assert found.n == 1000
    assert found.excess_disagreement is None
    assert found.excess_disagreement_reason


def test_excess_disagreement_is_computed_exchange_by_exchange():
    traffic = Traffic().add(1, n=60, ceiling=1).add(0, n=30, ceiling=1).add(1, n=5, ceiling=0).add(0, n=5, ceiling=0)
    found = traffic.add(1, n=1000).evidence()
    exact = excess_disagreement([1] * 60 + [0] * 30 + [1] * 5 + [0] * 5, [1] * 90 + [0] * 10).interval
    assert found.excess_disagreement is not None
    assert (found.excess_disagreement.estimate, found.excess_disagreement.n) == (0.25, 100)
    assert (found.excess_disagreement.low, found.excess_disagreement.high) == pytest.approx(
        (exact.low, exact.high), abs=1e-6
    )
    assert found.excess_disagreement.status == "worse"
    # Of the same exchanges, and the other way round.
    assert found.agreement_vs_ceiling is not None
    assert (found.agreement_vs_ceiling.estimate, found.agreement_vs_ceiling.n) == (-0.25, 100)
    assert found.agreement_vs_ceiling.high == pytest.approx(-exact.low, abs=1e-6)


def test_excess_disagreement_of_scores_between_0_and_1_holds_the_truth_of_its_rows():
    traffic = Traffic().add(0.5, n=60, ceiling=0.75).add(1, n=60, ceiling=0.5)
    found = traffic.evidence().excess_disagreement
    exact = excess_disagreement([0.5] * 60 + [1] * 60, [0.75] * 60 + [0.5] * 60).interval
    assert found is not None
    assert found.estimate == -0.125
    assert found.low <= exact.low < exact.high <= found.high
    assert found.status == "undecided" if found.high >= 0 else "better"


def test_a_segment_is_flagged_for_regret_above_the_tasks_own_limit():
    traffic = Traffic().add(net=0, n=400, locale="en").add(0, net=1, n=40, locale="de").add(net=0, n=360, locale="de")
    spec = TaskSettings(frontier="big", regret_limit=0.02)
    strict, lax = (
        traffic.evidence(tasks={"t": spec.model_copy(update={"regret_limit": limit})}) for limit in (0.02, 0.2)
    )
    assert (strict.regret_limit, strict.false_flag_rate) == (0.02, 0.1)
    found = {s.value: (s.status, s.looked_for) for s in strict.segments if s.dimension == "locale"}
    assert found == {"de": ("flagged", "regret above the limit"), "en": ("ok", "regret above the limit")}
    assert not any(s.flagged for s in lax.segments)
    assert all((s.status == "flagged") == s.flagged == (s.q_value <= 0.1) for s in strict.segments)


def test_without_regret_a_segment_is_flagged_for_agreeing_less_than_the_rest():
    traffic = Traffic().add(1, n=95, locale="en").add(0, n=5, locale="en").add(1, n=90, locale="de")
    found = {s.value: s for s in traffic.add(0, n=60, locale="de").evidence().segments if s.dimension == "locale"}
    assert found["de"].looked_for == "agreement below that of the rest"
    assert (found["de"].status, found["en"].status) == ("flagged", "ok")


def test_a_few_labels_do_not_hide_a_segment_that_disagrees():
    traffic = Traffic().add(1, n=300, locale="en").add(0, n=200, locale="de").add(1, n=100, locale="de")
    found = [s for s in traffic.add(net=0, source="human", locale="de").evidence().segments if s.value == "de"]
    assert found[0].looked_for == "agreement below that of the rest"
    assert found[0].flagged


def test_equal_segments_are_hardly_ever_flagged_however_many_there_are():
    chance = random.Random(7)
    flagged = 0
    for _ in range(20):
        traffic = Traffic()
        for number in range(200):
            traffic.add(float(chance.random() < 0.9), n=1, a=str(number % 20), b=str(number % 7))
        flagged += sum(s.flagged for s in traffic.evidence().segments) > 0
    assert flagged <= 2


def test_units_count_once_however_many_calls_they_made():
    traffic = Traffic().add(1, n=10)
    busy = {"busy": (90, 0)} | {f"u{i}": (1, 1_000_000) for i in range(9)}
    units: UnitScoresByCandidate = {("t", "small"): {"agreement": UnitScores(busy, rarest=0.5, commonest=0.5)}}
    found = traffic.evidence(units=units).units
    assert found is not None
    assert (found.n, found.calls) == (10, 99)
    assert found.agreement is not None
    assert (found.agreement.estimate, found.agreement.n) == (0.9, 10)
    assert found.regret is None
    assert found.regret_reason == "regret is known of no call with a unit"


def test_units_with_unequal_sampling_have_no_estimate_but_a_reason():
    units: UnitScoresByCandidate = {("t", "small"): {"agreement": UnitScores({"a": (1, 0)}, rarest=0.1, commonest=1.0)}}
    found = Traffic().add(1).evidence(units=units).units
    assert found is not None
    assert found.agreement is None
    assert "unequal probabilities" in str(found.agreement_reason)
    assert Traffic().add(1).evidence().units_reason == "units were not read"
    assert Traffic().add(1).evidence(units={}).units_reason == "no exchange names its unit"


def test_shadow_and_reverse_pairs_add_up_weighted_by_their_probabilities():
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
        (
            Traffic()
            .add(net=0, n=2000)
            .add(None, unscored="candidate_timeout", n=200)
            .add(None, unscored="not_sampled", n=40_000),
            "undecided",
        ),
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
