"""Pages in Chromium: open them, wait for them, and check what every page must do."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, expect

from tests.browser.conftest import Served

SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")


@dataclass
class PageMonitor:
    """Requests to other servers, and errors, while a page is open."""

    base: str
    outbound: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def attach(self, page: Page) -> None:
        page.on("request", lambda request: self._request(request.url))
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("dialog", self._dialog)
        page.on("websocket", lambda socket: self._request(socket.url.replace("ws:", "http:", 1)))

    def _request(self, url: str) -> None:
        if not url.startswith((self.base, "data:", f"blob:{self.base}")):
            self.outbound.append(url)

    def _dialog(self, dialog: Dialog) -> None:
        self.errors.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _console(self, message: ConsoleMessage) -> None:
        # Opened at a page's own address, Streamlit first looks for its server below that address.
        health_check = "/_stcore/" in message.location.get("url", "")
        if message.type == "error" and not health_check:
            self.errors.append(message.text)


@contextmanager
def open_in_browser(browser: Browser, served: Served, path: str = "/", **context: Any) -> Iterator[Page]:
    """A page at `path`; fails where it sent a request to another server or reported an error."""
    # A zone far from UTC, so that a time in the reader's own zone would be noticed.
    session = browser.new_context(timezone_id="America/New_York", **context)
    monitor, page = PageMonitor(served.url), session.new_page()
    monitor.attach(page)
    page.goto(served.url + path)
    try:
        yield page
    finally:
        session.close()
    assert monitor.outbound == []
    assert monitor.errors == []


def wait_until_run(page: Page) -> None:
    """Wait until the page's script has run, and check that it raised no exception."""
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0, timeout=30_000)
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=30_000)
    expect(page.get_by_test_id("stException")).to_have_count(0)


def assert_layout(page: Page, name: str, width: int, scheme: Literal["light", "dark"]) -> None:
    """The page has the colours of `scheme`, and is not wider than the screen."""
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    expect(page.get_by_test_id("stApp")).to_have_css("color-scheme", scheme)
    page_width = page.evaluate("document.documentElement.scrollWidth")
    assert page_width <= width, f"{name} is {page_width} px wide on a screen of {width}"
    if folder := os.environ.get("SHADOW_SCREENSHOTS"):  # for people to look at
        page.wait_for_timeout(1_500)  # charts are drawn after the script has run
        height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
        page.set_viewport_size({"width": width, "height": max(900, height)})
        page.wait_for_timeout(500)
        page.screenshot(path=Path(folder) / f"{name.lower().replace(' ', '-')}-{width}-{scheme}.png")


def assert_inert(page: Page) -> None:
    """No text of the attacker has become an image, a frame or a link."""
    assert page.locator("main img[src*=attacker], main iframe, a[href*=attacker], a[href^=javascript]").count() == 0
