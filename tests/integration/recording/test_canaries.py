"""Secrets in every place that a request and an answer have: none is in the message that would be published.

They are words that no other text contains. Those of headers and of the query are repeated by the endpoint in its
error; the others stand where real requests hold secrets.
"""

import json
import logging
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import openai
import pytest
from openai import OpenAI

from shadow import mirror, wire
from shadow.publisher import truncate
from shadow.records import Exchange
from shadow.redact import Redactor
from shadow.settings import Settings
from tests.support import gateways, scripted, services
from tests.support.capturing import SETTINGS, Collected
from tests.support.scripted import Answer, ScriptedEndpoint

IBAN, CARD = "DE89 3704 0044 0532 0130 00", "4111111111111111"


@dataclass
class Canaries:
    """Makes secrets, and remembers them as they were written."""

    planted: dict[str, str] = field(default_factory=dict)

    def secret(self, place: str) -> str:
        self.planted[place] = secret = f"cnry{len(self.planted):02}Xq7Lw9Zk"
        return secret

    def encoded(self, text: str, place: str) -> str:
        """`text` in base64, which is a secret then."""
        self.planted[place] = encoded = b64encode(text.encode()).decode()
        return encoded

    def in_message(self, exchange: Exchange, settings: Settings) -> list[str]:
        """The places whose secrets are in the message of `exchange`."""
        message = truncate.encode_within(Redactor.of(settings).exchange(exchange), source="s", limit=1_000_000)
        sent = message.value + b"".join(value for _, value in message.headers) + str(message.key).encode()
        assert exchange.id.encode() in sent
        found = [place for place, secret in self.planted.items() if secret.encode() in sent]
        assert wire.decode(Exchange, message.value).id == exchange.id
        return found


def request(canaries: Canaries) -> dict[str, Any]:
    """A request with a secret in every place that its body has."""
    secret = canaries.secret
    canaries.planted |= {"iban": IBAN, "card as a number": CARD}
    note = f"password: {secret('data URL')}, and some words that make this a longer text"
    nested = {"login": json.dumps({"auth": json.dumps({"password": [secret("JSON in JSON in JSON")], "n": 1})})}
    sentence = f"the password is {secret('base64')}, please"
    parts = [
        {"type": "text", "text": f"The password is {secret('sentence')} and my IBAN {IBAN}. My API key is:"},
        {"type": "text", "text": secret("value in the next part")},
        {"type": "image_url", "image_url": {"url": f"https://a.example/i.png?se=1&sig={secret('image address')}"}},
        {"type": "image_url", "image_url": {"url": f"https://bob:{secret('login in an address')}@a.example/i.png"}},
        {"type": "file", "file": {"file_data": f"data:text/plain;base64,{canaries.encoded(note, 'data address')}"}},
        {"type": "text", "text": canaries.encoded(sentence, "base64 of a sentence")},
    ]
    call = {
        "id": "c1",
        "type": "function",
        "function": {
            "name": "send",
            "arguments": json.dumps({"headers": {"X-Auth": secret("tool argument")}, **nested}),
        },
    }
    return {
        "messages": [
            {"role": "system", "content": f"Authorization: Bearer {secret('system prompt')}"},
            {"role": "user", "content": parts},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": f'{{"password": ["{secret("tool result")}"]}}'},
            {"role": "user", "content": f"curl -u bob:{secret('curl')} https://a.example --token {secret('option')}"},
        ],
        "user": f"{secret('user')}@example.com",
        "metadata": {"locale": f"Passwort: {secret('metadata')}", "password": secret("metadata by its key")},
        "tools": [
            {
                "type": "function",
                "function": {"name": "send", "description": f"contraseña: {secret('tool description')}"},
            }
        ],
        "extra_body": {
            "mcp": [{"type": "mcp", "server_url": "https://a.example", "headers": {"X-Team": secret("MCP header")}}],
            "env": [{"name": "DB_PASSWORD", "value": secret("name beside value")}],
            "pairs": [["X-Api-Key", secret("pair")], ["Accept", "*/*"]],
            "payment": {"card": int(CARD)},
            f"{secret('key of a dictionary')}@example.com": 1,
        },
    }


def client_options(canaries: Canaries) -> dict[str, Any]:
    """Secrets in headers and query, all of which the endpoint repeats."""
    secret = canaries.secret
    return {
        "api_key": secret("API key"),
        "max_retries": 0,
        "default_headers": {
            "x-team-token": secret("header"),
            "cookie": f"session={secret('cookie')}; theme=dark",
            "x-shadow-task": "intent",
            "x-shadow-segment": f"locale={secret('segment')}@example.com",
            "x-shadow-unit": f"{secret('unit')}@example.com",
        },
        "default_query": {"api-key": secret("query")},
    }


@contextmanager
def by_sdk(canaries: Canaries, *answers: Answer) -> Iterator[tuple[OpenAI, Callable[[], Exchange], Settings]]:
    collected = Collected()
    with (
        services.serving(ScriptedEndpoint(list(answers))) as root,
        OpenAI(base_url=f"{root}/v1", **client_options(canaries)) as plain,
    ):
        yield mirror(plain, task="intent", publisher=collected), collected.only, SETTINGS


@contextmanager
def by_gateway(canaries: Canaries, *answers: Answer) -> Iterator[tuple[OpenAI, Callable[[], Exchange], Settings]]:
    with ExitStack() as stack:
        running = gateways.run(stack, *answers)
        client = stack.enter_context(OpenAI(base_url=f"{running.url}/v1", **client_options(canaries)))
        yield client, running.publisher.one, running.publisher.settings


DOORS = pytest.mark.parametrize("door", [by_sdk, by_gateway])


@DOORS
def test_no_secret_of_a_request_or_an_answer_is_in_its_message(door, caplog):
    canaries = Canaries()
    answer = {
        "role": "assistant",
        "content": f"mot de passe : {canaries.secret('answer')}",
        "reasoning_content": f"They said the password is {canaries.secret('reasoning')}.",
        "tool_calls": [
            {
                "id": "c2",
                "type": "function",
                "function": {"name": "f", "arguments": json.dumps({"password": {"new": canaries.secret("call")}})},
            }
        ],
    }
    body = scripted.chat_body("", model="big")
    body["choices"][0]["message"] = answer
    with (
        caplog.at_level(logging.DEBUG),
        door(canaries, scripted.whole(json.dumps(body).encode())) as (client, exchange, settings),
    ):
        reply = client.chat.completions.create(model="big", **request(canaries))
        assert canaries.planted["answer"] in reply.choices[0].message.content
        kept = exchange()
    assert kept.reply.reasoning
    assert len(canaries.planted) >= 30
    assert canaries.in_message(kept, settings) == []
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("shadow")]
    assert not [place for place, secret in canaries.planted.items() if secret in "\n".join(ours)]


@DOORS
def test_no_secret_in_an_error_is_in_the_message(door):
    canaries = Canaries()

    async def repeats_everything(receive, send):
        shown = {place: secret for place, secret in canaries.planted.items() if place in REPEATED}
        message = f"Incorrect API key provided: {json.dumps(shown)}; card {CARD}" + "." * 300 + f" mail {mail}"
        await scripted.error(401, message)(receive, send)

    mail = f"{canaries.secret('address behind the cut')}@example.com"
    with door(canaries, repeats_everything) as (client, exchange, settings):
        with pytest.raises(openai.AuthenticationError) as raised:
            client.chat.completions.create(model="big", **request(canaries))
        assert canaries.planted["header"] in str(raised.value) or door is by_gateway
        kept = exchange()
    assert "Incorrect API key" in kept.reply.failure_detail
    assert canaries.in_message(kept, settings) == []


#: What an endpoint repeats without its name: the credentials of the request.
REPEATED = ("API key", "header", "cookie", "query")


@DOORS
@pytest.mark.parametrize("size", [1, 3, 7])
def test_no_secret_that_is_split_over_the_pieces_of_a_stream_is_in_the_message(door, size):
    canaries = Canaries()
    text = (
        f"The password is {canaries.secret('sentence in a stream')}, "
        f"mail {canaries.secret('address in a stream')}@example.com or "
        f"pay to {IBAN} with {CARD}, Authorization: Bearer {canaries.secret('header in a stream')}"
    )
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    with door(canaries, scripted.chunks(*scripted.chat_events(*pieces, model="big"))) as (client, exchange, settings):
        stream = client.chat.completions.create(model="big", stream=True, **request(canaries))
        got = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
        assert got == text
        kept = exchange()
    assert kept.reply.content == text
    assert canaries.in_message(kept, settings) == []
