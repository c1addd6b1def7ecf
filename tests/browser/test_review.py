"""Labelling in a real browser: by keyboard, blinded, undone, and counted at once."""

import re
from collections.abc import Iterator
from itertools import product

import pytest
from playwright.sync_api import Browser, Page, WebSocket, expect

from dashboard.ui import diff
from dashboard.views.review import side_assignment
from shadow.devstack.services.postgres import EmbeddedPostgres
from shadow.records import Reply, candidate_reply, frontier_reply
from shadow.store.feedback import labels as stored_labels
from shadow.store.feedback.labels import Label
from shadow.store.read import pairs as stored_pairs
from shadow.store.read import rollup_reads
from shadow.store.read.pairs import StoredPair
from shadow.store.schema import engine
from tests.browser import review_world, world
from tests.browser.chromium import SCHEMES, assert_inert, assert_layout, open_in_browser, wait_until_run
from tests.browser.conftest import Served, serving
from tests.support import services

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

PAIRS = 12

#: What would reveal which model wrote a reply, or where to look it up.
REVEALING = (world.FRONTIER, world.CANDIDATE, "blind-00", "98761", "98,761", "987654", "987,654", "12349", "12,349")

#: A task for each test, so that their labels do not interfere.
TASKS = ("by-keyboard", "with-notes", "blind", "on-screens")


@pytest.fixture(scope="module")
def url(postgres_server: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    with services.fresh_database(postgres_server, template=migrated_template) as url:
        for task in TASKS:
            review_world.fill(url, task=task, count=PAIRS)
        yield url


@pytest.fixture(scope="module")
def served(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    file = tmp_path_factory.mktemp("review") / "shadow.toml"
    file.write_text(world.toml(url), encoding="utf-8")
    with serving(file) as running:
        yield running


def labels_in(url: str, task: str) -> list[Label]:
    database = engine.connect(url)
    with engine.browsing(database) as connection:
        found = sorted(stored_labels.iterate_labels(connection, task=task), key=lambda label: label.labelled_at)
    database.dispose()
    return found


def pairs_in(url: str, task: str) -> dict[str, StoredPair]:
    """Every pair, by the number of its letter."""
    database = engine.connect(url)
    with engine.browsing(database) as connection:
        found = {str(int(pair.cursor.exchange_id[-4:])): pair for pair in stored_pairs.find(connection, task=task)}
    database.dispose()
    return found


def human_regret(url: str, task: str) -> tuple[int, float]:
    """The number of labelled pairs, and the sum of their regret, as every page reads it."""
    database = engine.connect(url)
    with engine.browsing(database) as connection:
        found = rollup_reads.read(connection, task=task, dimension="all", per="window")
    database.dispose()
    sums = [tally.regret for cell, tally in found.items() if cell.source == "human"]
    return sum(each.n for each in sums), sum(each.total for each in sums) / 1_000_000


def card(page: Page) -> tuple[str, str, str]:
    """The number of the letter on the card, and the replies on its left and right."""
    request, left, right = page.locator(".st-key-review-card .shadow-reply:visible").all_inner_texts()
    number = re.search(r"Letter (\d+)", request)
    assert number
    return number[1], left, right


def shown(reply: Reply) -> str:
    return diff.visible(diff.reply_text(reply))


#: The button of the current pair. While a script runs, Streamlit keeps elements that it will remove,
#: and marks them as stale.
LEFT = '[data-stale="false"][class*="st-key-review-left-"]'


def turn(page: Page) -> str:
    return page.locator(LEFT).get_attribute("class", timeout=30_000) or ""


def press(page: Page, key: str) -> None:
    """Press a key, and wait for the next pair."""
    before = turn(page)
    page.keyboard.press(key)
    page.wait_for_function(
        """([left, before]) => {
            const button = document.querySelector(left);
            return button && button.className !== before && !document.querySelector('[data-stale="true"]');
        }""",
        arg=[LEFT, before],
        timeout=30_000,
    )
    wait_until_run(page)


def begin(page: Page, reviewer: str) -> None:
    """Enter the reviewer's name, and wait for the first pair."""
    page.get_by_label("Your name").fill(reviewer, timeout=30_000)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Left is better")).to_be_visible(timeout=30_000)
    wait_until_run(page)


def test_pairs_are_labelled_and_undone_by_keyboard_alone_and_regret_changes_at_once(
    browser: Browser, served: Served, url: str
) -> None:
    pairs = pairs_in(url, "by-keyboard")
    with (
        open_in_browser(browser, served, "/regret?task=by-keyboard") as regret,
        open_in_browser(browser, served, "/review?task=by-keyboard") as page,
    ):
        expect(regret.get_by_text("Regret is unknown in this window")).to_be_visible(timeout=30_000)
        begin(page, "Ada")
        assert "Ada" not in page.url
        seen = []
        for key in ("1", "2", "t", "0", "1"):
            seen.append((key, *card(page)))
            press(page, key)
        given = labels_in(url, "by-keyboard")
        assert [label.reviewer for label in given] == ["Ada"] * 5
        for label, (key, number, left, right) in zip(given, seen, strict=True):
            trial = pairs[number].trial
            assert label.exchange_id == trial.exchange.id
            replies = {"frontier": shown(frontier_reply(trial)), "candidate": shown(candidate_reply(trial))}
            preferred = {"1": left, "2": right}.get(key)
            assert replies.get(label.preference) == preferred
        worse = sum(label.preference == "frontier" for label in given)
        assert human_regret(url, "by-keyboard") == (5, worse)
        expect(page.get_by_text("5 of 50 labels today · yours: 5")).to_be_visible()

        press(page, "u")
        assert ("1", *card(page)) == seen[-1]
        assert labels_in(url, "by-keyboard") == given[:-1]
        assert human_regret(url, "by-keyboard") == (4, sum(label.preference == "frontier" for label in given[:-1]))
        expect(page.get_by_text("4 of 50 labels today")).to_be_visible()

        press(page, "s")
        assert card(page)[0] not in [number for _, number, *_ in seen]
        press(page, "u")
        assert ("1", *card(page)) == seen[-1]

        regret.reload()
        expect(regret.get_by_text("According to people")).to_be_visible(timeout=30_000)
        expect(regret.get_by_text("n 4 ").first).to_be_visible()


def test_keys_are_letters_while_a_note_is_written_and_a_held_key_labels_once(
    browser: Browser, served: Served, url: str
) -> None:
    with open_in_browser(browser, served, "/review?task=with-notes") as page:
        begin(page, "Ada")
        page.keyboard.press("n")
        page.keyboard.type("1 2 t s u 0: ask ada@example.com")
        page.keyboard.press("Enter")
        expect(page.get_by_placeholder("write a note")).not_to_be_focused()
        wait_until_run(page)
        assert labels_in(url, "with-notes") == []
        press(page, "2")
        (label,) = labels_in(url, "with-notes")
        assert label.note == "1 2 t s u 0: ask [email]"
        expect(page.get_by_placeholder("write a note")).to_have_value("")
        press(page, "u")
        expect(page.get_by_placeholder("write a note")).to_have_value("1 2 t s u 0: ask [email]")
        before = turn(page)
        for _ in range(4):
            page.keyboard.down("1")  # a held key sends the second and later ones
        page.keyboard.up("1")
        expect(page.get_by_text("1 of 50 labels today")).to_be_visible(timeout=30_000)
        wait_until_run(page)
        assert turn(page) != before
        assert len(labels_in(url, "with-notes")) == 1


def test_the_page_does_not_reveal_which_model_wrote_which_reply(browser: Browser, served: Served, url: str) -> None:
    received: list[str] = []

    def listen(socket: WebSocket) -> None:
        socket.on(
            "framereceived",
            lambda data: received.append(data.decode(errors="replace") if isinstance(data, bytes) else data),
        )

    cards: dict[str, dict[str, tuple[str, str, str]]] = {}
    for reviewer in ("Ada", "Ben"):
        seen = cards.setdefault(reviewer, {})
        # The address of another page names the candidate: it must not stay in this page's address.
        with open_in_browser(browser, served) as page:
            page.on("websocket", listen)
            page.goto(f"{served.url}/review?task=blind&candidate={world.CANDIDATE}")
            begin(page, reviewer)
            for _ in range(PAIRS):
                number, left, right = card(page)
                seen[number] = (left, right, page.locator(".st-key-review-card").inner_html())
                if len(seen) == PAIRS:
                    break
                press(page, "s")
            assert_inert(page)
            if reviewer == "Ben":
                page.keyboard.press("1")
                expect(page.get_by_text(f"Only pairs that you skipped are left: {PAIRS - 1}.")).to_be_visible(
                    timeout=30_000
                )
            html = page.content() + page.url
        for word in REVEALING:
            assert word not in html
    for word in REVEALING:
        assert not any(word in frame for frame in received), word
    pairs = pairs_in(url, "blind")
    swapped = {number for number in pairs if cards["Ada"][number][:2] != cards["Ben"][number][:2]}
    assert 0 < len(swapped) < PAIRS
    for number, pair in pairs.items():
        for reviewer, seen in cards.items():
            left_first = side_assignment.frontier_is_left(pair.key, reviewer)
            left, right = side_assignment.side_texts(pair.trial, frontier_left=left_first)
            assert seen[number][:2] == (diff.visible(left), diff.visible(right))
    # Apart from the two texts, a card is the same whichever model is on the left.
    number = min(swapped - {str(PAIRS - 1)})
    assert len({neutral(*seen[number]) for seen in cards.values()}) == 1


def neutral(left: str, right: str, html: str) -> str:
    """The card without its two texts, and without attributes that differ with every pair."""
    html = html.replace(left, "LEFT").replace(right, "RIGHT")
    return re.sub(
        r'\s(id|for|aria-[a-z]+|name)="[^"]*"|review-[a-z]+-\d+|react-aria[-:\w]*|st-emotion-cache-\w+', "", html
    )


def test_the_page_fits_every_screen(browser: Browser, served: Served) -> None:
    with open_in_browser(browser, served, "/review?task=on-screens") as page:
        begin(page, "Ada")
        expect(page.get_by_text("Pairs chosen for labelling")).to_be_visible(timeout=30_000)
        expect(page.get_by_text("simulated").first).to_be_visible()
        for key in ("Shortcut 1", "Shortcut T", "Shortcut 2", "Shortcut S", "Shortcut U"):
            expect(page.get_by_label(key, exact=True)).to_be_visible()
        page.get_by_text("Mark what differs").click()
        expect(page.locator(".st-key-review-card mark").first).to_be_visible(timeout=30_000)
        press(page, "t")  # the switch does not keep the keyboard focus
        expect(page.locator(".st-key-review-card mark").first).to_be_visible()
        for width, scheme in product((1440, 800), SCHEMES):
            assert_layout(page, "Review", width, scheme)
