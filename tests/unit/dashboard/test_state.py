"""Windows and their references."""

from datetime import UTC, date, datetime, timedelta

from dashboard.data import state

NOW = datetime(2026, 9, 22, 12, 34, 56, tzinfo=UTC)
NEWEST = datetime(2026, 9, 10, 7, tzinfo=UTC)


def test_a_window_ends_now_and_starts_on_a_whole_hour() -> None:
    window = state.window("24 h", "now", now=NOW, newest=NEWEST)
    assert window.since == datetime(2026, 9, 21, 12, tzinfo=UTC)
    assert window.until is None


def test_a_window_may_end_with_the_hour_of_the_newest_data() -> None:
    window = state.window("7 d", "newest data", now=NOW, newest=NEWEST)
    assert window.until == NEWEST + timedelta(hours=1)
    assert window.since == NEWEST + timedelta(hours=1) - timedelta(days=7)


def test_everything_has_no_start() -> None:
    assert state.window("all", "now", now=NOW, newest=NEWEST).since is None


def test_the_same_window_is_the_same_all_hour_so_that_what_was_read_can_be_used_again() -> None:
    later = NOW + timedelta(minutes=20)
    assert state.window("7 d", "now", now=NOW, newest=None) == state.window("7 d", "now", now=later, newest=None)


def test_the_window_before_ends_where_the_window_starts() -> None:
    window = state.window("24 h", "newest data", now=NOW, newest=NEWEST)
    before = state.reference(window, state.BEFORE, first=None, now=NOW)
    assert before.until == window.since
    assert before.since == NEWEST + timedelta(hours=1) - timedelta(days=2)


def test_the_window_before_starts_on_a_whole_hour_too() -> None:
    before = state.reference(state.window("24 h", "now", now=NOW, newest=None), state.BEFORE, first=None, now=NOW)
    assert before.since == datetime(2026, 9, 20, 12, tzinfo=UTC)


def test_everything_before_has_no_start() -> None:
    before = state.reference(state.window("24 h", "now", now=NOW, newest=None), state.ALL_BEFORE, first=None, now=NOW)
    assert before.since is None


def test_the_same_weekdays_before_lie_whole_weeks_earlier_and_never_in_the_window_itself() -> None:
    week = state.window("7 d", "newest data", now=NOW, newest=NEWEST)
    month = state.window("28 d", "newest data", now=NOW, newest=NEWEST)
    day = state.window("24 h", "now", now=NOW, newest=None)
    for window, weeks in ((day, 1), (week, 1), (month, 4)):
        before = state.reference(window, state.SAME_DAYS, first=None, now=NOW)
        assert window.since is not None
        assert before.since == window.since - timedelta(days=7 * weeks)
        assert not state.overlap(window, before)


def test_chosen_days_are_whole_and_both_counted() -> None:
    window = state.window_of_days(date(2026, 9, 1), date(2026, 9, 2))
    assert window.since == datetime(2026, 9, 1, tzinfo=UTC)
    assert window.until == datetime(2026, 9, 3, tzinfo=UTC)


def test_windows_overlap_where_they_share_an_hour() -> None:
    first, second = (state.window_of_days(date(2026, 9, day), date(2026, 9, day)) for day in (1, 2))
    open_ended = state.Window(label="all", since=None, until=None)
    assert not state.overlap(first, second)
    assert state.overlap(first, state.window_of_days(date(2026, 8, 1), date(2026, 9, 1)))
    assert state.overlap(first, open_ended)
