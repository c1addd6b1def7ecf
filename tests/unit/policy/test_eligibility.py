"""A model is asked only what it could serve, as far as its declared capabilities tell; what is unknown is asked."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.policy.eligibility import ineligible
from shadow.policy.relation import WrittenFor
from shadow.policy.request_needs import least_tokens, needs_of
from shadow.settings import ModelSettings

ADDRESS = "http://localhost:1/v1"
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {}}}


def model(**declared: Any) -> ModelSettings:
    return ModelSettings.model_validate({"base_url": ADDRESS, **declared})


def reason(request: dict[str, Any], *, written_for: WrittenFor = "other_server", **declared: Any) -> str | None:
    found = ineligible(
        request,
        api="responses" if "input" in request else "chat",
        model=model(**declared),
        written_for=written_for,
    )
    return found and found.reason


def chat(*parts: Any, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}], **more}


def responses(*parts: Any, **more: Any) -> dict[str, Any]:
    return {"input": [{"role": "user", "content": list(parts)}], **more}


def test_a_plain_request_is_asked_of_a_model_that_declares_nothing():
    assert reason({"messages": [{"role": "user", "content": "hi"}], "temperature": 0.5, "n": 3}) is None
    assert reason({"input": "hi", "instructions": "be brief", "reasoning": {"effort": "low"}}) is None


PROVIDER_STATE = [
    {"input": "and now?", "previous_response_id": "resp_1"},
    {"input": "and now?", "conversation": {"id": "conv_1"}},
    {"input": "and now?", "conversation": "conv_1"},
    {"prompt": {"id": "pmpt_1"}},
    {"messages": [], "cached_content": "cachedContents/1"},
    {"input": [{"type": "item_reference", "id": "msg_1"}]},
    {"input": [{"type": "compaction", "encrypted_content": "gAAAA"}]},
    responses({"type": "input_file", "file_id": "file-1"}),
    responses({"type": "input_image", "file_id": "file-1"}),
    chat({"type": "file", "file": {"file_id": "file-1"}}),
    chat({"type": "document", "source": {"type": "file", "file_id": "file_1"}}),
    {"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}, {"role": "user", "content": "again"}]},
    chat({"type": "image_url", "image_url": {"url": "gs://bucket/cat.png"}}),
]
BUILTIN_TOOLS = [
    *(
        {"input": "hi", "tools": [tool]}
        for tool in (
            {"type": "web_search"},
            {"type": "web_search_preview"},
            {"type": "file_search", "vector_store_ids": ["vs_1"]},
            {"type": "code_interpreter", "container": {"type": "auto"}},
            {"type": "computer_use_preview", "display_width": 1024},
            {"type": "image_generation"},
            {"type": "mcp", "server_label": "docs", "server_url": "https://mcp.example"},
            {"type": "local_shell"},
        )
    ),
    {"messages": [], "tools": [FUNCTION, {"google_search": {}}]},
    {"input": [{"type": "web_search_call", "id": "ws_1", "status": "completed"}]},
    {"input": [{"type": "mcp_approval_response", "approve": True}]},
    {"input": [{"type": "code_interpreter_call", "container_id": "cntr_1"}]},
    {"messages": [], "data_sources": [{"type": "azure_search"}]},
    {"messages": [], "plugins": [{"id": "web"}]},
]


@pytest.mark.parametrize("request_body", PROVIDER_STATE)
def test_what_refers_to_the_state_of_one_server_is_asked_of_that_server_only(request_body: dict[str, Any]):
    assert reason(request_body) == "provider_state"
    assert reason(request_body, written_for="same_server") is None
    assert reason(request_body, written_for="same_model") is None


@pytest.mark.parametrize("request_body", BUILTIN_TOOLS)
def test_tools_that_a_server_runs_are_asked_of_that_server_only(request_body: dict[str, Any]):
    assert reason(request_body) == "builtin_tool"
    assert reason(request_body, written_for="same_server") is None


def test_tools_and_calls_that_the_application_runs_are_no_builtin_tools():
    calls = [
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": "7"},
        {"type": "custom_tool_call", "call_id": "2", "name": "g", "input": "x"},
        {"type": "custom_tool_call_output", "call_id": "2", "output": "8"},
    ]
    tools = [FUNCTION, {"type": "custom", "name": "g"}, {"function": {"name": "h"}}]
    assert reason({"input": calls, "tools": tools}) is None
    assert reason({"input": calls, "tools": tools}, tools=True) is None


@pytest.mark.parametrize(
    ("part", "modality"),
    [
        ({"type": "image_url", "image_url": {"url": "https://x.example/cat.png"}}, "image"),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}, "image"),
        ({"type": "input_image", "image_url": "https://x.example/cat.png"}, "image"),
        ({"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}, "audio"),
        ({"type": "video_url", "video_url": {"url": "https://x.example/cat.mp4"}}, "video"),
        ({"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0="}}, "file"),
        ({"type": "input_file", "file_url": "https://x.example/a.pdf"}, "file"),
    ],
)
@pytest.mark.parametrize("wrap", [chat, responses])
def test_a_modality_that_the_model_does_not_declare_is_not_asked(wrap: Any, part: dict[str, Any], modality: str):
    request = wrap({"type": "text", "text": "what is it?"}, part)
    assert reason(request) is None
    assert reason(request, modalities=["text"]) == f"{modality}_input"
    assert reason(request, modalities=["text", modality]) is None


def test_an_image_in_the_result_of_a_tool_is_an_image():
    output = [{"type": "input_image", "image_url": "https://x.example/screen.png"}]
    request = {"input": [{"type": "function_call_output", "call_id": "1", "output": output}]}
    assert reason(request, modalities=["text"]) == "image_input"


@pytest.mark.parametrize("written_for", ["same_model", "same_server", "other_server"])
def test_an_image_whose_address_was_redacted_is_asked_of_no_model(written_for: WrittenFor):
    def at(address: str) -> str | None:
        return reason(chat({"type": "image_url", "image_url": {"url": address}}), written_for=written_for)

    assert at("https://images.example/cat.png?X-Amz-Signature=[secret]") == "media_unreachable"
    assert at("https://images.example/[email]/cat.png") == "media_unreachable"
    assert at("https://images.example/cat.png?filter[name]=x") is None


def test_a_spoken_answer_is_asked_of_no_other_model():
    request = {"messages": [], "modalities": ["text", "audio"], "audio": {"voice": "alloy"}}
    assert reason(request) == "audio_output"
    assert reason(request, written_for="same_server") == "audio_output"
    assert reason(request, written_for="same_model") is None
    assert reason({"messages": [], "modalities": ["text"]}) is None


def test_an_api_that_the_endpoint_does_not_declare_is_not_asked():
    assert reason({"input": "hi"}, apis=["chat"]) == "api_unsupported"
    assert reason({"input": "hi"}, apis=["chat", "responses"]) is None
    assert reason({"messages": []}, apis=["responses"]) == "api_unsupported"


CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    "request_body",
    [
        {"messages": [], "tools": [FUNCTION]},
        {"messages": [], "functions": [{}]},
        {"messages": [{"role": "assistant", "content": None, "tool_calls": [CALL]}]},
        {"messages": [{"role": "tool", "content": "7", "tool_call_id": "c1"}]},
        {"input": [{"type": "function_call_output", "call_id": "c1", "output": "7"}]},
    ],
)
def test_a_request_with_tools_is_not_asked_of_a_model_without(request_body: dict[str, Any]):
    assert reason(request_body, tools=False) == "tools_unsupported"
    assert reason(request_body, tools=True) is None
    assert reason({"messages": [], "tools": []}, tools=False) is None


@pytest.mark.parametrize(
    "request_body",
    [
        {"messages": [], "logprobs": True},
        {"messages": [], "logprobs": True, "top_logprobs": 3},
        {"input": "hi", "top_logprobs": 3},
        {"input": "hi", "include": ["message.output_text.logprobs"]},
    ],
)
def test_log_probabilities_are_not_asked_of_an_endpoint_without(request_body: dict[str, Any]):
    assert reason(request_body, logprobs=False) == "logprobs_unsupported"
    assert reason(request_body) is None
    assert reason({"messages": [], "logprobs": False}, logprobs=False) is None


def test_a_prompt_that_fills_the_context_is_not_asked():
    request = {"messages": [{"role": "user", "content": "hello"}]}

    def found(prompt_tokens: int | None) -> str | None:
        unserved = ineligible(request, api="chat", model=model(context_tokens=1_000), prompt_tokens=prompt_tokens)
        return unserved and unserved.reason

    assert [found(999), found(1_000), found(None)] == [None, "context_length", None]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("word " * 10_000, 10_000),
        ("x" * 100_000, 12_000),
        ("Der Vertrag über die Lieferung wurde gestern unterzeichnet. " * 1_000, 12_000),
        ("契約は昨日署名されました。" * 1_000, 9_000),
    ],
)
def test_the_length_of_a_prompt_is_estimated_from_below_but_not_far_below(text: str, tokens: int):
    """`tokens` is about what today's vocabularies make of the text."""
    found = least_tokens({"messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]})
    assert tokens / 2 <= found <= 2 * tokens
    long = {"messages": [{"role": "user", "content": text}]}
    assert reason(long, context_tokens=found) == "context_length"
    assert reason(long, context_tokens=found + 1) is None


def test_an_image_or_a_file_is_no_text_of_the_prompt():
    data = "data:image/png;base64," + "A" * 100_000
    request = chat({"type": "image_url", "image_url": {"url": data}}, {"type": "file", "file": {"file_data": data}})
    assert least_tokens(request) < 10


def test_what_was_cut_is_asked_of_no_model_at_all():
    for written_for in ("same_model", "same_server", "other_server"):
        found = ineligible({"messages": []}, api="chat", model=model(), written_for=written_for, prompt_cut=True)
        assert found is not None
        assert found.reason == "prompt_cut"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["type", "content", "file", "audio", "role", "tools", "image_url", "file_id", "output", "url", "function"]
    ), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["messages", "input", "tools", "modalities", "include", "n"]), json_values))
def test_a_request_of_odd_types_is_read_without_an_error(request_body: dict[str, Any]):
    needs_of(request_body)
    assert least_tokens(request_body) >= 0
    reason(request_body, modalities=["text"], tools=False, logprobs=False, context_tokens=5, apis=["chat"])
