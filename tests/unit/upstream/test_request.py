import json

import pytest

from shadow.policy.relation import WrittenFor
from shadow.upstream.request import prepare

REQUEST = {
    "model": "ticket-intent",
    "messages": [{"role": "user", "content": "Grüße 🦊"}],
    "temperature": 0.0,
    "seed": 7,
    "tools": [{"type": "function", "function": {"name": "refund", "parameters": {"type": "object"}}}],
    "tool_choice": "auto",
    "response_format": {"type": "json_object"},
    "max_tokens": 50,
}
OTHERS: tuple[WrittenFor, ...] = ("same_server", "other_server")


def test_the_other_model_is_asked_the_very_same_thing():
    sent = json.loads(prepare(REQUEST, model="small-7b"))
    assert sent == {**REQUEST, "model": "small-7b", "stream": False}


def test_parameters_of_delivery_storage_and_user_are_not_forwarded():
    private = {
        "stream": True,
        "stream_options": {"include_usage": True},
        "store": True,
        "user": "anna@example.com",
        "safety_identifier": "anna",
        "prompt_cache_key": "anna",
        "prompt_cache_retention": "24h",
        "include": ["reasoning.encrypted_content"],
        "logprobs": True,
        "top_logprobs": 5,
        "metadata": {"shadow_task": "t", "locale": "de"},
        "n": 3,
    }
    assert prepare({**REQUEST, **private}, model="m") == prepare(REQUEST, model="m")
    again = prepare({**REQUEST, **private}, model="m", written_for="same_model")
    assert again == prepare(REQUEST, model="m", written_for="same_model")


def test_the_recorded_request_is_left_as_it_was():
    request = {"messages": [], "stream": True, "user": "u"}
    prepare(request, model="m")
    assert request == {"messages": [], "stream": True, "user": "u"}


def test_text_that_json_cannot_carry_is_an_error_of_a_kind_the_endpoint_expects():
    with pytest.raises(ValueError, match="surrogates"):
        prepare({"messages": [{"content": "\ud800"}]}, model="m")


OF_ONE_MODEL = {
    "logit_bias": {"191222": -100},
    "service_tier": "flex",
    "prediction": {"type": "content", "content": "4"},
    "web_search_options": {},
    "modalities": ["text", "audio"],
    "audio": {"voice": "alloy", "format": "wav"},
}


@pytest.mark.parametrize("written_for", OTHERS)
def test_parameters_that_only_the_first_model_understands_are_not_sent_to_another(written_for: WrittenFor):
    sent = prepare({**REQUEST, **OF_ONE_MODEL}, model="m", written_for=written_for)
    assert sent == prepare(REQUEST, model="m", written_for=written_for)


def test_the_model_that_the_request_was_written_for_gets_its_own_parameters_again():
    request = {**OF_ONE_MODEL, "messages": [{"role": "developer", "content": "x"}], "max_completion_tokens": 5}
    sent = json.loads(prepare(request, model="big", written_for="same_model"))
    assert sent == {**request, "model": "big", "stream": False}


@pytest.mark.parametrize("name", ["messages", "input"])
def test_a_developer_message_is_a_system_message_on_another_server(name: str):
    messages = [{"role": "developer", "content": "Be brief"}, {"role": "user", "content": "2+2?"}]
    sent = json.loads(prepare({name: messages}, model="m"))
    assert sent[name] == [{"role": "system", "content": "Be brief"}, messages[1]]
    assert messages[0]["role"] == "developer"
    assert json.loads(prepare({name: messages}, model="m", written_for="same_server"))[name] == messages


@pytest.mark.parametrize("given", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize(
    ("base_url", "model", "sent"),
    [
        ("http://localhost:8000/v1", "qwen-7b", "max_tokens"),
        ("https://api.mistral.ai/v1", "ministral-8b", "max_tokens"),
        ("http://localhost:8000/v1", "openai/gpt-oss-20b", "max_tokens"),
        ("https://api.openai.com/v1", "ft:custom", "max_completion_tokens"),
        ("https://eu.api.openai.com/v1", "x", "max_completion_tokens"),
        ("https://us.openai.azure.com/openai/v1", "my-deployment", "max_completion_tokens"),
        ("https://llm.corp.example/v1", "gpt-5-mini", "max_completion_tokens"),
        ("https://openrouter.ai/api/v1", "openai/o4-mini", "max_completion_tokens"),
        ("https://openai.com.example/v1", "m", "max_tokens"),
    ],
)
def test_the_limit_of_the_replys_length_has_the_name_that_the_server_knows(given, base_url, model, sent):
    body = json.loads(prepare({"messages": [], given: 50}, model=model, base_url=base_url))
    assert body == {"messages": [], sent: 50, "model": model, "stream": False}


def test_without_a_limit_none_is_sent():
    body = json.loads(prepare({"messages": [], "max_tokens": None}, model="m"))
    assert body == {"messages": [], "model": "m", "stream": False}


REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}
OPEN_REASONING = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "2+2"}]}


@pytest.mark.parametrize("written_for", OTHERS)
def test_encrypted_reasoning_is_not_sent_to_a_model_that_cannot_read_it(written_for: WrittenFor):
    question = {"role": "user", "content": "and now?"}
    request = {"input": [REASONING, OPEN_REASONING, question]}
    assert json.loads(prepare(request, model="m", written_for=written_for))["input"] == [OPEN_REASONING, question]
    assert json.loads(prepare(request, model="m", written_for="same_model"))["input"] == request["input"]


def test_a_reference_that_is_null_refers_to_nothing():
    sent = json.loads(prepare({"input": "hi", "previous_response_id": None, "conversation": None}, model="m"))
    assert sent == {"input": "hi", "model": "m", "stream": False}


@pytest.mark.parametrize(
    "odd", ["text", 5, None, [None, "text", 5, []], {"a": 1}, [{"content": 5}, {"content": [None]}]]
)
def test_a_request_of_odd_types_is_the_endpoints_to_judge(odd: object):
    request = {"messages": odd, "input": odd, "tools": odd}
    assert json.loads(prepare(request, model="m")) == {**request, "model": "m", "stream": False}
