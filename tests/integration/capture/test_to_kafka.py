"""From a mirrored client to the topic: all requests arrive, and no secret does."""

import pytest
from openai import APIStatusError, OpenAI

from shadow import mirror
from shadow.publisher import Publisher
from tests.support import services
from tests.support.capturing import SETTINGS, Upstream
from tests.support.publishing import arrived, messages, settings_for, settled

CANARY = "canary-5f1e9d7c0b2a"


@pytest.fixture
def publisher(broker, topics):
    settings = settings_for(broker, topics).model_copy(update={"models": SETTINGS.models, "tasks": SETTINGS.tasks})
    publisher = Publisher(settings)
    yield publisher
    publisher.close()


@pytest.fixture
def client(publisher):
    with (
        services.serving(Upstream().app) as root,
        OpenAI(base_url=f"{root}/v1", api_key=CANARY, max_retries=0, default_headers={"x-custom": CANARY}) as client,
    ):
        yield mirror(client, task="intent", publisher=publisher)


def test_no_header_and_no_credential_reaches_the_topic(client, publisher, broker, topics):
    ask = {
        "model": "big",
        "messages": [{"role": "user", "content": f"Authorization: Bearer {CANARY} and password={CANARY}"}],
        "extra_headers": {"Authorization": f"Bearer {CANARY}", "Cookie": CANARY},
        "extra_query": {"api_key": CANARY},
        "extra_body": {"api_key": CANARY, "tools_auth": {"authorization": CANARY}},
    }
    client.chat.completions.create(**ask)
    list(client.chat.completions.create(stream=True, **ask))
    with pytest.raises(APIStatusError):
        client.chat.completions.create(**{**ask, "model": "wrong"})
    assert settled(publisher) == {"accepted": 3, "mirrored": 3}
    for message in messages(broker, topics.exchanges):
        assert CANARY.encode() not in message.value
        assert all(CANARY.encode() not in value for _, value in message.headers)


def test_every_request_arrives_with_its_reply(client, publisher, broker, topics):
    for number in range(20):
        question = [{"role": "user", "content": f"question {number}"}]
        answer = client.chat.completions.create(model="big", messages=question, stream=bool(number % 2))
        if number % 2:
            list(answer)
    assert settled(publisher) == {"accepted": 20, "mirrored": 20}
    exchanges, _ = arrived(broker, topics.exchanges)
    assert {e.request["messages"][0]["content"] for e in exchanges} == {f"question {n}" for n in range(20)}
    assert {(e.task, e.served_by, e.reply.content) for e in exchanges} == {("intent", "frontier", "billing")}
    milliseconds = [e.id[:12] for e in sorted(exchanges, key=lambda exchange: exchange.at)]
    assert milliseconds == sorted(milliseconds), "ids sort by time"
