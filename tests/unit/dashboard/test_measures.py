"""Tallies to tables: nothing is counted twice, and nothing is claimed on thin data."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from dashboard.data import measures
from dashboard.ui import charts, vega
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


def whole(tallies: dict[Cell, Tally]) -> measures.Buckets:
    return measures.by_start({cell: t for cell, t in tallies.items() if cell.dimension == ALL[0]}, ALL[1])


def test_the_trend_has_one_point_per_step_with_data(tallies: dict[Cell, Tally]) -> None:
    frame = measures.trend(whole(tallies), "hour")
    assert list(frame["n"]) == [40, 40, 40, 40]
    assert list(frame["estimate"]) == [0.25, 1.0, 0.25, 1.0]
    assert ((frame["low"] <= frame["estimate"]) & (frame["estimate"] <= frame["high"])).all()
    assert frame["when"].iloc[0] == "Mon 2026-09-07 03:00 UTC"


def test_the_week_has_margins_that_hold_every_pair(tallies: dict[Cell, Tally]) -> None:
    frame = measures.week(whole(tallies)).set_index(["weekday", "hour"])
    assert frame.loc[("Mon", "03"), "n"] == 80
    assert frame.loc[("Mon", measures.ANY), "estimate"] == 0.25
    assert frame.loc[(measures.ANY, "12"), "estimate"] == 1.0


def test_failures_and_volume_account_for_every_pair(tallies: dict[Cell, Tally]) -> None:
    failures = measures.failures(whole(tallies), "candidate", "hour")
    assert list(failures["what"]) == ["timeout", "timeout"]
    assert failures["n"].sum() == 2
    assert measures.failures(whole(tallies), "frontier", "hour").empty
    volume = measures.volume(whole(tallies), "hour")
    assert volume.groupby("what")["n"].sum().to_dict() == {"scored": 160, "unscored": 2}


def test_worst_segments_come_first_and_thin_ones_last(tallies: dict[Cell, Tally]) -> None:
    for pair in range(5):
        count(
            tallies,
            trial(MONDAY + timedelta(hours=pair), segment={"plan": "rare"}),
            Comparison(scorer="l", agreement=0.0),
        )
    (judged,) = evidence(tallies)
    frame = measures.ranking(judged, "agreement")
    plans = frame[frame["dimension"] == "plan"]
    assert list(plans["value"]) == ["pro", "free", "rare"]
    assert list(plans["status"]) == [measures.FLAGGED, measures.NOT_FLAGGED, measures.THIN]
    assert {"hour", "weekday"} <= set(frame["dimension"])


def test_a_segment_that_holds_every_pair_is_no_part_of_the_traffic(tallies: dict[Cell, Tally]) -> None:
    (judged,) = evidence(tallies)
    assert "has_tools" in {each.dimension for each in judged.segments}
    assert "has_tools" not in set(measures.ranking(judged, "agreement")["dimension"])


def test_regret_that_nobody_knows_ranks_nothing(tallies: dict[Cell, Tally]) -> None:
    (judged,) = evidence(tallies)
    assert measures.ranking(judged, "regret").empty


def test_thin_fields_of_a_crossing_show_no_percentage() -> None:
    thin, thick = Tally(), Tally()
    thin.agreement.add(0.0, 1.0)
    for _ in range(30):
        thick.agreement.add(1.0, 1.0)
    frame = measures.crossing({("de", "pro"): thin, ("en", "pro"): thick, ("fr", "pro"): Tally()})
    assert list(zip(frame["down"], frame["shown"], frame["below"], strict=True)) == [
        ("de", "not enough", "n 1"),
        ("en", "100%", "n 30"),
    ]


def test_every_field_of_a_crossing_can_be_read_on_its_colour() -> None:
    shares = [share / 200 for share in range(201)]
    frame = measures.crossing({(f"{share}", "pro"): agreeing(share, 200) for share in shares})
    picture = charts.crossing(frame, "plan", "locale")
    scale = picture["layer"][0]["encoding"]["color"]["condition"]["scale"]
    assert [vega.agreement_shade(share) for share in scale["domain"]] == scale["range"]
    for row in picture["datasets"]["rows"].itertuples():
        assert vega.contrast(row.ink, vega.agreement_shade(row.estimate)) >= 4.5
    (thin,) = charts.crossing(measures.crossing({("de", "pro"): agreeing(1, 1)}), "", "")["datasets"][
        "rows"
    ].itertuples()
    assert vega.contrast(thin.ink, vega.THIN) >= 4.5


def agreeing(share: float, n: int) -> Tally:
    found = Tally()
    for pair in range(n):
        found.agreement.add(float(pair < share * n), 1.0)
    return found


def test_contrast_is_that_of_black_on_white() -> None:
    assert vega.contrast("#000000", "#ffffff") == vega.contrast("#ffffff", "#000000") == pytest.approx(21)
    assert vega.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_the_calendar_is_read_off_totals_alone(tallies: dict[Cell, Tally]) -> None:
    assert measures.pairs_by_value(tallies, "weekday") == {"Mon": 82, "Tue": 80}
    assert measures.pairs_by_value(tallies, "hour") == {"03:00": 82, "12:00": 80}
    assert measures.pairs_by_value(tallies, "plan") == {"pro": 80, "free": 80}


def test_a_list_of_pairs_has_one_short_line_for_each_text() -> None:
    (row,) = measures.listing([(trial(MONDAY, failure="timeout"), Comparison(scorer="l"))]).to_dict("records")
    assert row["input"] == "hello"
    assert row["failure"] == "candidate: timeout"
    assert row["candidate"] == ""
    assert row["agreement"] is None


@pytest.mark.parametrize(
    "request_", [{}, {"messages": "x"}, {"messages": []}, {"messages": [7]}, {"input": [{"a": 1}]}]
)
def test_a_strange_request_still_has_a_line(request_: dict[str, object]) -> None:
    strange = trial(MONDAY)
    exchange = Exchange(id="x", task="t", at=MONDAY, request=request_, reply=strange.exchange.reply)
    strange = Trial(exchange=exchange, kind="shadow", candidate="small", reply=strange.reply, at=MONDAY)
    assert len(measures.listing([(strange, Comparison(scorer="l"))])) == 1


def test_a_ruler_ends_where_its_scale_does() -> None:
    rows = [layer["data"]["values"] for layer in charts.ruler(0.03, 0.01, 0.2, most=0.1, limit=0.02)["layer"]]
    assert rows == [[{"at": 0.0, "to": 0.1}], [{"at": 0.01, "to": 0.1}], [{"at": 0.03}], [{"at": 0.02}]]


def test_charts_are_made_of_every_table(tallies: dict[Cell, Tally]) -> None:
    buckets = whole(tallies)
    (judged,) = evidence(tallies)
    pictures = [
        charts.trend(measures.trend(buckets, "day"), title="Agreement"),
        charts.week(measures.week(buckets)),
        charts.stacked(measures.volume(buckets, "hour"), title="Pairs", step="hour"),
        charts.segments(measures.ranking(judged, "agreement"), 0.75),
    ]
    for picture in pictures:
        assert '"http' not in json.dumps(picture, default=str)
