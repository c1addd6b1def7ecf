"""What a request carried as a credential is in no record of it, wherever the endpoint repeats it."""

import json

import pytest

from shadow.recording import CapturedCall, Tags
from shadow.recording.credentials import credentials_of
from shadow.records import Exchange
from tests.support.gateways import settings_for
from tests.support.scripted import chat_body

KEY = "4f9d0c77aa1b"  # of no form that a pattern would know


def exchange_of(
    answer: bytes, *, status: int = 200, request: bytes = b'{"messages":[]}', credentials: tuple[str, ...] = (KEY,)
) -> Exchange:
    call = CapturedCall(
        tags=Tags(task="intent", unit=None, segment={}, rate=1.0, id="x1"),
        api="chat",
        request=request,
        request_headers={},
        started=0.0,
        ended=0.5,
        size=10,
        credentials=credentials,
        status=status,
        pieces=[(answer[:30], 0.3), (answer[30:], 0.4)],
        response_headers={"content-type": "application/json"},
        limit=10**6,
        at=1_700_000_000.0,
    )
    return call.to_exchange(settings_for("http://frontier"))


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (401, json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}. Find yours at …"}}).encode()),
        (403, f"<html>{KEY} may not</html>".encode()),
        (200, json.dumps(chat_body(f"your key is {KEY}")).encode()),
        (200, json.dumps({"error": f"key {KEY} has no credit"}).encode()),
        (
            200,
            b"".join(
                b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % part
                for part in (b"4f9d0c", b"77aa1b")
            )
            + b"data: [DONE]\n\n",
        ),
    ],
    ids=["error", "page", "answer", "error in a 200", "over two events"],
)
def test_a_key_that_the_endpoint_repeats_is_not_in_the_exchange(status: int, answer: bytes):
    text = str(exchange_of(answer, status=status, request=b'{"messages":[],"stream":true}'))
    assert KEY not in text
    assert "[secret]" in text


def test_a_key_in_the_request_itself_is_not_in_the_exchange():
    request = json.dumps({"messages": [], "tools": [{"headers": {"x": f"Bearer {KEY}"}}], "metadata": {KEY: KEY}})
    exchange = exchange_of(json.dumps(chat_body("hi")).encode(), request=request.encode())
    assert KEY not in str(exchange)
    assert exchange.reply.content == "hi"


@pytest.mark.parametrize("short", ["", "EMPTY", "none", "sk-x"])
def test_values_that_stand_for_no_key_replace_nothing(short: str):
    answer = json.dumps(chat_body("EMPTY none sk-x")).encode()
    assert exchange_of(answer, credentials=(short,)).reply.content == "EMPTY none sk-x"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (("Authorization", "Bearer secret-token"), ("secret-token",)),
        (("authorization", "secret-token"), ("secret-token",)),
        (
            ("Authorization", "Basic dXNlcm5hbWU6cGFzc3dvcmQx"),
            ("dXNlcm5hbWU6cGFzc3dvcmQx", "username:password1", "password1"),
        ),
        (("X-Goog-Api-Key", "AIza-0123456789"), ("AIza-0123456789",)),
        (("Ocp-Apim-Subscription-Key", "0123456789abcdef"), ("0123456789abcdef",)),
        (("Cookie", "a=1; session=0123456789ab"), ("0123456789ab",)),
        (("user-agent", "AsyncOpenAI/Python 2.0"), ()),
        (("idempotency-key", "stainless-python-retry-1"), ()),
        (("authorization", "Bearer k"), ()),
    ],
)
def test_the_credentials_of_a_request_are_found_by_the_names_of_its_headers(header, expected: tuple[str, ...]):
    assert credentials_of([header]) == expected


def test_the_credentials_in_a_query_are_found():
    assert credentials_of([], "api-version=2026-01-01&key=AIza%2F0123456789") == ("AIza/0123456789",)
