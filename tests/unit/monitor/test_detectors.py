"""All detectors of a task together."""

import random

import msgspec
import numpy as np
import pytest

from scoring.monitor import detectors
from scoring.monitor.detectors import HoursState, Key
from scoring.monitor.events import Opened
from scoring.monitor.judge import JudgeState
from scoring.monitor.rate_drift import RateDriftState
from shadow.aggregates.tally import ALL, Cell, Tally
from shadow.settings import Settings
from tests.support.monitoring import HOUR, MONDAY, RULES, WEEK, an_hour, run_detectors, through_json

LOCALES = ("locale=de", "locale=en", "locale=fr", "locale=es")


def hours(count, rate, *, seed=1, bad=None, source="reference"):
    rng = np.random.default_rng(seed)
    rates = {name: (lambda _: 0.15) if name == bad else rate for name in LOCALES}
    return [an_hour(rng, hour, rates, source=source) for hour in range(count)]


def rate_drift_state(states, key):
    state = states[key]
    assert isinstance(state, RateDriftState)
    return state


def opened(found):
    return {(each.key.detector, each.event.subject) for each in found if isinstance(each.event, Opened)}


@pytest.mark.parametrize("source", ["reference", "judge"])
def test_a_rise_and_a_bad_segment_are_found_by_either_source(source):
    _, found = run_detectors(
        hours(WEEK + 48, lambda hour: 0.01 if hour < WEEK + 10 else 0.08, bad="locale=fr", source=source)
    )
    assert {("regret_drift", source), ("bad_segment", "locale=fr")} <= opened(found)


def test_the_cells_of_an_hour_may_come_in_any_order():
    rolled = hours(WEEK + 30, lambda hour: 0.01 if hour < WEEK else 0.2, bad="locale=fr")
    chance = random.Random(1)
    shuffled = [dict(chance.sample(list(cells.items()), len(cells))) for cells in rolled]
    assert run_detectors(shuffled) == run_detectors(rolled)


def test_states_survive_json_and_continue_the_same():
    rolled = hours(WEEK + 60, lambda hour: 0.01 if hour < WEEK + 20 else 0.2)
    whole, found = run_detectors(rolled)
    states, first = run_detectors(rolled[: WEEK + 25])
    assert through_json(states) == states
    assert run_detectors(rolled[WEEK + 25 :], through_json(states)) == (whole, found[len(first) :])


def test_the_judged_part_follows_its_own_hours():
    cells = hours(1, lambda _: 0.5)[0] | hours(1, lambda _: 0.5, source="judge")[0]
    scored, _ = detectors.step("scored", "t", {}, MONDAY, cells, RULES)
    judged, _ = detectors.step("judged", "t", {}, MONDAY, cells, RULES)
    assert {key.subject for key in judged} == {"judge"}
    assert "judge" not in {key.subject for key in scored}
    assert {detectors.part_of(key) for key in scored} == {"scored"}
    assert {detectors.part_of(key) for key in judged} == {"judged"}
    assert Key("small-7b", "shadow", "candidate_failures", "") in scored


def test_the_frontiers_failures_are_counted_once_however_many_candidates_shadow_it():
    cells = {}
    for candidate, pairs in (("small-7b", 40), ("small-3b", 60)):
        tally = cells[Cell("t", candidate, "shadow", "", *ALL, MONDAY)] = Tally(pairs=pairs)
        tally.counts["failure:frontier:timeout"] = 3
    states, _ = detectors.step("scored", "t", {}, MONDAY, cells, RULES)
    assert rate_drift_state(states, Key("", "shadow", "ceiling", "failures")).rows == 60


def test_ceiling_pairs_are_about_the_frontier_alone():
    tally = Tally(pairs=1)
    tally.agreement.add(1.0, 0.1)
    states, _ = detectors.step(
        "scored", "t", {}, MONDAY, {Cell("t", "gpt-x", "ceiling", "", *ALL, MONDAY): tally}, RULES
    )
    assert set(states) == {Key("gpt-x", "ceiling", "ceiling", "agreement")}


def test_pairs_count_once_though_their_cells_are_parted_by_source():
    cells = {}
    for source in ("human", "reference", ""):
        cells[Cell("t", "c", "shadow", source, *ALL, MONDAY)] = Tally(pairs=10)
    states, _ = detectors.step("scored", "t", {}, MONDAY, cells, RULES)
    assert rate_drift_state(states, Key("c", "shadow", "candidate_failures", "")).rows == 30


def test_an_incident_without_data_closes_after_a_week_whatever_other_candidates_do():
    """A withdrawn candidate cannot recover."""
    states, found = run_detectors(hours(WEEK + 40, lambda hour: 0.01 if hour < WEEK else 0.3))
    assert ("regret_drift", "reference") in opened(found)
    last = MONDAY + (WEEK + 39) * HOUR
    early, nothing = detectors.close_stale("scored", states, last + (WEEK - 1) * HOUR)
    assert (early, nothing) == (states, [])
    late, closed = detectors.close_stale("scored", states, last + WEEK * HOUR)
    assert {each.event.at for each in closed} == {last + WEEK * HOUR}
    assert {each.key.detector for each in closed} == {"regret_drift", "bad_segment"}
    assert "open" not in {each["status"] for each in detectors.describe(late)}
    other = {Cell("t", "small-3b", "shadow", "", *ALL, last + 2 * WEEK * HOUR): Tally(pairs=1)}
    _, by_the_way = detectors.step("scored", "t", states, last + 2 * WEEK * HOUR, other, RULES)
    assert by_the_way == closed


def test_a_task_without_configuration_has_the_default_rules():
    rules = detectors.Rules.of(Settings(), "unknown")
    assert (rules.regret_limit, rules.false_flag_rate, rules.horizon, rules.most_unscored) == (0.02, 0.1, 20_000, 0.2)


def test_every_detector_has_a_status():
    states, _ = run_detectors(hours(3, lambda _: 0.01))
    described = {(each["detector"], each["subject"]): each["status"] for each in detectors.describe(states)}
    assert described["regret_drift", "reference"] == "learning"
    assert described["coverage", "unscored"] == "watching"
    lately = rate_drift_state(states, Key("small-7b", "shadow", "regret_drift", "reference")).recent
    assert [hour for hour, _ in lately] == [MONDAY, MONDAY + HOUR, MONDAY + 2 * HOUR]


def test_the_names_in_saved_states_are_those_of_earlier_versions():
    """Databases hold them, whatever the fields are called in the code."""
    state = rate_drift_state(
        run_detectors(hours(3, lambda _: 0.01))[0], Key("small-7b", "shadow", "regret_drift", "reference")
    )
    assert {"usual", "lately", "weekly", "rows", "since", "drift", "heaviest", "opened_at", "recovery"} == set(
        msgspec.to_builtins(state)
    )
    assert set(msgspec.to_builtins(HoursState())) == {"settling", "taken", "late"}
    assert set(msgspec.to_builtins(JudgeState())["worse"]) == {"waiting", "usual", "drift", "lately", "opened_at"}
