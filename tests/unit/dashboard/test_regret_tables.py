"""Tallies to the tables of the Regret page: sources stay apart, weights count, and time is event time."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dashboard.data.tables import SOURCE_PHRASES, with_regret_of
from dashboard.ui import help_texts, incident_banner
from dashboard.views.regret import charts, tables
from shadow.aggregates.regret_sources import SOURCES
from shadow.aggregates.tally import ALL, Cell, CellKind, Tally
from shadow.store.monitoring.incidents import Heartbeat, Incident

MONDAY = datetime(2026, 9, 7, tzinfo=UTC)
NOW = MONDAY + timedelta(days=10)


def tallies(*rows: tuple[timedelta, CellKind, str, int, int, float]) -> dict[Cell, Tally]:
    """Totals; a row is (time after MONDAY, kind, source, regrets, pairs, sampling probability)."""
    found = {}
    for after, kind, source, regretted, n, probability in rows:
        tally = Tally(pairs=n)
        for row in range(n):
            tally.agreement.add(float(row >= regretted), probability)
            tally.regret.add(float(row < regretted), probability)
            tally.net_regret.add(float(row < regretted), probability)
        found[Cell("t", "small", kind, source, *ALL, MONDAY + after)] = tally
    return found


def staged(*rows: tuple[timedelta, str, int]) -> dict[Cell, Tally]:
    return {
        Cell("t", "small", "shadow", "", tables.STAGE, stage, MONDAY + after): Tally(pairs=n)
        for after, stage, n in rows
    }


def incident(**more: Any) -> Incident:
    fields: dict[str, Any] = {
        "id": "1", "task": "t", "candidate": "small", "kind": "reverse", "detector": "regret_drift", "subject": "",
        "severity": "critical", "summary": "rose", "opened_at": MONDAY, "noticed_at": MONDAY,
    }  # fmt: skip
    return Incident(**fields | more)


HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def test_each_period_has_its_own_rate_and_the_running_one_adds_up() -> None:
    found = tallies((HOUR, "reverse", "reference", 2, 40, 1.0), (DAY, "reverse", "reference", 10, 40, 1.0))
    frame = tables.over_time(found, "reference", "day")
    assert list(frame["estimate"]) == [0.05, 0.25]
    assert list(frame["running"]) == [0.05, 0.15]
    assert list(frame["running_n"]) == [40, 80]
    assert frame["until"].iloc[0] - frame["at"].iloc[0] == DAY
    assert frame["running_high"].iloc[1] < frame["high"].iloc[1]


def test_weeks_start_on_monday_and_hours_are_their_own_start() -> None:
    assert tables.period_start(MONDAY + 6 * DAY + 5 * HOUR, "week") == MONDAY
    assert tables.period_start(MONDAY + 7 * DAY, "week") == MONDAY + 7 * DAY
    assert tables.period_start(MONDAY + HOUR, "hour") == MONDAY + HOUR


def test_a_judges_verdicts_are_never_added_to_peoples_labels() -> None:
    found = tallies((HOUR, "shadow", "human", 1, 40, 1.0), (2 * HOUR, "shadow", "judge", 40, 40, 1.0))
    assert list(tables.over_time(found, "human", "week")["estimate"]) == [0.025]
    alone = with_regret_of(found, "human")
    assert sum(tally.regret.n for tally in alone.values()) == 40
    assert sum(tally.pairs for tally in alone.values()) == 80
    assert sum(tally.regret.n for tally in with_regret_of(found, None).values()) == 0


def test_a_band_ends_at_periods_without_enough_data() -> None:
    found = tallies(*((day * DAY, "shadow", "human", 0, n, 1.0) for day, n in enumerate((40, 40, 3, 40))))
    runs = list(tables.over_time(found, "human", "day")["run"])
    assert runs[0] == runs[1] != runs[3]


def test_the_served_share_is_that_of_the_traffic_not_of_the_sample() -> None:
    # Of 200 exchanges the candidate served 100; a tenth of those was sampled, of the others a half.
    found = tallies((HOUR, "reverse", "", 0, 10, 0.1), (HOUR, "shadow", "", 0, 50, 0.5))
    (share,) = tables.served(found, "hour")["share"]
    assert share == pytest.approx(0.5)


def test_a_change_of_stage_is_where_most_traffic_has_another_stage() -> None:
    found = staged((0 * DAY, "0%", 50), (DAY, "0%", 50), (DAY, "5%", 20), (2 * DAY, "5%", 50), (3 * DAY, "5%", 9))
    frame = tables.stage_changes(found, "day")
    assert list(frame["label"]) == ["0% → 5%"]
    assert frame["at"].iloc[0] == MONDAY + 2 * DAY
    assert tables.stage_changes({}, "day").empty


def test_before_and_after_the_rollout_are_separate() -> None:
    found = tallies((HOUR, "shadow", "reference", 1, 40, 1.0), (HOUR, "reverse", "reference", 8, 40, 0.5))
    before, after = tables.by_kind(found, "reference")
    assert (before.name, before.sums.n, after.name, after.pairs) == (
        "before rollout (shadow)", 40, "after rollout (reverse)", 40,
    )  # fmt: skip


def test_the_sampling_table_shows_probabilities() -> None:
    (row,) = tables.sampling(tallies((HOUR, "reverse", "judge", 1, 40, 0.05))).to_dict("records")
    assert row["stand for"] == "800 exchanges"
    assert row["smallest probability"] == row["typical probability"] == "1 in 20"
    assert (row["labelled"], row["judged"]) == ("none", "40 (100%)")
    assert tables.one_in(1.0) == "every one"
    assert tables.one_in(2.5) == "1 in 2.5"


def test_pairs_that_sampling_left_out_are_not_counted_beside_those_that_represent_them() -> None:
    found = tallies((HOUR, "reverse", "judge", 1, 50, 0.5), (HOUR, "shadow", "", 0, 100, 1.0))
    left_out = Tally(pairs=50, counts=Counter({"unscored:not_sampled": 50}))
    found[next(cell for cell in found if cell.kind == "reverse")._replace(source="")] = left_out
    _, row = tables.sampling(found).to_dict("records")
    assert (row["pairs"], row["stand for"], row["unscored"]) == ("50", "100 exchanges", "0.0%")
    (share,) = tables.served(found, "hour")["share"]
    assert share == pytest.approx(0.5)
    assert [kind.pairs for kind in tables.by_kind(found, "judge")] == [100, 50]


def test_incidents_are_cut_to_the_time_axis_and_those_outside_are_left_out() -> None:
    marks = incident_banner.marks(
        [
            incident(opened_at=MONDAY - DAY),
            incident(opened_at=MONDAY - 3 * DAY, closed_at=MONDAY - 2 * DAY),
            incident(opened_at=MONDAY + DAY, closed_at=MONDAY + 2 * DAY, severity="warning"),
        ],
        since=MONDAY,
        until=MONDAY + 4 * DAY,
    )
    assert list(marks["at"]) == [MONDAY, MONDAY + DAY]
    assert list(marks["until"]) == [MONDAY + 4 * DAY, MONDAY + 2 * DAY]
    assert list(marks["closed"]) == ["still open", "2026-09-09 00:00 UTC"]


def test_a_monitor_without_recent_heartbeat_is_reported() -> None:
    last = Heartbeat(service="monitor", at=NOW - timedelta(seconds=12), detail={})
    assert incident_banner.describe_heartbeat(last, NOW, every=timedelta(seconds=30)) == "monitor last ran 12 s ago"
    assert "not reported for 60 min" in incident_banner.describe_heartbeat(
        last, NOW + HOUR, every=timedelta(seconds=30)
    )
    assert "shadow monitor" in incident_banner.describe_heartbeat(None, NOW, every=timedelta(seconds=30))


@pytest.mark.parametrize("incidents", [[], [incident(), incident(opened_at=NOW - DAY, severity="warning")]])
def test_charts_are_made_with_and_without_incidents(incidents: list[Incident]) -> None:
    found = tallies((HOUR, "reverse", "human", 2, 40, 0.5), (DAY, "shadow", "human", 10, 40, 1.0))
    span = (MONDAY, NOW)
    marks = incident_banner.marks(incidents, since=MONDAY, until=NOW)
    stages = tables.stage_changes(staged((0 * DAY, "a", 1), (DAY, "b", 2)), "day")
    regret = tables.over_time(found, "human", "day")
    specs = [
        charts.over_time(regret, limit=0.02, incidents=marks, stages=stages, span=span),
        charts.served(tables.served(found, "day"), stages=stages, span=span),
    ]
    for spec in specs:
        assert '"http' not in json.dumps(spec, default=str)


def test_every_measure_is_explained_with_what_it_excludes() -> None:
    for found in help_texts.MEASURES.values():
        assert all((found.title, found.what, found.how, found.excludes))
        assert "http" not in f"{found.how}{found.paper}"
    assert set(SOURCE_PHRASES) == set(SOURCES)
