"""The incidents of the demo: the monitor finds one bad segment, one drift, and nothing else.

What the worker, scorer and judge make of the simulated weeks goes straight into tallies here, and
through the detectors hour by hour, as `shadow monitor` hands them over.
"""

from datetime import UTC, datetime, timedelta

import pytest

from shadow.devstack.simulation import accuracy, timeline
from shadow.devstack.simulation.world import World
from tests.support.demo_weeks import Alarm, alarms, demo_settings, tallied

COUNT = 20_000
#: On one of these the drift begins on a Monday, on the other on a Saturday, when there is little traffic.
ENDS = (datetime(2026, 9, 24, 12, tzinfo=UTC), datetime(2026, 9, 29, 12, tzinfo=UTC))


@pytest.fixture(scope="module", params=enumerate(ENDS), ids=("on Monday", "on Saturday"))
def weeks(request, tmp_path_factory) -> tuple[World, list[Alarm]]:
    seed, end = request.param
    world = World(now=end, seed=7 + seed)
    settings = demo_settings(tmp_path_factory.mktemp("demo"), world)
    return world, alarms(tallied(world, settings, COUNT, judge=seed == 0), settings)


def test_the_one_bad_segment_is_found(weeks):
    _, found = weeks
    task, locale = accuracy.BAD_SEGMENT
    flagged = {(alarm.task, alarm.subject) for alarm in found if alarm.detector == "bad_segment"}
    assert flagged == {(task, f"locale={locale}")}


def test_the_drift_is_alarmed_within_a_day(weeks):
    world, found = weeks
    begins = world.now - timeline.DRIFT_LASTS
    (drift,) = (alarm for alarm in found if alarm.detector == "regret_drift")
    assert drift.task == timeline.DRIFTING_TASK
    assert begins - timedelta(hours=1) <= drift.at <= begins + timedelta(days=1)


def test_nothing_else_is_ever_alarmed(weeks):
    _, found = weeks
    assert {alarm.detector for alarm in found} == {"bad_segment", "regret_drift"}
