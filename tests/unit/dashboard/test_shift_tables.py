"""The tables of the Shift page: effect sizes, and whether the candidate is worse where traffic grew."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from dashboard.ui.text import q_value
from dashboard.views.shift import charts, tables
from scoring.stats.exploration.shift import Shift, mix_shift, ranked
from shadow.aggregates.tally import ALL, Cell, Sums, Tally

HOUR = datetime(2026, 9, 7, tzinfo=UTC)


def tally(agreeing: int, n: int, regrets: int | None = None) -> Tally:
    found = Tally(pairs=n)
    for row in range(n):
        found.agreement.add(float(row < agreeing), 1.0)
        if regrets is not None:
            found.regret.add(float(row < regrets), 1.0)
    return found


def cell(dimension: str, value: str, source: str = "") -> Cell:
    return Cell("t", "small", "shadow", source, dimension, value, HOUR)


def test_doubling_every_value_is_a_factor_of_two() -> None:
    low = {20: 10, 24: 30, 31: 5}
    doubled = {bucket + 8: n for bucket, n in low.items()}
    assert tables.factor(tables.numbers("x", doubled, low), doubled, low) == pytest.approx(2.0)
    assert tables.factor(tables.numbers("x", low, doubled), low, doubled) == pytest.approx(0.5)


def test_an_empty_window_has_no_effect_size_instead_of_a_zero() -> None:
    empty = tables.numbers("x", {1: 1}, {})
    assert empty.effect is None
    assert tables.factor(empty, {1: 1}, {}) is None
    assert tables.effect_sizes(ranked([empty, mix_shift("y", {}, {})])).empty


def test_the_value_that_grew_most_is_named_and_one_that_shrank_is_not() -> None:
    shift = mix_shift("locale", {"de": 60, "en": 40}, {"de": 20, "en": 80})
    value, rise = tables.grew_most(shift) or ("", 0.0)
    assert value == "de"
    assert rise == pytest.approx(0.4)
    assert tables.grew_most(mix_shift("locale", {"de": 60}, {"de": 50})) is None


def test_a_candidate_that_is_worse_where_traffic_grew_is_called_worse() -> None:
    by_cell = {
        cell("locale", "de"): tally(100, 200),
        cell("locale", "en"): tally(380, 400),
        cell(*ALL): tally(480, 600),
    }
    (found,) = tables.contrasts(by_cell, "locale", "de", None)
    assert (found.measure, found.conclusion) == ("agreement", "worse")
    assert found.there.estimate == 0.5
    (other,) = tables.contrasts(by_cell, "locale", "en", None)
    assert other.conclusion == "better"


def test_regret_is_of_one_source_and_high_regret_is_worse() -> None:
    by_cell = {
        cell("locale", "de", "reference"): tally(100, 200, regrets=80),
        cell("locale", "en", "reference"): tally(200, 400, regrets=4),
        cell("locale", "en", "judge"): tally(0, 0),
    }
    agreement, regret = tables.contrasts(by_cell, "locale", "de", "reference")
    assert agreement.conclusion == "no clear difference"
    assert (regret.measure, regret.conclusion, regret.there.estimate) == ("regret", "worse", 0.4)
    assert [each.measure for each in tables.contrasts(by_cell, "locale", "de", "human")] == ["agreement"]


def test_a_handful_of_pairs_gives_no_conclusion() -> None:
    by_cell = {cell("locale", "de"): tally(0, 20), cell("locale", "en"): tally(400, 400)}
    (found,) = tables.contrasts(by_cell, "locale", "de", None)
    assert found.conclusion == "not enough data"
    assert tables.contrast("agreement", Sums(), tally(1, 2).agreement) == []


def test_a_q_value_is_never_shown_as_zero() -> None:
    assert q_value(0.0004) == "q < 0.001"
    assert q_value(0.0314) == "q 0.031"
    assert q_value(None) == ""


def test_the_chart_has_every_status() -> None:
    both: dict[str, Any] = {"kind": "mix", "n_current": 9, "n_reference": 9}
    shifts = [
        Shift(name="a", effect=0.4, p_value=0.001, q_value=0.01, status="shifted", **both),
        Shift(name="b", effect=0.0, p_value=0.9, q_value=0.9, status="within_chance", **both),
    ]
    frame = tables.effect_sizes(shifts)
    assert list(frame["status"]) == ["shifted", "within chance"]
    assert "within chance" in json.dumps(charts.effect_sizes(frame), default=str)


def test_no_bar_of_the_chart_reaches_the_notes_at_its_right_edge() -> None:
    for effect in (0.01, 0.3, 0.997):
        shift = Shift(name="a", kind="mix", effect=effect, p_value=0.001, n_current=9, n_reference=9)
        x = charts.effect_sizes(tables.effect_sizes([shift]))["layer"][0]["encoding"]["x"]
        assert effect <= 0.8 * x["scale"]["domain"][1]
        assert max(x["axis"].get("values", [1])) <= 1


def test_hours_and_weekdays_keep_their_order() -> None:
    assert list(dict.fromkeys(tables.mix({"Tue": 9, "Mon": 1}, {"Sun": 5})["value"])) == ["Mon", "Tue", "Sun"]
    assert list(dict.fromkeys(tables.mix({"13:00": 9, "02:00": 1}, {})["value"])) == ["02:00", "13:00"]
    assert list(dict.fromkeys(tables.mix({"de": 9, "en": 20}, {"fr": 1})["value"])) == ["fr", "en", "de"]


def test_distributions_are_shown_with_the_empty_buckets_between() -> None:
    frame = tables.densities({3: 1}, {6: 1})
    assert len(frame) == 2 * 6
    assert frame.groupby("window")["share"].sum().to_dict() == {"current": 1.0, "reference": 1.0}
