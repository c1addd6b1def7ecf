"""Promises of how a request says what it is."""

import pytest

from shadow.aggregates import derived_dimensions
from shadow.policy import identify
from shadow.settings import ModelSettings, Settings, TaskSettings

SETTINGS = Settings(
    models={"big": ModelSettings(base_url="http://localhost/v1")},
    tasks={"intent": TaskSettings(frontier="big", aliases=("intent-alias",), segments=("locale", "plan"))},
)


@pytest.mark.parametrize(
    ("argument", "headers", "body", "task"),
    [
        ("a", {"x-shadow-task": "b"}, {"metadata": {"shadow_task": "c"}, "model": "intent-alias"}, "a"),
        (None, {"x-shadow-task": "b"}, {"metadata": {"shadow_task": "c"}, "model": "intent-alias"}, "b"),
        (None, {}, {"metadata": {"shadow_task": "c"}, "model": "intent-alias"}, "c"),
        (None, {}, {"model": "intent-alias"}, "intent"),
        (None, {}, {"model": "something-else"}, None),
        (None, {}, {"metadata": None, "model": ["strange"]}, None),
    ],
)
def test_the_first_place_that_names_a_task_wins(argument, headers, body, task):
    assert identify.task_of(SETTINGS, body, headers, argument) == task


def test_segments_come_from_metadata_header_and_argument_the_most_explicit_winning():
    found = identify.segment_of(
        SETTINGS,
        "intent",
        {"metadata": {"locale": "de", "plan": "pro", "private": "x"}},
        {"x-shadow-segment": "locale=fr, channel=app"},
        {"channel": "web"},
    )
    assert found == {"locale": "fr", "plan": "pro", "channel": "web"}


def test_only_metadata_the_task_names_becomes_a_segment():
    assert identify.segment_of(SETTINGS, "intent", {"metadata": {"ssn": "1"}}, {}) == {}


def test_a_declared_segment_cannot_overwrite_a_derived_dimension():
    assert identify.segment_of(SETTINGS, "intent", {}, {"x-shadow-segment": "hour=3,has_tools=maybe"}) == {}


def test_an_endless_segment_value_is_bounded_and_so_is_their_number():
    many = {f"d{n}": "v" * 10_000 for n in range(100)}
    found = identify.segment_of(SETTINGS, "intent", {}, {}, many)
    assert len(found) == derived_dimensions.MAX_DIMENSIONS
    assert {len(value) for value in found.values()} == {4_096}


@pytest.mark.parametrize("header", ["", ",", "=", "locale", "locale=", "=de", ",,=,"])
def test_a_broken_segment_header_names_nothing(header):
    assert identify.parse_header(header) == {}


def test_the_unit_is_the_callers_the_headers_or_openais_user():
    assert identify.unit_of({"user": "u3"}, {"x-shadow-unit": "u2"}, "u1") == "u1"
    assert identify.unit_of({"user": "u3"}, {"x-shadow-unit": "u2"}) == "u2"
    assert identify.unit_of({"user": "u3"}, {}) == "u3"
    assert identify.unit_of({"user": 7}, {}) is None


def test_input_length_counts_text_in_messages_parts_and_instructions():
    chat = {"messages": [{"role": "user", "content": [{"type": "text", "text": "abc"}, {"type": "image_url"}]}]}
    responses = {"instructions": "ab", "input": [{"role": "user", "content": "c"}]}
    assert derived_dimensions.input_characters(chat) == derived_dimensions.input_characters(responses) == 3


@pytest.mark.parametrize(
    ("characters", "name"), [(0, "<200"), (199, "<200"), (200, "200-1k"), (20_000, ">20k"), (10**9, ">20k")]
)
def test_lengths_fall_into_named_buckets(characters, name):
    assert derived_dimensions.length_bucket(characters) == name
