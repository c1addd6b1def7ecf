"""Every page in a real browser: whole, quiet, readable, and deaf to what models write."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, expect

from tests.browser import seed
from tests.browser.conftest import Served

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

#: Page -> words that stand on it when it shows data.
PAGES = {
    "Overview": "Where every exchange went",
    "Segments": "Worst first",
    "Regret": "What was sampled",
    "Over time": "Hour and weekday",
    "Shift": "What moved most",
    "Exchanges": "Select a row to read both replies.",
}

#: The newest exchange of `world`: full of markup, in every place where text can stand.
HOSTILE = f"exchange-{seed.COUNT:06d}"

SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")


@dataclass
class Watch:
    """What a page did that it should not have done."""

    base: str
    outbound: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def over(self, page: Page) -> None:
        page.on("request", lambda request: self._request(request.url))
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("dialog", self._dialog)
        page.on("websocket", lambda socket: self._request(socket.url.replace("ws:", "http:", 1)))

    def _request(self, url: str) -> None:
        if not url.startswith((self.base, "data:", f"blob:{self.base}")):
            self.outbound.append(url)

    def _dialog(self, dialog: Dialog) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _console(self, message: ConsoleMessage) -> None:
        # Opened at a page's own address, Streamlit first looks for its server below that address.
        looking = "/_stcore/" in message.location.get("url", "")
        if message.type == "error" and not looking:
            self.faults.append(message.text)


@contextmanager
def opened(browser: Browser, served: Served, path: str = "/", **context: Any) -> Iterator[Page]:
    """A page at `path`; afterwards it must have asked nobody else, and have had no fault."""
    # Far from UTC, so that a time in the reader's own zone would show.
    session = browser.new_context(timezone_id="America/New_York", **context)
    watch, page = Watch(served.url), session.new_page()
    watch.over(page)
    page.goto(served.url + path)
    try:
        yield page
    finally:
        session.close()
    assert watch.outbound == []
    assert watch.faults == []


def settle(page: Page) -> None:
    """Wait until the page has run, and make sure that it ran well."""
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0, timeout=30_000)
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=30_000)
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_every_page_is_whole_on_every_screen(browser: Browser, dashboard: Served) -> None:
    with opened(browser, dashboard, "/?task=ticket-intent") as page:
        for name, words in PAGES.items():
            page.get_by_role("link", name=name).click()
            expect(page.get_by_text(words).first).to_be_visible(timeout=30_000)
            settle(page)
            expect(page.get_by_text("simulated").first).to_be_visible()
            expect(page.get_by_text("Deploy")).to_have_count(0)
            for width, scheme in product((1440, 800), SCHEMES):
                look(page, name, width, scheme)


def look(page: Page, name: str, width: int, scheme: Literal["light", "dark"]) -> None:
    """The page as this screen shows it: its own colours, and nothing that stands over the edge."""
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    expect(page.get_by_test_id("stApp")).to_have_css("color-scheme", scheme)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width, f"{name} is {wide} px wide on a screen of {width}"
    if folder := os.environ.get("SHADOW_SCREENSHOTS"):  # for people to look at
        page.wait_for_timeout(1_500)  # the pictures are drawn after the page has settled
        height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
        page.set_viewport_size({"width": width, "height": max(900, height)})
        page.wait_for_timeout(500)
        page.screenshot(path=Path(folder) / f"{name.lower().replace(' ', '-')}-{width}-{scheme}.png")


def test_what_models_and_callers_write_is_shown_and_does_nothing(browser: Browser, dashboard: Served) -> None:
    with opened(browser, dashboard, f"/exchanges?task=ticket-intent&exchange={HOSTILE}") as page:
        marked = page.locator(".shadow-reply")
        expect(marked).to_have_count(2, timeout=30_000)
        settle(page)
        expect(marked.first).to_contain_text('<img src="http://attacker.example/a.png" onerror="alert(1)">')
        harmless(page)
        page.get_by_text("What the scorer noted").click()
        page.get_by_text("as text", exact=True).click()
        expect(marked).to_have_count(0)
        settle(page)
        for name in ("Overview", "Segments", "Regret", "Over time", "Shift"):
            page.get_by_role("link", name=name, exact=True).click()
            expect(page.get_by_text(PAGES[name]).first).to_be_visible(timeout=30_000)
            settle(page)
            harmless(page)
        page.get_by_text("Compare words too").click()
        expect(page.get_by_text("words of the requests").first).to_be_attached(timeout=30_000)
        settle(page)
        harmless(page)


def harmless(page: Page) -> None:
    """Nothing an attacker wrote has become an image, a frame or a link."""
    assert page.locator("main img[src*=attacker], main iframe, a[href*=attacker], a[href^=javascript]").count() == 0


def test_a_link_shows_its_reader_what_its_sender_saw(browser: Browser, dashboard: Served) -> None:
    with opened(browser, dashboard, "/segments?task=reply-draft") as page:
        expect(page.get_by_text("Worst first")).to_be_visible(timeout=30_000)
        page.get_by_text("28 d", exact=True).click()
        settle(page)
        page.wait_for_url("**window=28*")
        link = urlsplit(page.url)
    assert parse_qs(link.query) == {"task": ["reply-draft"], "window": ["28 d"]}
    with opened(browser, dashboard, f"{link.path}?{link.query}") as page:
        expect(page.get_by_text("Worst first")).to_be_visible(timeout=30_000)
        expect(page.get_by_role("radio", name="28 d")).to_be_checked()
        expect(page.get_by_role("combobox", name="Task")).to_have_value("reply-draft")


def test_chosen_days_stand_in_the_address_and_go_along_to_other_pages(browser: Browser, dashboard: Served) -> None:
    with opened(browser, dashboard, "/regret?task=ticket-intent&window=dates") as page:
        expect(page.get_by_text("What was sampled").first).to_be_visible(timeout=30_000)
        settle(page)
        page.wait_for_url("**from=*")
        chosen = {key: value for key, value in parse_qs(urlsplit(page.url).query).items() if key in ("from", "to")}
        assert set(chosen) == {"from", "to"}
        page.get_by_role("link", name="Shift", exact=True).click()
        expect(page.get_by_text("What moved most").first).to_be_visible(timeout=30_000)
        page.wait_for_url("**to=*")
        carried = parse_qs(urlsplit(page.url).query)
        assert {key: carried[key] for key in chosen} == chosen


def test_an_open_incident_leads_to_the_regret_of_its_task(browser: Browser, dashboard: Served) -> None:
    with opened(browser, dashboard) as page:
        expect(page.get_by_text("regret rose from 8.1% to 14.0%")).to_be_visible(timeout=30_000)
        expect(page.get_by_text("monitor last looked").or_(page.get_by_text("monitor has been silent"))).to_be_visible()
        page.get_by_role("link", name="Look").first.click()
        expect(page.get_by_text("Who says so")).to_be_visible(timeout=30_000)
        assert parse_qs(urlsplit(page.url).query)["task"] == ["ticket-intent"]


def test_behind_a_number_stands_how_it_is_computed(browser: Browser, dashboard: Served) -> None:
    with opened(browser, dashboard, "/regret?task=ticket-intent") as page:
        expect(page.get_by_text("What was sampled").first).to_be_visible(timeout=30_000)
        settle(page)
        page.get_by_role("button", name="How this is computed").first.click()
        expect(page.get_by_text("Not in it:").first).to_be_visible()
        expect(page.get_by_text("Disagreement. Where two replies differ")).to_be_visible()


def test_the_worst_crossing_is_confirmed_on_the_half_that_did_not_find_it(browser: Browser, dashboard: Served) -> None:
    with opened(browser, dashboard, "/segments?task=invoice-fields&window=28+d&crossings=true&measure=regret") as page:
        expect(page.get_by_text("found on one half, confirmed on the other")).to_be_visible(timeout=30_000)
        settle(page)
        expect(page.get_by_text("supplier = globex").first).to_be_visible()
        expect(page.get_by_role("link", name="Read its pairs")).to_be_visible()


def test_a_chosen_row_shows_both_replies_and_stands_in_the_address_until_it_is_let_go(
    browser: Browser, dashboard: Served
) -> None:
    with opened(browser, dashboard, "/exchanges?task=invoice-fields&window=28+d") as page:
        grid = page.get_by_test_id("stDataFrame")
        expect(grid).to_be_visible(timeout=30_000)
        settle(page)
        grid.click(position={"x": 16, "y": 52})
        expect(page.locator(".shadow-reply mark").first).to_be_visible(timeout=30_000)
        assert parse_qs(urlsplit(page.url).query)["exchange"][0].startswith("exchange-")
        grid.click(position={"x": 16, "y": 52})
        expect(page.get_by_text("Select a row to read both replies.")).to_be_visible(timeout=30_000)
        settle(page)
        assert "exchange" not in parse_qs(urlsplit(page.url).query)


def test_the_server_talks_to_nobody_but_the_database(browser: Browser, dashboard: Served) -> None:
    with opened(browser, dashboard) as page:
        expect(page.get_by_text("Where every exchange went")).to_be_visible(timeout=30_000)
        settle(page)
        peers = {c.raddr.ip for c in psutil.Process(dashboard.pid).net_connections(kind="inet") if c.raddr}
    assert peers <= {"127.0.0.1", "::1"}
