"""What a mirrored request is: its task, segment, unit and probability. And what it never holds."""

import asyncio
import logging
import threading

import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionMessage
from pydantic import BaseModel

from shadow import context, mirror
from shadow.capture import call_context, process
from shadow.settings import RedactionSettings
from tests.support import services
from tests.support.capturing import SETTINGS, Collected, Upstream

MESSAGES = [{"role": "user", "content": "hi"}]
ASK = {"model": "big", "messages": MESSAGES}
CANARY = "canary-5f1e9d7c"


@pytest.fixture(scope="module")
def address():
    with services.serving(Upstream().app) as root:
        yield f"{root}/v1"


@pytest.fixture
def client(address):
    with OpenAI(base_url=address, api_key=CANARY, max_retries=0, organization=f"org-{CANARY}") as client:
        yield client


@pytest.fixture
def published():
    return Collected()


def ask(client, **more):
    client.chat.completions.create(**{**ASK, **more})


def test_the_task_comes_from_argument_header_metadata_or_alias_in_this_order(client, published):
    plain = mirror(client, publisher=published)
    ask(plain, model="intent-model")
    ask(plain, metadata={"shadow_task": "by-metadata"}, model="intent-model")
    ask(plain, extra_headers={"X-Shadow-Task": "by-header"}, metadata={"shadow_task": "by-metadata"})
    ask(mirror(client, task="by-argument", publisher=published), extra_headers={"x-shadow-task": "by-header"})
    assert [e.task for e in published.exchanges] == ["intent", "by-metadata", "by-header", "by-argument"]


def test_default_headers_of_the_client_count_too(client, published):
    ask(mirror(client.with_options(default_headers={"x-shadow-task": "by-default"}), publisher=published))
    assert published.only().task == "by-default"


def test_a_request_without_a_task_is_not_mirrored_and_warned_of_once(client, published, caplog, monkeypatch):
    monkeypatch.setattr(process, "_warned", set())
    plain = mirror(client, publisher=published)
    with caplog.at_level(logging.WARNING):
        ask(plain)
        ask(plain)
    assert published.exchanges == []
    assert [record.action for record in caplog.records] == ["no_task"]


def test_a_block_sets_task_segment_and_unit(client, published):
    mirrored = mirror(client, task="intent", segment={"plan": "pro", "locale": "en"}, unit="u0", publisher=published)
    with context(task="half", segment={"locale": "de"}, unit="u3"), context(segment={"tier": "a"}):
        ask(mirrored)
    ask(mirrored)
    inside, outside = published.exchanges
    assert (inside.task, inside.segment, inside.unit) == ("half", {"plan": "pro", "locale": "de", "tier": "a"}, "u3")
    assert (outside.task, outside.segment, outside.unit) == ("intent", {"plan": "pro", "locale": "en"}, "u0")


async def test_a_block_belongs_to_its_own_task_or_thread(client, published):
    mirrored = mirror(client, task="intent", publisher=published)

    async def one(locale):
        with context(segment={"locale": locale}):
            await asyncio.sleep(0.01)
            await asyncio.to_thread(ask, mirrored)

    await asyncio.gather(one("de"), one("fr"))
    with context(segment={"locale": "it"}):
        thread = threading.Thread(target=ask, args=(mirrored,))
        thread.start()
        thread.join()
    assert sorted(e.segment.get("locale", "") for e in published.exchanges) == ["", "de", "fr"]


def test_a_block_applies_to_clients_made_before_the_first_block(client, published, monkeypatch):
    monkeypatch.setattr(call_context, "contexts_used", [])
    mirrored = mirror(client, task="intent", publisher=published)
    ask(mirrored)
    with context(task="by-block", segment={"locale": "de"}, unit="u-1"):
        ask(mirrored)
    assert [(e.task, e.segment, e.unit) for e in published.exchanges] == [
        ("intent", {}, None),
        ("by-block", {"locale": "de"}, "u-1"),
    ]


def test_segments_come_from_a_function_of_the_request_headers_and_metadata(client, published):
    mirrored = mirror(
        client, task="intent", segment=lambda body: {"n": str(len(body["messages"]))}, publisher=published
    )
    ask(mirrored, metadata={"locale": "de", "other": "x"}, extra_headers={"x-shadow-segment": "plan=pro"})
    assert published.only().segment == {"locale": "de", "plan": "pro", "n": "1"}


def test_a_segment_function_that_raises_costs_the_segment_and_nothing_else(client, published):
    def locale_of(body):
        return {"locale": body["no such key"]}

    ask(mirror(client, task="intent", segment=locale_of, publisher=published))
    assert published.only().segment == {}


def test_the_unit_is_the_argument_the_header_or_openais_user(client, published):
    mirrored = mirror(client, task="intent", publisher=published)
    ask(mirrored, user="u1")
    ask(mirrored, user="u1", extra_headers={"x-shadow-unit": "u2"})
    assert [e.unit for e in published.exchanges] == ["u1", "u2"]


def test_sampling_follows_the_unit_and_keeps_its_probability(client, published):
    mirrored = mirror(client, task="half", publisher=published)
    for unit in range(12):
        ask(mirrored, user=f"user-{unit}")
        ask(mirrored, user=f"user-{unit}")
    units = [e.unit for e in published.exchanges]
    assert 0 < len(units) < 24
    assert all(units.count(unit) == 2 for unit in units)
    assert {e.inclusion_probability for e in published.exchanges} == {0.5}
    assert len(units) + len(published.sampled_out) == 24


def test_a_rate_of_nought_mirrors_nothing_and_counts_it(client, published):
    ask(mirror(client, task="intent", rate=0, publisher=published))
    assert published.exchanges == []
    assert published.sampled_out == ["intent"]


def test_who_served_and_what_it_cost_follow_from_the_settings(client, published):
    mirrored = mirror(client, task="intent", publisher=published)
    ask(mirrored)
    ask(mirrored, model="small-7b")
    big, small = published.exchanges
    assert (big.served_by, small.served_by) == ("frontier", "candidate")
    assert big.reply.cost_usd == pytest.approx(14e-6)
    assert small.reply.cost_usd is None


def test_no_secret_of_a_request_reaches_the_exchange(client, published):
    mirrored = mirror(client, task="intent", publisher=published)
    ask(mirrored, extra_headers={"x-api-key": CANARY, "traceparent": "00-1-2-01"}, extra_query={"key": CANARY})
    with pytest.raises(Exception, match="no such tool"):
        ask(mirrored, model="wrong", extra_headers={"Cookie": CANARY})
    assert CANARY not in str(published.exchanges)
    assert [e.traceparent for e in published.exchanges] == ["00-1-2-01", None]


def test_the_body_is_mirrored_with_its_extras_tools_and_schema(client, published):
    class Label(BaseModel):
        label: str

    tools = [{"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}]
    mirrored = mirror(client, task="intent", publisher=published)
    ask(mirrored, tools=tools, temperature=0.5, extra_body={"top_k": 3})
    mirrored.chat.completions.parse(**ASK, response_format=Label)
    mirrored.chat.completions.create(model="big", messages=[ChatCompletionMessage(role="assistant", content="x")])
    first, parsed, objects = (e.request for e in published.exchanges)
    assert (first["tools"], first["temperature"], first["top_k"]) == (tools, 0.5, 3)
    assert parsed["response_format"]["json_schema"]["schema"]["properties"]["label"]["type"] == "string"
    assert objects["messages"][0]["content"] == "x"
    call = published.exchanges[0].reply.tool_calls[0]
    assert (call.name, call.arguments) == ("find", '{"q": "x"}')


def test_without_settings_the_client_is_returned_as_it_is(client, monkeypatch, tmp_path, caplog):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SHADOW_KAFKA", raising=False)
    monkeypatch.delenv("SHADOW_CONFIG", raising=False)
    monkeypatch.setattr(process, "_warned", set())
    with caplog.at_level(logging.WARNING):
        assert mirror(client, task="intent") is client
        assert mirror(client, task="intent") is client
    assert [record.action for record in caplog.records] == ["not_configured"]


def test_broken_settings_are_a_warning_and_no_crash(client, monkeypatch, tmp_path, caplog):
    (tmp_path / "shadow.toml").write_text("[kafka]\nbootstrap_server = 'x'\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(process, "_warned", set())
    with caplog.at_level(logging.WARNING):
        assert mirror(client, task="intent") is client
    assert "kafka.bootstrap_server" in caplog.text


def test_clients_share_one_publisher_by_default(monkeypatch):
    monkeypatch.setattr(process, "_shared", [])
    others = SETTINGS.model_copy(update={"redaction": RedactionSettings(patterns={"customer": r"CUST-\d+"})})
    assert process.shared_publisher(SETTINGS) is process.shared_publisher(SETTINGS.model_copy())
    assert process.shared_publisher(others).settings.redaction.patterns == {"customer": r"CUST-\d+"}


def test_what_is_no_client_is_refused():
    with pytest.raises(TypeError, match="OpenAI or AsyncOpenAI client, not object"):
        mirror(object(), task="intent", settings=SETTINGS)


def test_a_rate_outside_its_range_is_refused(client):
    with pytest.raises(ValueError, match="between 0 and 1"):
        mirror(client, task="intent", rate=1.5)
