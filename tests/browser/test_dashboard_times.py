"""Windows and days: pages that stay open go with the time, and an address may name any day."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import product

import pytest
import streamlit as st

from dashboard.data.state import ENDS
from tests.browser.pages import left_open, said, store, visited

pytestmark = pytest.mark.usefixtures("nothing_remembered")

OLD, NEWER = datetime(2020, 1, 1, 7, tzinfo=UTC), datetime(2020, 3, 1, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("page", "of_the_newer"),
    [
        ("overview", "2020-02-29 08:00 UTC until 2020-03-01 08:00 UTC"),
        ("segments", "No pairs with known agreement in this window."),
        ("regret", "Regret is unknown here"),
        ("over_time", "No scored pairs in this window."),
    ],
)
def test_a_page_that_stays_open_shows_what_came_in_since(
    configured: Callable[[str | None], None], postgres_url: str, page: str, of_the_newer: str
) -> None:
    store(postgres_url, task="old", at=OLD, frontier_correct=1.0, candidate_correct=1.0)
    configured(postgres_url)
    app = visited(page, window="24 h", until="newest data")
    assert of_the_newer not in said(app)
    store(postgres_url, task="old", at=NEWER, id_="two", agreement=None, unscored="no_reference")
    st.cache_data.clear()
    st.cache_resource.clear()
    assert of_the_newer in said(left_open(app))


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
    configured: Callable[[str | None], None], postgres_url: str, page: str, selections: dict[str, str]
) -> None:
    store(postgres_url, task="old", at=OLD)
    configured(postgres_url)
    app = visited(page, **selections)
    assert said(app)


@pytest.mark.parametrize("at", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)])
@pytest.mark.parametrize("page", ["overview", "segments", "regret", "over_time", "shift", "exchanges", "review"])
def test_an_exchange_that_claims_to_be_of_another_age_breaks_no_page(
    configured: Callable[[str | None], None], postgres_url: str, page: str, at: datetime
) -> None:
    store(postgres_url, task="old", at=at, frontier_correct=1.0, candidate_correct=0.0)
    configured(postgres_url)
    for window, until in product(("24 h", "all", "dates"), ENDS):
        for per in ("day", "week") if page == "regret" else ("day",):
            visited(page, window=window, until=until, per=per)
