"""Promises of keeping a model's reasoning apart from its answer, wherever the server puts it."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.openai_api import reasoning_blocks, replies
from shadow.openai_api.stream_reader import read_stream
from shadow.records import Reply, Usage

HARMONY = "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>refund"


@pytest.mark.parametrize(
    "text",
    [
        "<think>hm</think>refund",
        "<think>\nhm\n</think>\n\nrefund",
        "\n <think>hm</think> refund",
        "\ufeff<THINK>hm</Think>refund",
        '<think time="3">hm</think>refund',
        "<think >hm</ think>refund",
        "<thinking>hm</thinking>refund",
        "<thought>hm</thought>refund",
        "<reasoning>hm</reasoning>\nrefund",
        "<antThinking>hm</antThinking>refund",
        "<seed:think>hm</seed:think>refund",
        "<mm:think>hm</mm:think>refund",
        "<thinking>hm</think>refund",
        "[THINK]hm[/THINK]refund",
        "◁think▷hm◁/think▷refund",
        "<|begin_of_thought|>hm<|end_of_thought|>\n\n<|begin_of_solution|>refund<|end_of_solution|>",
        "<|START_THINKING|>hm<|END_THINKING|><|START_RESPONSE|>refund<|END_RESPONSE|>",
        "<|inner_prefix|>hm<|inner_suffix|>refund",
        "<|open|>think<|sep|>hm<|close|>think<|sep|><|open|>response<|sep|>refund<|close|>response<|sep|><|end_of_msg|>",
        "<|channel>thought\nhm<channel|>refund",
        HARMONY,
        HARMONY + "<|return|>",
        "<|start|>assistant" + HARMONY,
        HARMONY.removeprefix("<|channel|>analysis<|message|>"),
        "<|channel|>analysis<|message|>hm<|channel|>final <|constrain|>text<|message|>refund<|end|>",
        '<details type="reasoning" done="true" duration="3">hm</details>\nrefund',
        "analysishmassistantfinalrefund",
        "Here is my thought process: hm Here is my response: refund",
        "Here's my thought process:\nhm\nHere's my response:\nrefund",
        "Here are my reasoning steps:\nhm\n[BEGIN FINAL RESPONSE]\nrefund\n[END FINAL RESPONSE]",
    ],
)
def test_reasoning_at_the_beginning_is_taken_out_of_the_answer_in_each_models_markup(text: str):
    assert reasoning_blocks.split(text) == ("hm", "refund")


@pytest.mark.parametrize(
    "text",
    [
        "hm\n</think>\n\nrefund",
        "hm</think>refund",
        "hm.</think> refund",
        "hm. </think> refund",
        "hm </think> refund",
        "hm[/THINK]refund",
    ],
)
def test_what_precedes_a_closing_tag_alone_is_reasoning_because_the_prompt_held_the_opening_one(text: str):
    assert reasoning_blocks.split(text)[1] == "refund"
    assert (reasoning_blocks.split(text)[0] or "").rstrip(".") == "hm"


@pytest.mark.parametrize(
    "text", ["<think></think>refund", "<think>\n\n</think>\n\nrefund", "</think>refund", "<think/>refund"]
)
def test_an_empty_block_leaves_the_answer_alone_and_no_reasoning(text: str):
    assert reasoning_blocks.split(text) == (None, "refund")


@pytest.mark.parametrize("text", ["<think>hm", "<think>hm <think> hm", "[THINK]hm", "<|channel|>analysis<|message|>hm"])
def test_a_block_that_is_not_closed_is_reasoning_to_the_end(text: str):
    reasoning, answer = reasoning_blocks.split(text)
    assert (reasoning or "").startswith("hm")
    assert answer == ""


@pytest.mark.parametrize(
    "text",
    [
        "<think>a<think>b</think>c</think>refund",
        "<think>a</think>\n<think>b</think>refund",
        "<think>say <think> here\n</think>\nrefund",
        "<think>the tag `</think>` ends it\n</think>\nrefund",
        "<thinking><reasoning>a</reasoning>b</thinking>refund",
        "<think><think>a</think></think>refund",
    ],
)
def test_nested_and_repeated_blocks_are_all_reasoning(text: str):
    assert reasoning_blocks.split(text)[1] == "refund"


@pytest.mark.parametrize(
    "text",
    [
        "Write <think>like this</think> before the answer.",
        "```xml\n<think>a</think>\n```",
        "```\nhm\n</think>\n```\nis the template.",
        "Close it with `</think>`, then answer.",
        'The tag "</think>" closes the block.',
        "Use the </think> tag to close the block.",
        "Die Antwort beginnt nach dem </think> und ist kurz.",
        "Every block ends in </think> tags, always.",
        "Begin with <think> and end with </think>, then answer.",
        "Wrap it in <think> and </think>.",
        '{"template": "hm</think>answer"}',
        "refund <think>or exchange?</think>",
        "<b>refund</b>",
        "<thinker>a</thinker>",
        "<details><summary>Refund</summary>yes</details>",
        "Messages look like <|channel|>final<|message|>this.",
        "Here is my thought process: refund",
        "analysis of the parcel: lost",
        "[1, 2]",
        "a < b",
        "",
    ],
)
def test_a_tag_that_is_part_of_the_answer_stays_there(text: str):
    reasoning, answer = reasoning_blocks.split(text)
    assert reasoning is None
    assert answer is text


def test_the_indentation_of_an_answer_in_code_is_kept():
    assert reasoning_blocks.split("<think>hm</think>\n\n    return 1\n") == ("hm", "    return 1\n")


def test_a_call_to_a_tool_in_the_text_of_gpt_oss_stays_in_the_answer():
    call = "<|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|>"
    assert reasoning_blocks.split(f"<|channel|>analysis<|message|>hm<|end|>{call}") == ("hm", call)


PIECES = [
    "<think>",
    "</think>",
    "<think/>",
    "[THINK]",
    "[/THINK]",
    "hm",
    "refund",
    " ",
    "\n",
    "`",
    "```",
    '"',
    "{",
    "}",
    HARMONY,
]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_splitting_an_answer_again_changes_nothing(text: str):
    _, answer = reasoning_blocks.split(text)
    assert reasoning_blocks.split(answer) == (None, answer)


@given(st.text(max_size=200).filter(lambda text: not set("<[◁") & set(text)))
def test_a_text_without_tags_is_the_answer_as_it_is(text: str):
    if not text.strip().startswith(("analysis", "Here")):
        assert reasoning_blocks.split(text) == (None, text)


@pytest.mark.parametrize(
    "piece",
    [
        "<think></think>", "`</think>` ", "<think>", "x</think>", " </think> ", '["</think>', "<think ", "</a>",
        "<|channel|>analysis<|message|>x<|end|>", "<|START_RESPONSE|>", "analysis", "\ufeff ",
        "Here is my thought process:", "<think>x</think>y<think>", "\n", "<|channel|>final<|message|>",
    ],
)  # fmt: skip
def test_no_text_takes_long_to_split(piece: str):
    text = piece * (1_000_000 // len(piece)) + "</think>"
    started = time.process_time()
    reasoning_blocks.split(text)
    assert time.process_time() - started < 5


SIGNED, HIDDEN = {"signature": "c2ln"}, {"data": "gAAAA"}
FIELDS: list[dict[str, Any]] = [
    {"reasoning_content": "hm"},
    {"reasoning": "hm"},
    {"reasoning_text": "hm", "reasoning_opaque": "gAAAA"},
    {"reasoning": "hm", "reasoning_content": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
    {"reasoning": None, "reasoning_details": [{"type": "reasoning.summary", "summary": "hm"}]},
    {"reasoning_details": [{"type": "reasoning.text", "text": "hm"}, {"type": "reasoning.encrypted", **HIDDEN}]},
    {"thinking_blocks": [{"type": "thinking", "thinking": "hm", **SIGNED}, {"type": "redacted_thinking", **HIDDEN}]},
    {"thinking": "hm"},
]  # fmt: skip
PARTS: list[list[Any]] = [
    [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}, {"type": "text", "text": "m"}]}],
    [{"type": "thinking", "thinking": "hm", **SIGNED}, {"type": "redacted_thinking", **HIDDEN}],
    [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm", "signature": "c2ln"}]}],
    [{"type": "reasoning", "text": "hm"}],
]
MESSAGES = [
    *({"content": "refund", **fields} for fields in FIELDS),
    *({"content": [*parts, {"type": "text", "text": "refund"}]} for parts in PARTS),
    {"content": "<think>hm</think>refund"},
    {"content": "<think>hm</think>refund", "reasoning_content": "hm"},
]


def chat(message: dict[str, Any], finish: str | None = "stop", **more: Any) -> dict[str, Any]:
    return {"model": "m", "choices": [{"index": 0, "message": message, "finish_reason": finish}], **more}


def stream(*events: dict[str, Any], api: Any = "chat", done: bool = True) -> Reply:
    lines = [b"data: %s\n\n" % json.dumps(event).encode() for event in events]
    body = b"".join(lines) + (b"data: [DONE]\n\n" if done else b"")
    reply, _ = read_stream(api, [(body[i : i + 1], 1.0) for i in range(len(body))], started=1.0)
    return reply


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"model": "m", "choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


@pytest.mark.parametrize("message", MESSAGES)
def test_reasoning_beside_the_answer_is_kept_apart_and_nothing_encrypted_is_kept(message: dict[str, Any]):
    reply = replies.read("chat", chat(message))
    assert (reply.reasoning, reply.content, reply.failure) == ("hm", "refund", None)
    assert "gAAAA" not in repr(reply)
    assert "c2ln" not in repr(reply)


@pytest.mark.parametrize("message", MESSAGES)
def test_streamed_reasoning_reads_like_a_whole_one(message: dict[str, Any]):
    content = message["content"]
    thought = {name: value for name, value in message.items() if name != "content"}
    pieces = [delta(content=piece) for piece in (content if isinstance(content, str) else ([part] for part in content))]
    assert stream(delta(content="", **thought), *pieces, delta("stop")).reasoning == "hm"
    reply = stream(delta(role="assistant", **thought), *pieces, delta("stop"))
    assert (reply.reasoning, reply.content, reply.failure) == ("hm", "refund", None)


def test_the_pieces_of_streamed_reasoning_are_put_together_as_they_are():
    pieces = [delta(reasoning_content=piece) for piece in ("The user", " wants\n", "\n money")]
    reply = stream(*pieces, delta(content="refund"), delta("stop"))
    assert (reply.reasoning, reply.content) == ("The user wants\n\n money", "refund")


@pytest.mark.parametrize(
    "message", [{"content": "<think>hm"}, {"content": None, "reasoning": "hm"}, {"content": "\n\n", "reasoning": "hm"}]
)
@pytest.mark.parametrize(("finish", "failure"), [("stop", "empty"), ("length", "truncated")])
def test_reasoning_alone_is_no_answer(message: dict[str, Any], finish: str, failure: str):
    for reply in (replies.read("chat", chat(message, finish)), stream(delta(**message), delta(finish))):
        assert (reply.reasoning, reply.failure) == ("hm", failure)
        assert not (reply.content or "").strip()


def test_a_stream_that_breaks_off_in_its_reasoning_is_interrupted_and_keeps_it():
    for event in (delta(content="<think>hm"), delta(reasoning="hm")):
        reply = stream(event, done=False)
        assert (reply.reasoning, reply.content, reply.failure) == ("hm", None, "interrupted")


def test_a_reply_that_calls_a_tool_after_its_reasoning_is_an_answer():
    call = {"function": {"name": "f", "arguments": "{}"}}
    reply = replies.read("chat", chat({"content": "<think>hm</think>\n\n", "tool_calls": [call]}, "tool_calls"))
    assert (reply.reasoning, reply.content, reply.failure) == ("hm", None, None)


HELLO = [delta(content=piece) for piece in ("<thi", "nk>", "hm", "</think>", "\n\n", "refund")]
CALL = delta(tool_calls=[{"index": 0, "function": {"name": "f", "arguments": "{}"}}])


@pytest.mark.parametrize(
    ("events", "seconds"),
    [
        ([delta(reasoning="hm"), delta(content="refund"), delta(content=" me")], 1),
        ([delta(content="refund"), delta(content=" me")], 0),
        (HELLO, 5),
        ([*HELLO[2:], delta(content=" me")], 3),
        ([*HELLO[:5], CALL], 5),
        (HELLO[:5], None),
        ([delta(reasoning="hm")], None),
    ],
)
def test_the_time_to_the_first_token_is_that_of_the_answer_and_reasoning_is_a_part_of_the_wait(
    events: list[dict[str, Any]], seconds: int | None
):
    pieces = [
        (b"data: %s\n\n" % json.dumps(event).encode(), float(at)) for at, event in enumerate([*events, delta("stop")])
    ]
    reply, _ = read_stream("chat", pieces, started=0.0)
    assert reply.ttft_ms == (None if seconds is None else seconds * 1_000)


ITEMS: list[dict[str, Any]] = [
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "gAAAA"},
    {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
    {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "hm"}], "summary": [{"text": "shorter"}]},
]
ANSWER = {"type": "message", "content": [{"type": "output_text", "text": "refund"}]}


def response(*output: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"model": "m", "status": "completed", "output": list(output), **more}


@pytest.mark.parametrize("item", ITEMS)
def test_reasoning_items_of_a_response_are_kept_apart(item: dict[str, Any]):
    reply = replies.read("responses", response(item, ANSWER))
    assert (reply.reasoning, reply.content, reply.failure) == ("hm", "refund", None)
    assert "gAAAA" not in repr(reply)
    assert replies.read("responses", response(item)).failure == "empty"
    done = {"type": "response.output_item.done", "output_index": 0, "item": item}
    text = {"type": "response.output_text.delta", "output_index": 1, "delta": "refund"}
    for end in (response(item, ANSWER), response()):
        streamed = stream(done, text, {"type": "response.completed", "response": end}, api="responses", done=False)
        assert (streamed.reasoning, streamed.content) == ("hm", "refund")


def test_encrypted_reasoning_alone_leaves_none():
    hidden = {"type": "reasoning", "summary": [], "encrypted_content": "gAAAA"}
    reply = replies.read("responses", response(hidden, ANSWER))
    assert (reply.reasoning, reply.content) == (None, "refund")


@pytest.mark.parametrize("kind", ["reasoning_text", "reasoning_summary_text"])
def test_the_reasoning_that_a_response_streams_is_kept_where_its_end_lacks_it(kind: str):
    events = [{"type": f"response.{kind}.delta", "output_index": 0, "delta": piece} for piece in ("h", "m")]
    part = {"type": "response.reasoning_summary_part.added"}
    text = {"type": "response.output_text.delta", "output_index": 1, "delta": "refund"}
    for end in (response(), response(ANSWER)):
        reply = stream(
            part, *events, text, {"type": "response.completed", "response": end}, api="responses", done=False
        )
        assert (reply.reasoning, reply.content) == ("hm", "refund")
    reply = stream(*events, text, api="responses", done=False)
    assert (reply.reasoning, reply.content, reply.failure) == ("hm", "refund", "interrupted")


SIXTY = {"completion_tokens_details": {"reasoning_tokens": 60}}


@pytest.mark.parametrize(
    ("completion", "more", "counted"),
    [
        (67, SIXTY, (67, 60)),
        (67, {**SIXTY, "total_tokens": 72}, (67, 60)),
        (7, {**SIXTY, "total_tokens": 72}, (67, 60)),
        (7, {"total_tokens": 72}, (67, 60)),
        (7, {"total_tokens": 12}, (7, None)),
        (7, {"reasoning_tokens": 6}, (7, 6)),
        (7, {"completion_tokens_details": {"reasoning_tokens": 0}}, (7, 0)),
        (7, {"completion_tokens_details": None}, (7, None)),
    ],
)
def test_reasoning_tokens_are_counted_once_and_as_completion_tokens(
    completion: int, more: dict[str, Any], counted: tuple[int, int | None]
):
    reported = {"prompt_tokens": 5, "completion_tokens": completion, **more}
    expected = Usage(prompt_tokens=5, completion_tokens=counted[0], reasoning_tokens=counted[1])
    assert replies.read("chat", chat({"content": "x"}, usage=reported)).usage == expected
    assert stream(delta(content="x"), delta("stop"), {"choices": [], "usage": reported}).usage == expected


def test_reasoning_tokens_of_a_response_are_counted():
    usage = {
        "input_tokens": 5,
        "output_tokens": 67,
        "total_tokens": 72,
        "output_tokens_details": {"reasoning_tokens": 60},
    }
    counted = Usage(prompt_tokens=5, completion_tokens=67, reasoning_tokens=60)
    assert replies.read("responses", response(ANSWER, usage=usage)).usage == counted


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["text", "type", "thinking", "reasoning", "summary", "content"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@given(JSON, st.sampled_from(["reasoning", "reasoning_content", "reasoning_details", "thinking", "content"]))
def test_any_value_at_all_in_place_of_reasoning_is_read_without_raising(value: Any, name: str):
    message = {"content": "x", name: value}
    for reply in (replies.read("chat", chat(message)), stream(delta(**message), delta("stop"))):
        assert reply.reasoning is None or reply.reasoning.strip()
    item = {"type": "reasoning", name: value}
    replies.read("responses", response(item))
    stream(
        {"type": "response.output_item.done", "item": item},
        {"type": "response.reasoning_text.delta", "delta": value},
        api="responses",
    )


def test_deeply_nested_reasoning_is_read_without_raising():
    nested: Any = "hm"
    for _ in range(500):
        nested = [nested]
    assert replies.read("chat", chat({"content": "x", "reasoning": nested})).reasoning is None


def test_no_half_character_and_no_nul_is_kept_in_reasoning():
    reply = replies.read("chat", chat({"content": "x", "reasoning": "a\ud83db\0c"}))
    assert reply.reasoning == "a\ufffdb\ufffdc"
