"""Which hours are complete."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from scoring.monitor import hours
from scoring.monitor.hours import StoreProgress, Watermark
from tests.support.monitoring import HOUR, MONDAY

MINUTE = timedelta(minutes=1)
NOON = MONDAY + 12 * HOUR


def looks(*given):
    """The watermark after looks, each given by its minute after noon and its difference from steady traffic."""
    state = Watermark()
    for number, (minute, figures) in enumerate(given):
        seen = {"last_hour": NOON, "pairs": 1_000 + number, **figures}
        progress = StoreProgress(now=NOON + minute * MINUTE, **seen)
        state = hours.step(state, progress, lateness=HOUR, settle=MINUTE)
    return state


def test_an_hour_is_complete_once_pairs_from_a_lateness_after_its_end_are_stored():
    state = looks((0, {}), (2, {}))
    assert state.settled == NOON - HOUR
    assert state.judged == NOON - HOUR


def test_an_hour_is_not_settled_the_moment_it_looks_complete():
    assert looks((0, {})).settled is None
    assert looks((0, {}), (0.5, {})).settled is None


def test_weeks_replayed_in_minutes_settle_only_after_the_settle_time():
    state = looks((0, {"last_hour": NOON - 300 * HOUR}), (0.5, {"last_hour": NOON - 100 * HOUR}))
    assert state.settled is None
    state = looks(
        (0, {"last_hour": NOON - 300 * HOUR}),
        (1, {"last_hour": NOON - 200 * HOUR}),
        (1.5, {"last_hour": NOON - 100 * HOUR}),
    )
    assert state.settled == NOON - 301 * HOUR


def test_an_exchange_in_flight_delays_its_hour_and_all_later_ones():
    stuck = {"in_flight_at": NOON - 5 * HOUR + 20 * MINUTE}
    assert looks((0, stuck), (2, stuck), (4, stuck)).settled == NOON - 5 * HOUR


def test_when_traffic_stops_the_clock_completes_the_hours():
    quiet = {"last_hour": NOON - 3 * HOUR, "pairs": 5}
    assert looks((0, quiet), (2, quiet)).settled == NOON - HOUR


def test_a_clock_that_is_ahead_completes_nothing():
    ahead = {"last_hour": NOON + 5_000 * HOUR}
    assert looks((0, ahead), (2, ahead), (4, ahead)).settled == NOON - HOUR


def test_a_judge_delays_only_the_judged_part():
    due = {"judge_due_at": NOON - 7 * HOUR}
    state = looks((0, due), (2, due))
    assert (state.settled, state.judged) == (NOON - HOUR, NOON - 7 * HOUR)


def test_hours_wait_at_most_a_day_for_a_judge_without_progress():
    due = {"judge_due_at": NOON - 7 * HOUR}
    day = 24 * 60
    assert looks((0, due), (2, due), (day - 10, due)).judged == NOON - 7 * HOUR
    state = looks((0, due), (2, due), (day - 10, due), (day + 10, due))
    assert state.judged == state.settled


@given(
    st.lists(
        st.tuples(
            st.floats(0, 600),
            st.integers(-200, 50),
            st.integers(0, 3),
            st.none() | st.integers(-200, 10),
            st.none() | st.integers(-200, 10),
        ),
        max_size=20,
    )
)
def test_the_watermark_never_moves_back_nor_beyond_the_oldest_exchange_in_flight_or_the_clock(given):
    state, now = Watermark(), NOON
    for minutes, last, pairs, in_flight, due in given:
        now += minutes * MINUTE
        before = state
        seen = StoreProgress(
            now=now,
            last_hour=NOON + last * HOUR,
            pairs=pairs,
            in_flight_at=None if in_flight is None else NOON + in_flight * HOUR,
            judge_due_at=None if due is None else NOON + due * HOUR,
        )
        state = hours.step(state, seen, lateness=HOUR, settle=MINUTE)
        for old, new in ((before.settled, state.settled), (before.judged, state.judged)):
            assert old is None or (new is not None and new >= old)
        if state.settled is not None and state.settled != before.settled:
            assert state.settled <= now - HOUR
            assert seen.in_flight_at is None or state.settled <= seen.in_flight_at
        assert state.judged is None or (state.settled is not None and state.judged <= state.settled)
