"""Windows and days: open pages follow the time, and an address may name any day."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import product

import pytest
import streamlit as st

from dashboard.data.windows import ENDS
from tests.browser.pages import open_page, page_text, rerun_fragments, store

pytestmark = pytest.mark.usefixtures("empty_page_caches")

OLD, NEWER = datetime(2020, 1, 1, 7, tzinfo=UTC), datetime(2020, 3, 1, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("overview", "2020-02-29 08:00 UTC until 2020-03-01 08:00 UTC"),
        ("segments", "No pairs with known agreement in this window."),
        ("regret", "Regret is unknown in this window"),
        ("over_time", "No scored pairs in this window."),
    ],
)
def test_an_open_page_shows_data_that_arrived_since(
    configure: Callable[[str | None], None], postgres_url: str, page: str, expected: str
) -> None:
    store(postgres_url, task="old", at=OLD, frontier_correct=1.0, candidate_correct=1.0)
    configure(postgres_url)
    app = open_page(page, window="24 h", until="newest data")
    assert expected not in page_text(app)
    store(postgres_url, task="old", at=NEWER, id_="two", agreement=None, unscored="no_reference")
    st.cache_data.clear()
    st.cache_resource.clear()
    assert expected in page_text(rerun_fragments(app))


@pytest.mark.parametrize(
    ("page", "selections"),
    [
        ("overview", {"window": "dates", "to": "9999-12-31"}),
        ("regret", {"window": "dates", "from": "0001-01-01", "to": "9999-12-31"}),
        ("shift", {"against": "dates", "ref_to": "9999-12-31"}),
        ("shift", {"against": "dates", "window": "dates", "from": "0001-01-01", "to": "0001-01-03"}),
        ("shift", {"against": "same weekdays before", "window": "dates", "from": "0001-01-01", "to": "9999-12-31"}),
        ("shift", {"against": "the window before", "window": "dates", "from": "0001-01-01", "to": "0001-01-03"}),
        ("exchanges", {"window": "dates", "from": "not a day", "to": "2020-02-30"}),
    ],
)
def test_an_address_may_name_any_day(
    configure: Callable[[str | None], None], postgres_url: str, page: str, selections: dict[str, str]
) -> None:
    store(postgres_url, task="old", at=OLD)
    configure(postgres_url)
    app = open_page(page, **selections)
    assert page_text(app)


@pytest.mark.parametrize("at", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)])
@pytest.mark.parametrize("page", ["overview", "segments", "regret", "over_time", "shift", "exchanges", "review"])
def test_an_exchange_dated_at_either_end_of_the_calendar_breaks_no_page(
    configure: Callable[[str | None], None], postgres_url: str, page: str, at: datetime
) -> None:
    store(postgres_url, task="old", at=at, frontier_correct=1.0, candidate_correct=0.0)
    configure(postgres_url)
    for window, until in product(("24 h", "all", "dates"), ENDS):
        for per in ("day", "week") if page == "regret" else ("day",):
            open_page(page, window=window, until=until, per=per)
