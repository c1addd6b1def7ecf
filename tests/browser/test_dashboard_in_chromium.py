"""Every page in a real browser: complete, without outside requests, and inert to what models write."""

from itertools import product
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest
from playwright.sync_api import Browser, expect

from tests.browser import seed
from tests.browser.chromium import SCHEMES, assert_inert, assert_layout, open_in_browser, wait_until_run
from tests.browser.conftest import Served

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

#: Page -> text on it when it shows data.
PAGES = {
    "Overview": "Where every exchange went",
    "Segments": "Segments, worst first",
    "Regret": "What was sampled",
    "Over time": "Hour and weekday",
    "Shift": "Largest shifts",
    "Confidence": "Is it right where it is sure?",
    "Exchanges": "Select a row to read both replies.",
}

#: The newest exchange of `world`, with markup in every text field.
HOSTILE = f"exchange-{seed.COUNT:06d}"


def test_every_page_is_complete_on_every_screen(browser: Browser, dashboard: Served) -> None:
    with open_in_browser(browser, dashboard, "/?task=ticket-intent") as page:
        for name, words in PAGES.items():
            page.get_by_role("link", name=name).click()
            expect(page.get_by_text(words).first).to_be_visible(timeout=30_000)
            wait_until_run(page)
            expect(page.get_by_text("simulated").first).to_be_visible()
            expect(page.get_by_text("Deploy")).to_have_count(0)
            for width, scheme in product((1440, 800), SCHEMES):
                assert_layout(page, name, width, scheme)


def test_text_of_models_and_callers_is_shown_and_stays_inert(browser: Browser, dashboard: Served) -> None:
    with open_in_browser(browser, dashboard, f"/exchanges?task=ticket-intent&exchange={HOSTILE}") as page:
        replies = page.locator(".shadow-reply")
        expect(replies).to_have_count(2, timeout=30_000)
        wait_until_run(page)
        expect(replies.first).to_contain_text('<img src="http://attacker.example/a.png" onerror="alert(1)">')
        assert_inert(page)
        page.get_by_text("Scorer details").click()
        page.get_by_text("as text", exact=True).click()
        expect(replies).to_have_count(0)
        wait_until_run(page)
        for name in ("Overview", "Segments", "Regret", "Over time", "Shift"):
            page.get_by_role("link", name=name, exact=True).click()
            expect(page.get_by_text(PAGES[name]).first).to_be_visible(timeout=30_000)
            wait_until_run(page)
            assert_inert(page)
        page.get_by_text("Compare words too").click()
        expect(page.get_by_text("words of the requests").first).to_be_attached(timeout=30_000)
        wait_until_run(page)
        assert_inert(page)


def test_a_link_opens_the_page_as_its_sender_saw_it(browser: Browser, dashboard: Served) -> None:
    with open_in_browser(browser, dashboard, "/segments?task=reply-draft") as page:
        expect(page.get_by_text("Segments, worst first")).to_be_visible(timeout=30_000)
        page.get_by_text("28 d", exact=True).click()
        wait_until_run(page)
        page.wait_for_url("**window=28*")
        link = urlsplit(page.url)
    assert parse_qs(link.query) == {"task": ["reply-draft"], "window": ["28 d"]}
    with open_in_browser(browser, dashboard, f"{link.path}?{link.query}") as page:
        expect(page.get_by_text("Segments, worst first")).to_be_visible(timeout=30_000)
        expect(page.get_by_role("radio", name="28 d")).to_be_checked()
        expect(page.get_by_role("combobox", name="Task")).to_have_value("reply-draft")


def test_chosen_days_are_in_the_address_and_carried_to_other_pages(browser: Browser, dashboard: Served) -> None:
    with open_in_browser(browser, dashboard, "/regret?task=ticket-intent&window=dates") as page:
        expect(page.get_by_text("What was sampled").first).to_be_visible(timeout=30_000)
        wait_until_run(page)
        page.wait_for_url("**from=*")
        chosen = {key: value for key, value in parse_qs(urlsplit(page.url).query).items() if key in ("from", "to")}
        assert set(chosen) == {"from", "to"}
        page.get_by_role("link", name="Shift", exact=True).click()
        expect(page.get_by_text("Largest shifts").first).to_be_visible(timeout=30_000)
        page.wait_for_url("**to=*")
        kept = parse_qs(urlsplit(page.url).query)
        assert {key: kept[key] for key in chosen} == chosen


def test_an_open_incident_leads_to_the_regret_of_its_task(browser: Browser, dashboard: Served) -> None:
    with open_in_browser(browser, dashboard) as page:
        expect(page.get_by_text("regret rose from 8.1% to 14.0%")).to_be_visible(timeout=30_000)
        expect(page.get_by_text("monitor last ran").or_(page.get_by_text("monitor has not reported"))).to_be_visible()
        page.get_by_role("link", name="View regret").first.click()
        expect(page.get_by_text("By source")).to_be_visible(timeout=30_000)
        assert parse_qs(urlsplit(page.url).query)["task"] == ["ticket-intent"]


def test_a_number_has_a_popover_on_how_it_is_computed(browser: Browser, dashboard: Served) -> None:
    with open_in_browser(browser, dashboard, "/regret?task=ticket-intent") as page:
        expect(page.get_by_text("What was sampled").first).to_be_visible(timeout=30_000)
        wait_until_run(page)
        page.get_by_role("button", name="How this is computed").first.click()
        expect(page.get_by_text("Not included:").first).to_be_visible()
        expect(page.get_by_text("Disagreement. Where two replies differ")).to_be_visible()


def test_the_worst_crossing_is_confirmed_on_the_other_half(browser: Browser, dashboard: Served) -> None:
    with open_in_browser(
        browser, dashboard, "/segments?task=invoice-fields&window=28+d&crossings=true&measure=regret"
    ) as page:
        expect(page.get_by_text("found on one half, confirmed on the other")).to_be_visible(timeout=30_000)
        wait_until_run(page)
        expect(page.get_by_text("supplier = globex").first).to_be_visible()
        expect(page.get_by_role("link", name="View its pairs")).to_be_visible()


def test_a_selected_row_shows_both_replies_and_is_in_the_address_until_deselected(
    browser: Browser, dashboard: Served
) -> None:
    with open_in_browser(browser, dashboard, "/exchanges?task=invoice-fields&window=28+d") as page:
        grid = page.get_by_test_id("stDataFrame")
        expect(grid).to_be_visible(timeout=30_000)
        wait_until_run(page)
        grid.click(position={"x": 16, "y": 52})
        expect(page.locator(".shadow-reply mark").first).to_be_visible(timeout=30_000)
        assert parse_qs(urlsplit(page.url).query)["exchange"][0].startswith("exchange-")
        grid.click(position={"x": 16, "y": 52})
        expect(page.get_by_text("Select a row to read both replies.")).to_be_visible(timeout=30_000)
        wait_until_run(page)
        assert "exchange" not in parse_qs(urlsplit(page.url).query)


def test_the_server_connects_to_the_database_alone(browser: Browser, dashboard: Served) -> None:
    with open_in_browser(browser, dashboard) as page:
        expect(page.get_by_text("Where every exchange went")).to_be_visible(timeout=30_000)
        wait_until_run(page)
        peers = {c.raddr.ip for c in psutil.Process(dashboard.pid).net_connections(kind="inet") if c.raddr}
    assert peers <= {"127.0.0.1", "::1"}
