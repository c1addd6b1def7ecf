"""Marked replies: what differs is marked, and model text stays inert in a page."""

import html
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.ui import diff
from dashboard.ui.diff import Segment
from shadow.records import Reply, ToolCall
from tests.browser.world import HOSTILE

texts = st.text(max_size=80)


class Tags(HTMLParser):
    """What a browser would see: the tags with their attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(
    "text", [HOSTILE, "<img src=http://x>", "![x](http://x)", "<script>alert(1)</script>", "&lt;b&gt;"]
)
def test_hostile_text_stays_text(text: str) -> None:
    left, right = diff.segments(text, f"{text} more")
    for pieces, expected in ((left, text), (right, f"{text} more")):
        seen = Tags(diff.marked(pieces))
        assert {tag for tag, _ in seen.tags} <= {"pre", "span", "mark"}
        assert [attrs for tag, attrs in seen.tags if tag != "pre"] == [[]] * (len(seen.tags) - 1)
        assert seen.text == diff.visible(expected)


@given(texts, texts)
def test_marked_text_contains_every_character_and_no_tag_from_the_replies(left: str, right: str) -> None:
    for pieces, whole in zip(diff.segments(left, right), (left, right), strict=True):
        assert "".join(piece.text for piece in pieces) == whole
        body = diff.marked(pieces).removeprefix('<pre class="shadow-reply">').removesuffix("</pre>")
        bare = body.replace("<span>", "").replace("</span>", "").replace("<mark>", "").replace("</mark>", "")
        assert "<" not in bare
        assert html.unescape(bare) == diff.visible(whole)


@given(texts)
def test_equal_replies_have_nothing_marked(text: str) -> None:
    left, right = diff.segments(text, text)
    assert not any(piece.differs for piece in (*left, *right))


def test_only_the_words_that_differ_are_marked() -> None:
    left, right = diff.segments("arrives on Thursday by mail", "arrives on Friday by mail")
    assert [piece.text for piece in left if piece.differs] == ["Thursday"]
    assert [piece.text for piece in right if piece.differs] == ["Friday"]


def test_nothing_is_marked_where_the_other_reply_is_empty() -> None:
    left, right = diff.segments("all of this", "")
    assert not any(piece.differs for piece in (*left, *right))


def test_very_long_replies_are_compared_by_line() -> None:
    lines = [f"line {number} of many words that repeat" for number in range(400)]
    left, right = diff.segments("\n".join(lines), "\n".join([*lines[:200], "another", *lines[200:]]))
    assert [piece for piece in right if piece.differs] == [Segment(text="another\n", differs=True)]
    assert not any(piece.differs for piece in left)


def test_the_order_of_json_keys_is_no_difference() -> None:
    one, other = Reply(model="a", content='{"x": 1, "y": [2]}'), Reply(model="b", content='{"y":[2],"x":1}')
    assert diff.reply_text(one) == diff.reply_text(other)


def test_refusals_and_tool_calls_are_part_of_the_reply_text() -> None:
    reply = Reply(model="a", refusal="I will not.", tool_calls=(ToolCall(name="find", arguments='{"q": "x"}'),))
    assert diff.reply_text(reply) == '[refusal] I will not.\n[tool call] find({\n  "q": "x"\n})'


def test_characters_that_reverse_or_hide_text_are_shown_as_code_points() -> None:
    assert diff.visible("a\u202eb\x00\ud800 \U0001f468\u200d\U0001f469 \n\t") == (
        "a⟨U+202E⟩b⟨U+0000⟩⟨U+D800⟩ \U0001f468\u200d\U0001f469 \n\t"
    )


def test_a_very_long_reply_is_cut_for_the_page() -> None:
    assert len(diff.reply_text(Reply(model="a", content="x" * 1_000_000))) < diff.MAX_CHARACTERS + 100
