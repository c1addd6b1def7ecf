"""Reasoning reaches the application as the provider sent it, and is kept apart in what is mirrored."""

import json
from contextlib import ExitStack
from typing import Any

import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletion

from shadow import mirror
from shadow.records import Exchange, Usage
from tests.support import gateways, services
from tests.support.capturing import Collected
from tests.support.scripted import ScriptedEndpoint, chat_body, chunks, events, whole

ASK: dict[str, Any] = {"model": "big", "messages": [{"role": "user", "content": "where is my money?"}]}
USAGE = {"prompt_tokens": 5, "completion_tokens": 7, "completion_tokens_details": {"reasoning_tokens": 6}}
MESSAGES: list[dict[str, Any]] = [
    {"content": "<think>hm</think>\n\nrefund"},
    {"content": "hm\n</think>\n\nrefund"},
    {"content": "refund", "reasoning_content": "hm"},
    {"content": "refund", "reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
    {"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "refund"}]},
]


def body(message: dict[str, Any]) -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", **message}}
    return chat_body("", model="big", choices=[choice], usage={**USAGE, "total_tokens": 12})


def parts(message: dict[str, Any]) -> list[bytes]:
    """The message as a stream, its text cut into single characters."""
    beside = {name: value for name, value in message.items() if name != "content"}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": "", **beside}]
    deltas += [{"content": piece if isinstance(piece, str) else [piece]} for piece in message["content"]]
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "big"}
    made = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    made.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return events(*made, {**head, "choices": [], "usage": USAGE})


def check(exchange: Exchange) -> None:
    reply = exchange.reply
    assert (reply.content, reply.reasoning, reply.failure) == ("refund", "hm", None)
    assert reply.usage == Usage(prompt_tokens=5, completion_tokens=7, reasoning_tokens=6)


@pytest.mark.parametrize("message", MESSAGES)
def test_the_sdk_gives_the_application_what_the_provider_sent_and_mirrors_the_reasoning_apart(message: dict[str, Any]):
    published = Collected()
    endpoint = ScriptedEndpoint([whole(json.dumps(body(message)).encode()), chunks(*parts(message))])
    with services.serving(endpoint) as root, OpenAI(base_url=f"{root}/v1", api_key="k", max_retries=0) as plain:
        client = mirror(plain, task="intent", publisher=published)
        answer: ChatCompletion = client.chat.completions.create(**ASK)
        got = answer.choices[0].message
        assert {name: getattr(got, name) for name in message} == message
        pieces = [
            chunk.choices[0].delta for chunk in client.chat.completions.create(**ASK, stream=True) if chunk.choices
        ]
    contents = [piece.content for piece in pieces if piece.content]
    assert contents == [piece if isinstance(piece, str) else [piece] for piece in message["content"]]
    assert len(published.exchanges) == 2
    for exchange in published.exchanges:
        check(exchange)


@pytest.mark.parametrize("message", MESSAGES)
@pytest.mark.parametrize("streamed", [False, True])
def test_the_gateway_forwards_every_byte_and_mirrors_the_reasoning_apart(message: dict[str, Any], streamed: bool):
    answer = chunks(*parts(message)) if streamed else whole(json.dumps(body(message)).encode())
    sent = b"".join(parts(message)) if streamed else json.dumps(body(message)).encode()
    with ExitStack() as stack:
        running = gateways.run(stack, answer)
        client = stack.enter_context(OpenAI(base_url=f"{running.url}/v1", api_key="k", max_retries=0))
        headers = {"x-shadow-task": "intent"}
        got = client.chat.completions.with_raw_response.create(**ASK, stream=streamed, extra_headers=headers)
        assert got.http_response.read() == sent
        check(running.publisher.one())
