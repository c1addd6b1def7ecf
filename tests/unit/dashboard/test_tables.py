"""Tallies to tables: nothing is counted twice, and nothing is concluded from too little data."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from dashboard.data.tables import FLAGGED, NOT_ENOUGH_DATA, NOT_FLAGGED, pairs_by_value, ranking
from dashboard.ui import interval_charts, vega
from dashboard.views.exchanges.tables import pair_rows
from dashboard.views.over_time import charts, tables
from dashboard.views.segments.charts import crossing as crossing_chart
from dashboard.views.segments.tables import crossing
from scoring.evidence.report import evidence
from shadow.aggregates.counting import count
from shadow.aggregates.tally import ALL, Cell, Tally
from shadow.records import Comparison, Exchange, Reply, Trial

MONDAY = datetime(2026, 9, 7, tzinfo=UTC)


def trial(at: datetime, *, failure: str | None = None, segment: dict[str, str] | None = None) -> Trial:
    exchange = Exchange(
        id="x", task="t", at=at, request={"messages": [{"role": "user", "content": "hello"}]},
        reply=Reply(model="big", content="yes"), segment=segment or {},
    )  # fmt: skip
    reply = Reply(model="small", content=None if failure else "yes", failure=failure)  # type: ignore[arg-type]  # a kind
    return Trial(exchange=exchange, kind="shadow", candidate="small", reply=reply, at=at)


@pytest.fixture
def tallies() -> dict[Cell, Tally]:
    """Two weeks: each Monday at 3 one in four of 40 pairs agrees and one fails, each Tuesday at 12 all 40 agree."""
    found: dict[Cell, Tally] = {}
    for week in range(2):
        for pair in range(40):
            monday, tuesday = (
                MONDAY + timedelta(days=7 * week, hours=3),
                MONDAY + timedelta(days=7 * week + 1, hours=12),
            )
            count(
                found,
                trial(monday, segment={"plan": "pro"}),
                Comparison(scorer="label", agreement=float(pair % 4 == 0)),
            )
            count(found, trial(tuesday, segment={"plan": "free"}), Comparison(scorer="label", agreement=1.0))
        count(found, trial(monday, failure="timeout"), Comparison(scorer="label", unscored="candidate_timeout"))
    return found


def totals(tallies: dict[Cell, Tally]) -> tables.Buckets:
    return tables.by_start({cell: t for cell, t in tallies.items() if cell.dimension == ALL[0]}, ALL[1])


def test_the_trend_has_one_point_per_step_with_data(tallies: dict[Cell, Tally]) -> None:
    frame = tables.trend(totals(tallies), "hour")
    assert list(frame["n"]) == [40, 40, 40, 40]
    assert list(frame["estimate"]) == [0.25, 1.0, 0.25, 1.0]
    assert ((frame["low"] <= frame["estimate"]) & (frame["estimate"] <= frame["high"])).all()
    assert frame["when"].iloc[0] == "Mon 2026-09-07 03:00 UTC"


def test_a_trend_is_interrupted_where_a_step_has_too_few_pairs() -> None:
    sums = {MONDAY + timedelta(days=day): agreeing(1.0, n) for day, n in enumerate((40, 40, 3, 40))}
    frame = tables.trend(sums, "day")
    runs = list(frame["run"])
    assert runs[0] == runs[1] != runs[3]
    spec = charts.trend(frame, title="Agreement")
    lines = [layer for layer in spec["layer"] if layer["mark"]["type"] in ("area", "line")]
    assert all(layer["encoding"]["detail"]["field"] == "run" for layer in lines)
    assert tables.trend({}, "day").empty


def test_the_week_has_margins_that_include_every_pair(tallies: dict[Cell, Tally]) -> None:
    frame = tables.week(totals(tallies)).set_index(["weekday", "hour"])
    assert frame.loc[("Mon", "03"), "n"] == 80
    assert frame.loc[("Mon", tables.ANY), "estimate"] == 0.25
    assert frame.loc[(tables.ANY, "12"), "estimate"] == 1.0


def test_failures_and_volume_account_for_every_pair(tallies: dict[Cell, Tally]) -> None:
    failures = tables.failures(totals(tallies), "candidate", "hour")
    assert list(failures["what"]) == ["timeout", "timeout"]
    assert failures["n"].sum() == 2
    assert tables.failures(totals(tallies), "frontier", "hour").empty
    volume = tables.volume(totals(tallies), "hour")
    assert volume.groupby("what")["n"].sum().to_dict() == {"scored": 160, "unscored": 2}


def test_a_trial_that_was_not_sent_is_no_failure_over_time() -> None:
    tally = Tally(pairs=3, counts=Counter({"failure:candidate:expired": 2, "failure:candidate:rate_limited": 1}))
    assert list(tables.failures({MONDAY: tally}, "candidate", "hour")["what"]) == ["rate limited"]


def test_worst_segments_come_first_and_those_without_enough_data_last(tallies: dict[Cell, Tally]) -> None:
    for pair in range(5):
        count(
            tallies,
            trial(MONDAY + timedelta(hours=pair), segment={"plan": "rare"}),
            Comparison(scorer="l", agreement=0.0),
        )
    (evidence_of_task,) = evidence(tallies)
    frame = ranking(evidence_of_task, "agreement")
    plans = frame[frame["dimension"] == "plan"]
    assert list(plans["value"]) == ["pro", "free", "rare"]
    assert list(plans["status"]) == [FLAGGED, NOT_FLAGGED, NOT_ENOUGH_DATA]
    assert {"hour", "weekday"} <= set(frame["dimension"])


def test_a_segment_that_contains_every_pair_is_not_ranked(tallies: dict[Cell, Tally]) -> None:
    (evidence_of_task,) = evidence(tallies)
    assert "has_tools" in {each.dimension for each in evidence_of_task.segments}
    assert "has_tools" not in set(ranking(evidence_of_task, "agreement")["dimension"])


def test_unknown_regret_ranks_nothing(tallies: dict[Cell, Tally]) -> None:
    (evidence_of_task,) = evidence(tallies)
    assert ranking(evidence_of_task, "regret").empty


def test_fields_of_a_crossing_without_enough_data_show_no_percentage() -> None:
    few, many = Tally(), Tally()
    few.agreement.add(0.0, 1.0)
    for _ in range(30):
        many.agreement.add(1.0, 1.0)
    frame = crossing({("de", "pro"): few, ("en", "pro"): many, ("fr", "pro"): Tally()})
    assert list(zip(frame["down"], frame["shown"], frame["below"], strict=True)) == [
        ("de", "not enough", "n 1"),
        ("en", "100%", "n 30"),
    ]


def test_every_field_of_a_crossing_is_legible_on_its_colour() -> None:
    shares = [share / 200 for share in range(201)]
    frame = crossing({(f"{share}", "pro"): agreeing(share, 200) for share in shares})
    spec = crossing_chart(frame, "plan", "locale")
    scale = spec["layer"][0]["encoding"]["color"]["condition"]["scale"]
    assert [vega.agreement_colour(share) for share in scale["domain"]] == scale["range"]
    for row in spec["datasets"]["rows"].itertuples():
        assert vega.contrast(row.text_colour, vega.agreement_colour(row.estimate)) >= 4.5
    (grey,) = crossing_chart(crossing({("de", "pro"): agreeing(1, 1)}), "", "")["datasets"]["rows"].itertuples()
    assert vega.contrast(grey.text_colour, vega.NOT_ENOUGH_DATA) >= 4.5


def agreeing(share: float, n: int) -> Tally:
    found = Tally()
    for pair in range(n):
        found.agreement.add(float(pair < share * n), 1.0)
    return found


def test_contrast_is_that_of_black_on_white() -> None:
    assert vega.contrast("#000000", "#ffffff") == vega.contrast("#ffffff", "#000000") == pytest.approx(21)
    assert vega.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_hours_and_weekdays_are_derived_from_totals_alone(tallies: dict[Cell, Tally]) -> None:
    assert pairs_by_value(tallies, "weekday") == {"Mon": 82, "Tue": 80}
    assert pairs_by_value(tallies, "hour") == {"03:00": 82, "12:00": 80}
    assert pairs_by_value(tallies, "plan") == {"pro": 80, "free": 80}


def test_a_row_of_a_pair_has_one_short_line_for_each_text() -> None:
    (row,) = pair_rows([(trial(MONDAY, failure="timeout"), Comparison(scorer="l"))]).to_dict("records")
    assert row["input"] == "hello"
    assert row["failure"] == "candidate: timeout"
    assert row["candidate"] == ""
    assert row["agreement"] is None


@pytest.mark.parametrize(
    "request_", [{}, {"messages": "x"}, {"messages": []}, {"messages": [7]}, {"input": [{"a": 1}]}]
)
def test_an_unusual_request_still_has_a_row(request_: dict[str, object]) -> None:
    unusual = trial(MONDAY)
    exchange = Exchange(id="x", task="t", at=MONDAY, request=request_, reply=unusual.exchange.reply)
    unusual = Trial(exchange=exchange, kind="shadow", candidate="small", reply=unusual.reply, at=MONDAY)
    assert len(pair_rows([(unusual, Comparison(scorer="l"))])) == 1


def test_an_interval_bar_ends_at_the_end_of_its_scale() -> None:
    rows = [
        layer["data"]["values"]
        for layer in interval_charts.interval_bar(0.03, 0.01, 0.2, scale_end=0.1, limit=0.02)["layer"]
    ]
    assert rows == [[{"at": 0.0, "to": 0.1}], [{"at": 0.01, "to": 0.1}], [{"at": 0.03}], [{"at": 0.02}]]


def test_every_table_has_a_chart(tallies: dict[Cell, Tally]) -> None:
    buckets = totals(tallies)
    (evidence_of_task,) = evidence(tallies)
    specs = [
        charts.trend(tables.trend(buckets, "day"), title="Agreement"),
        charts.week(tables.week(buckets)),
        charts.stacked(tables.volume(buckets, "hour"), title="Pairs", step="hour"),
        interval_charts.segments(ranking(evidence_of_task, "agreement"), 0.75),
    ]
    for spec in specs:
        assert '"http' not in json.dumps(spec, default=str)
