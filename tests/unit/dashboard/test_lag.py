"""How far the figures lag behind the traffic, in words."""

from datetime import UTC, datetime, timedelta

import pytest

from dashboard.views.overview import lag
from shadow.store.read.ledger import Ledger

NOW = datetime(2026, 9, 22, 12, 34, 56, tzinfo=UTC)
HOUR = NOW.replace(minute=0, second=0)


@pytest.mark.parametrize(
    ("hour", "words"),
    [
        (HOUR, "from this hour"),
        (HOUR - timedelta(hours=1), "at least 34 min old"),
        (HOUR - timedelta(hours=3), "at least 2 h old"),
        (HOUR - timedelta(days=30), "at least 29 d old"),
        (HOUR + timedelta(hours=1), "dated in the future"),
        (datetime(9999, 12, 31, 23, tzinfo=UTC), "dated in the future"),
        (None, "none yet"),
    ],
)
def test_the_age_of_the_newest_pair_counts_from_the_end_of_its_hour(hour: datetime | None, words: str) -> None:
    assert lag.newest_pair(hour, NOW) == words


def test_the_oldest_exchange_in_flight_is_shown_with_the_number_in_flight() -> None:
    waiting = Ledger(mirrored=9, in_flight=7, oldest_in_flight_at=NOW - timedelta(minutes=42))
    assert lag.in_flight(waiting, NOW) == "for 42 min (7 in flight)"
    assert lag.in_flight(Ledger(), NOW) == "none"
