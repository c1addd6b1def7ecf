"""Numbers, times and names on the page."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from dashboard.ui import text
from tests.browser.world import HOSTILE

markdown = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])

#: What GitHub's Markdown, and so the page, turns into a link without link syntax.
BARE_LINK = re.compile(r"://|www\.|@[\w-]", re.IGNORECASE)

NAMES = (
    HOSTILE,
    "![x](http://attacker.example/i.png)",
    "www.attacker.example",
    "a@attacker.example",
    *("# h", "- a", "1. a", "| a |", "a_b_c", "`", "<b>"),
)


def tokens(source: str) -> list[Token]:
    return [token for block in markdown.parse(source) for token in (block, *(block.children or ()))]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_never_parsed_as_markdown(name: str) -> None:
    seen = tokens(f"### {text.escape_markdown(name)} end")
    assert {token.type for token in seen} <= {"heading_open", "heading_close", "inline", "text", "text_special"}
    shown = "".join(token.content for token in seen if token.type in ("text", "text_special"))
    assert not BARE_LINK.search(shown)
    assert shown.replace("\u2060", "") == f"{' '.join(name.split())} end"


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=40))
def test_no_ascii_name_makes_a_link_or_an_image(name: str) -> None:
    seen = tokens(text.escape_markdown(name))
    assert not {"image", "link_open", "html_inline", "code_inline"} & {token.type for token in seen}
    assert not any(BARE_LINK.search(token.content) for token in seen if token.type == "text")


def test_a_missing_value_is_a_dash_and_never_zero() -> None:
    functions = (text.percent, text.whole, text.milliseconds, text.dollars, text.timestamp)
    assert {function(None) for function in functions} == {text.MISSING}
    assert text.interval(None, 0.5) == text.ratio(None, 1.0) == text.ratio(1.0, 0.0) == text.MISSING


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "$0"), (0.00012345, "$0.000123"), (0.0021, "$0.0021"), (0.25, "$0.25"), (12.3, "$12.30"), (4567.8, "$4,568")],
)
def test_dollars_keep_three_significant_digits(value: float, shown: str) -> None:
    assert text.dollars(value) == shown


def test_numbers_have_units_and_separators() -> None:
    assert text.percent(0.9214) == "92.1%"
    assert text.interval(0.9, 0.938) == "90.0 to 93.8%"
    assert text.milliseconds(812) == "812 ms"
    assert text.milliseconds(34_000) == "34.0 s"
    assert text.ratio(2.0, 16.0) == "×0.12"
    assert text.whole(12345) == "12,345"


def test_times_are_in_utc_and_say_so() -> None:
    local = datetime(2026, 9, 1, 14, 30, tzinfo=UTC).astimezone()
    assert text.timestamp(local) == "2026-09-01 14:30 UTC"
    assert text.duration(timedelta(seconds=90)) == "90 s"
    assert text.duration(timedelta(hours=5)) == "5 h"
