"""A message never exceeds its limit; what is cut is flagged, and what is small stays whole."""

import random
import string
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow import wire
from shadow.aggregates.derived_dimensions import MAX_VALUE
from shadow.errors import DroppedError
from shadow.openai_api import replies
from shadow.policy import identify
from shadow.publisher import truncate
from shadow.records import MAX_FAILURE_DETAIL, Exchange, Reply, ToolCall
from shadow.redact import Redactor

LIMIT = 5_000


def incompressible(characters):
    """Text that becomes a quarter smaller at most."""
    return "".join(random.Random(characters).choices(string.ascii_letters + string.digits, k=characters))


def exchange(*texts, content="yes", arguments="{}"):
    return Exchange(
        id="1",
        task="t",
        at=datetime.now(UTC),
        request={"messages": [{"role": "user", "content": text} for text in texts]},
        reply=Reply(model="m", content=content, tool_calls=(ToolCall(name="f", arguments=arguments),)),
    )


def sent(message):
    return wire.decode(Exchange, message.value)


def test_what_fits_is_sent_as_it_is():
    whole = exchange("short", "x" * 3_000)
    assert sent(truncate.encode_within(whole, source="s", limit=LIMIT)) == whole


@pytest.mark.parametrize("text", ["What is it? " * 1_000, "Ünïcödé 😀 " * 500, '"\\"' * 1_500])
def test_what_fits_when_it_is_compressed_stays_whole(text):
    whole = exchange("short", text, content=text)
    message = truncate.encode_within(whole, source="s", limit=LIMIT)
    assert len(message.value) <= LIMIT
    assert dict(message.headers)["content-encoding"] == b"gzip"
    assert sent(message) == whole


def test_a_key_at_the_place_where_an_error_or_a_segment_is_cut_is_redacted_whole():
    key = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
    failed = replies.failed("m", "rejected", "x" * (MAX_FAILURE_DETAIL - 20) + f" {key} is wrong" + "x" * 9_000)
    segment = identify.parse_header("note=" + "y" * (MAX_VALUE - 20) + f" {key}")
    call = msgspec.structs.replace(exchange("hi"), reply=failed, segment=segment)
    message = truncate.encode_within(Redactor().exchange(call), source="s", limit=LIMIT)
    assert b"sk-proj" not in message.value
    kept = sent(message)
    assert len(kept.reply.failure_detail) == MAX_FAILURE_DETAIL
    assert len(kept.segment["note"]) <= MAX_VALUE


def test_the_longest_text_gives_way_first():
    cut = sent(truncate.encode_within(exchange("short", "x" * 100_000), source="s", limit=LIMIT))
    assert cut.truncated
    assert cut.request["messages"][0]["content"] == "short"
    assert cut.request["messages"][1]["content"].startswith("xxx")
    assert cut.request["messages"][1]["content"].endswith("characters cut]")
    assert cut.reply.content == "yes"


@pytest.mark.parametrize("thought", ["x", '"', "ü", "\x01"])
def test_reasoning_gives_way_before_anything_that_is_compared_and_is_no_reason_for_the_flag(thought):
    whole = exchange("x" * 1_000, content="y" * 2_000)
    thoughtful = msgspec.structs.replace(
        whole, reply=msgspec.structs.replace(whole.reply, reasoning=thought.join(incompressible(20_000)))
    )
    cut = sent(truncate.encode_within(thoughtful, source="s", limit=LIMIT))
    assert cut.reply.reasoning.endswith("characters cut]")
    assert msgspec.structs.replace(cut, reply=msgspec.structs.replace(cut.reply, reasoning=None)) == whole


@pytest.mark.parametrize(
    ("texts", "content", "cut"),
    [
        ([incompressible(50_000)], "yes", ("request",)),
        (["short"], incompressible(50_000), ("reply",)),
        ([incompressible(50_000)], incompressible(50_000), ("request", "reply")),
    ],
)
def test_the_message_says_which_part_is_not_whole(texts, content, cut):
    assert sent(truncate.encode_within(exchange(*texts, content=content), source="s", limit=LIMIT)).cut == cut


def with_parts(*parts):
    return msgspec.structs.replace(exchange(), request={"messages": [{"role": "user", "content": list(parts)}]})


PICTURE = "data:image/png;base64," + incompressible(8_000)
ADDRESS = "https://images.example/cat.png?size=" + "9" * 900


def test_an_image_gives_way_before_any_text_and_as_a_whole():
    text = {"type": "text", "text": "What is it? " * 200}
    image = {"type": "image_url", "image_url": {"url": PICTURE}}
    found = sent(truncate.encode_within(with_parts(text, image), source="s", limit=LIMIT))
    kept_text, kept_image = found.request["messages"][0]["content"]
    assert kept_text == text
    assert kept_image == {
        "type": "image_url",
        "image_url": {"url": f"[image/png of {len(PICTURE)} characters not kept]"},
    }
    assert (found.truncated, found.cut) == (True, ("request",))


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_image", "image_url": PICTURE},
        {"type": "input_audio", "input_audio": {"data": incompressible(8_000), "format": "wav"}},
        {
            "type": "file",
            "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64," + incompressible(8_000)},
        },
        {"type": "input_file", "filename": "a.pdf", "file_data": incompressible(8_000)},
    ],
)
def test_no_part_of_a_file_in_base64_is_left(part):
    found = sent(truncate.encode_within(with_parts(part), source="s", limit=LIMIT))
    assert "not kept]" in str(found.request)
    assert len(str(found.request)) < 300


def test_only_as_many_images_are_left_out_as_necessary():
    images = [{"type": "input_image", "image_url": PICTURE[:22] + incompressible(1_500 + 100 * n)} for n in range(5)]
    found = sent(truncate.encode_within(with_parts(*images), source="s", limit=LIMIT))
    kept = [part["image_url"].startswith("data:") for part in found.request["messages"][0]["content"]]
    assert kept == [True, True, False, False, False]


def test_an_image_that_is_referred_to_by_its_address_keeps_the_address():
    image = {"type": "image_url", "image_url": {"url": ADDRESS}}
    found = sent(
        truncate.encode_within(
            with_parts(image, {"type": "text", "text": incompressible(9_000)}), source="s", limit=LIMIT
        )
    )
    assert found.request["messages"][0]["content"][0] == image


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=3_000), max_size=8), st.text(max_size=9_000))
def test_no_message_is_larger_than_the_limit(texts, content):
    large = exchange(*texts, content=content, arguments=content)
    large = msgspec.structs.replace(large, reply=msgspec.structs.replace(large.reply, reasoning=content))
    message = truncate.encode_within(large, source="s", limit=LIMIT)
    assert len(message.value) <= LIMIT


@pytest.mark.parametrize("text", ['"' * 20_000, "\x01" * 20_000, "ü" * 20_000, "😀" * 20_000])
def test_text_that_grows_in_json_is_cut_enough(text):
    assert len(truncate.encode_within(exchange(text), source="s", limit=LIMIT).value) <= LIMIT


def test_what_no_cut_can_save_is_dropped_as_too_large():
    crowd = exchange(*("x" * 100 for _ in range(500)))
    with pytest.raises(DroppedError) as outcome:
        truncate.encode_within(crowd, source="s", limit=LIMIT)
    assert outcome.value.reason == "too_large"


def test_a_lone_surrogate_is_dropped_as_unencodable():
    with pytest.raises(DroppedError) as outcome:
        truncate.encode_within(exchange("\ud800"), source="s", limit=LIMIT)
    assert outcome.value.reason == "unencodable"
