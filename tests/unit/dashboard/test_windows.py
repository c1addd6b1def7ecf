"""Time windows and the windows they are compared with."""

from datetime import UTC, date, datetime, timedelta

from dashboard.data import windows

NOW = datetime(2026, 9, 22, 12, 34, 56, tzinfo=UTC)
NEWEST = datetime(2026, 9, 10, 7, tzinfo=UTC)


def test_a_window_ends_now_and_starts_on_a_whole_hour() -> None:
    window = windows.window_of_length("24 h", "now", now=NOW, newest=NEWEST)
    assert window.since == datetime(2026, 9, 21, 12, tzinfo=UTC)
    assert window.until is None


def test_a_window_may_end_with_the_hour_of_the_newest_data() -> None:
    window = windows.window_of_length("7 d", "newest data", now=NOW, newest=NEWEST)
    assert window.until == NEWEST + timedelta(hours=1)
    assert window.since == NEWEST + timedelta(hours=1) - timedelta(days=7)


def test_all_time_has_no_start() -> None:
    assert windows.window_of_length("all", "now", now=NOW, newest=NEWEST).since is None


def test_a_window_stays_equal_within_an_hour_so_that_cached_reads_are_used_again() -> None:
    later = NOW + timedelta(minutes=20)
    assert windows.window_of_length("7 d", "now", now=NOW, newest=None) == windows.window_of_length(
        "7 d", "now", now=later, newest=None
    )


def test_the_window_before_ends_where_the_window_starts() -> None:
    window = windows.window_of_length("24 h", "newest data", now=NOW, newest=NEWEST)
    before = windows.reference_window(window, windows.BEFORE, first=None, now=NOW)
    assert before.until == window.since
    assert before.since == NEWEST + timedelta(hours=1) - timedelta(days=2)


def test_the_window_before_starts_on_a_whole_hour_too() -> None:
    before = windows.reference_window(
        windows.window_of_length("24 h", "now", now=NOW, newest=None), windows.BEFORE, first=None, now=NOW
    )
    assert before.since == datetime(2026, 9, 20, 12, tzinfo=UTC)


def test_everything_before_has_no_start() -> None:
    before = windows.reference_window(
        windows.window_of_length("24 h", "now", now=NOW, newest=None), windows.ALL_BEFORE, first=None, now=NOW
    )
    assert before.since is None


def test_the_same_weekdays_before_are_whole_weeks_earlier_and_never_overlap_the_window() -> None:
    week = windows.window_of_length("7 d", "newest data", now=NOW, newest=NEWEST)
    month = windows.window_of_length("28 d", "newest data", now=NOW, newest=NEWEST)
    day = windows.window_of_length("24 h", "now", now=NOW, newest=None)
    for window, weeks in ((day, 1), (week, 1), (month, 4)):
        before = windows.reference_window(window, windows.SAME_DAYS, first=None, now=NOW)
        assert window.since is not None
        assert before.since == window.since - timedelta(days=7 * weeks)
        assert not windows.overlap(window, before)


def test_chosen_days_are_whole_and_both_included() -> None:
    window = windows.window_of_days(date(2026, 9, 1), date(2026, 9, 2))
    assert window.since == datetime(2026, 9, 1, tzinfo=UTC)
    assert window.until == datetime(2026, 9, 3, tzinfo=UTC)


def test_windows_overlap_where_they_share_an_hour() -> None:
    first, second = (windows.window_of_days(date(2026, 9, day), date(2026, 9, day)) for day in (1, 2))
    open_ended = windows.Window(label="all", since=None, until=None)
    assert not windows.overlap(first, second)
    assert windows.overlap(first, windows.window_of_days(date(2026, 8, 1), date(2026, 9, 1)))
    assert windows.overlap(first, open_ended)
