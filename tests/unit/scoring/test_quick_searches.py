"""Searches of `label` and `json` that are left out where they cannot find anything change no result."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scoring.scorers import json_text, label

WORDS = (
    "the final ",
    "Label",
    "intent",
    "ANSWER",
    "Reclassify",
    "results",
    "is",
    ":",
    " = ",
    "->",
    "é",
    "\n",
    " ",
    "B",
)


@given(st.lists(st.sampled_from(WORDS), max_size=12).map("".join) | st.text(max_size=20))
def test_no_naming_of_a_label_stands_before_the_place_where_the_search_begins(text):
    every = [found["label"] for found in label._NAMED.finditer(text)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(label, "_LONG", 0)
        assert [found["label"] for found in label._NAMED.finditer(text, label._first_name(text))] == every


def test_words_before_the_name_of_a_label_are_not_searched():
    assert label._first_name(f"{'The customer asks for it. ' * 4}\nIntent: refund") == 105


@given(st.text(max_size=6) | st.text(' \t\ufeff\u00a0{}[]"-+.09aefnrstulNI', max_size=6))
def test_no_json_begins_with_a_character_at_which_it_is_not_tried(text):
    assume(text[:1] not in json_text._MAY_BEGIN and text)
    with pytest.raises(ValueError, match=r"."):
        json_text.decode(text)
