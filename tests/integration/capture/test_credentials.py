"""A key that the endpoint repeats reaches the application, and no record."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from openai import AuthenticationError, AzureOpenAI, OpenAI

from shadow import mirror
from tests.support import scripted, services
from tests.support.capturing import Collected
from tests.support.scripted import ScriptedEndpoint

ASK: dict[str, Any] = {"model": "big", "messages": [{"role": "user", "content": "hi"}]}
KEYS = "4f9d0c77aa1b", "header-0123456789", "perrequest-0123456789", "query-0123456789"

CLIENTS: dict[str, Callable[[str], OpenAI]] = {
    "openai": lambda url: OpenAI(
        base_url=url, api_key=KEYS[0], default_headers={"x-team-token": KEYS[1]}, default_query={"key": KEYS[3]}
    ),
    "azure": lambda url: AzureOpenAI(
        base_url=url,
        api_key=KEYS[0],
        api_version="2026-01-01",
        default_headers={"x-team-token": KEYS[1]},
        default_query={"key": KEYS[3]},
    ),
}


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_key_in_an_error_is_in_no_record(kind: str):
    error = json.dumps({"error": {"message": f"Incorrect API key provided: {' '.join(KEYS)}"}}).encode()
    endpoint = ScriptedEndpoint([scripted.whole(error, status=401)])
    collected = Collected()
    with services.serving(endpoint) as root, CLIENTS[kind](f"{root}/v1") as plain:
        client = mirror(plain, task="intent", publisher=collected)
        with pytest.raises(AuthenticationError, match=KEYS[0]):
            client.chat.completions.create(**ASK, extra_headers={"x-request-secret": KEYS[2]})
    exchange = collected.only()
    assert "Incorrect API key provided" in exchange.reply.failure_detail
    assert not [key for key in KEYS if key in str(exchange)]


def test_a_key_in_an_answer_is_in_no_record():
    endpoint = ScriptedEndpoint([scripted.chat(f"you sent {' '.join(KEYS[:3])}")])
    collected = Collected()
    with services.serving(endpoint) as root, CLIENTS["openai"](f"{root}/v1") as plain:
        client = mirror(plain, task="intent", publisher=collected)
        answer = client.chat.completions.create(**ASK, extra_headers={"x-request-secret": KEYS[2]})
    assert KEYS[0] in answer.choices[0].message.content
    exchange = collected.only()
    assert exchange.reply.content == "you sent [secret] [secret] [secret]"
