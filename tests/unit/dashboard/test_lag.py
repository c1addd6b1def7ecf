"""How far numbers lag behind the traffic, in words."""

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
        (HOUR - timedelta(hours=1), "34 min old, or a little more"),
        (HOUR - timedelta(hours=3), "2 h old, or a little more"),
        (HOUR - timedelta(days=30), "29 d old, or a little more"),
        (HOUR + timedelta(hours=1), "claims to be from the future"),
        (datetime(9999, 12, 31, 23, tzinfo=UTC), "claims to be from the future"),
        (None, "none yet"),
    ],
)
def test_the_age_of_the_newest_pair_is_never_said_to_be_less_than_its_hour_tells(
    hour: datetime | None, words: str
) -> None:
    assert lag.newest_pair(hour, NOW) == words


def test_what_waits_longest_is_told_with_how_many_wait() -> None:
    waiting = Ledger(mirrored=9, in_flight=7, oldest_in_flight_at=NOW - timedelta(minutes=42))
    assert lag.in_flight(waiting, NOW) == "waits for 42 min (7 in flight)"
    assert lag.in_flight(Ledger(), NOW) == "nothing waits"
