"""What the Shift page says of two windows: effects in words, and whether the candidate is worse where traffic grew."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from dashboard.data import shift_tables
from dashboard.views.shift import charts as shift_charts
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
    assert shift_tables.factor(shift_tables.numbers("x", doubled, low), doubled, low) == pytest.approx(2.0)
    assert shift_tables.factor(shift_tables.numbers("x", low, doubled), low, doubled) == pytest.approx(0.5)


def test_an_empty_window_has_no_effect_size_instead_of_a_zero() -> None:
    empty = shift_tables.numbers("x", {1: 1}, {})
    assert empty.effect is None
    assert shift_tables.factor(empty, {1: 1}, {}) is None
    assert shift_tables.sizes(ranked([empty, mix_shift("y", {}, {})])).empty


def test_what_grew_most_is_named_and_what_shrank_is_not() -> None:
    moved = mix_shift("locale", {"de": 60, "en": 40}, {"de": 20, "en": 80})
    value, rise = shift_tables.grown(moved) or ("", 0.0)
    assert value == "de"
    assert rise == pytest.approx(0.4)
    assert shift_tables.grown(mix_shift("locale", {"de": 60}, {"de": 50})) is None


def test_a_candidate_that_is_worse_where_traffic_grew_is_said_to_be_worse() -> None:
    tallies = {
        cell("locale", "de"): tally(100, 200),
        cell("locale", "en"): tally(380, 400),
        cell(*ALL): tally(480, 600),
    }
    (found,) = shift_tables.contrasts(tallies, "locale", "de", None)
    assert (found.measure, found.judgement) == ("agreement", "worse")
    assert found.there.estimate == 0.5
    (other,) = shift_tables.contrasts(tallies, "locale", "en", None)
    assert other.judgement == "better"


def test_regret_counts_by_one_source_and_high_regret_is_worse() -> None:
    tallies = {
        cell("locale", "de", "reference"): tally(100, 200, regrets=80),
        cell("locale", "en", "reference"): tally(200, 400, regrets=4),
        cell("locale", "en", "judge"): tally(0, 0),
    }
    agreement, regret = shift_tables.contrasts(tallies, "locale", "de", "reference")
    assert agreement.judgement == "no clear difference"
    assert (regret.measure, regret.judgement, regret.there.estimate) == ("regret", "worse", 0.4)
    assert [each.measure for each in shift_tables.contrasts(tallies, "locale", "de", "human")] == ["agreement"]


def test_a_handful_of_pairs_is_no_judgement() -> None:
    tallies = {cell("locale", "de"): tally(0, 20), cell("locale", "en"): tally(400, 400)}
    (found,) = shift_tables.contrasts(tallies, "locale", "de", None)
    assert found.judgement == "not enough data"
    assert shift_tables.contrast("agreement", Sums(), tally(1, 2).agreement) == []


def test_chance_is_never_said_to_be_nought() -> None:
    assert shift_tables.chance(0.0004) == "q < 0.001"
    assert shift_tables.chance(0.0314) == "q 0.031"
    assert shift_tables.chance(None) == ""


def test_the_picture_has_every_status() -> None:
    both: dict[str, Any] = {"kind": "mix", "n_current": 9, "n_reference": 9}
    shifts = [
        Shift(name="a", effect=0.4, p_value=0.001, q_value=0.01, status="shifted", **both),
        Shift(name="b", effect=0.0, p_value=0.9, q_value=0.9, status="within_chance", **both),
    ]
    frame = shift_tables.sizes(shifts)
    assert list(frame["status"]) == ["shifted", "within chance"]
    assert "within chance" in json.dumps(shift_charts.effects(frame), default=str)


def test_values_of_the_clock_keep_their_order() -> None:
    assert list(dict.fromkeys(shift_tables.mix({"Tue": 9, "Mon": 1}, {"Sun": 5})["value"])) == ["Mon", "Tue", "Sun"]
    assert list(dict.fromkeys(shift_tables.mix({"13:00": 9, "02:00": 1}, {})["value"])) == ["02:00", "13:00"]
    assert list(dict.fromkeys(shift_tables.mix({"de": 9, "en": 20}, {"fr": 1})["value"])) == ["fr", "en", "de"]


def test_distributions_are_shown_with_the_empty_buckets_between() -> None:
    frame = shift_tables.densities({3: 1}, {6: 1})
    assert len(frame) == 2 * 6
    assert frame.groupby("window")["share"].sum().to_dict() == {"current": 1.0, "reference": 1.0}
