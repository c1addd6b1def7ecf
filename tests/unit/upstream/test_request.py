import json

import pytest

from shadow.upstream.request import prepare

REQUEST = {
    "model": "ticket-intent",
    "messages": [{"role": "user", "content": "Grüße 🦊"}],
    "temperature": 0.0,
    "seed": 7,
    "tools": [{"type": "function", "function": {"name": "refund", "parameters": {"type": "object"}}}],
    "tool_choice": "auto",
    "response_format": {"type": "json_object"},
    "max_completion_tokens": 50,
}


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
        "metadata": {"shadow_task": "t", "locale": "de"},
        "n": 3,
    }
    assert prepare({**REQUEST, **private}, model="m") == prepare(REQUEST, model="m")


def test_the_recorded_request_is_left_as_it_was():
    request = {"messages": [], "stream": True, "user": "u"}
    prepare(request, model="m")
    assert request == {"messages": [], "stream": True, "user": "u"}


def test_text_that_json_cannot_carry_is_an_error_of_a_kind_the_endpoint_expects():
    with pytest.raises(ValueError, match="surrogates"):
        prepare({"messages": [{"content": "\ud800"}]}, model="m")
