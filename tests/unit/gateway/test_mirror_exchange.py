import json
from typing import Any

import msgspec
import pytest

from shadow.gateway.mirror.exchange import Heard, exchange_of
from shadow.openai_api.body_buffer import Copy, Piece
from shadow.publisher import Dropped
from shadow.records import Exchange, Usage
from tests.support.gateways import settings_for
from tests.support.packing import PACK
from tests.support.scripted import chat_body

REQUEST = b'{"model":"gpt-x","messages":[{"role":"user","content":"hello"}]}'


def event(text: str | None = None, **fields: object) -> bytes:
    delta = {} if text is None else {"content": text}
    choices = [{"index": 0, "delta": delta, "finish_reason": fields.pop("finish_reason", None)}]
    return b"data: " + json.dumps({"model": "gpt-x-0925", "choices": choices, **fields}).encode() + b"\n\n"


STREAM = [
    event(""),
    event("hel"),
    event("lo"),
    event(finish_reason="stop"),
    event(choices=[], usage={"prompt_tokens": 3, "completion_tokens": 2}),
    b"data: [DONE]\n\n",
]


def heard(*chunks: bytes, limit: int = 100_000, content_type: str = "text/event-stream", **fields: Any) -> Exchange:
    copy = Copy(limit, Plenty())
    for chunk in chunks:
        copy.add(chunk)
    return exchange_from(copy.pieces, cut=copy.cut, limit=limit, content_type=content_type, **fields)


class Plenty:
    """A budget that is never spent."""

    def reserve(self, size: int) -> bool:
        return size > 0

    def release(self, size: int) -> None: ...


def exchange_from(pieces: list[Piece], *, limit: int = 100_000, **fields: Any) -> Exchange:
    known = Heard(
        id="x1",
        api="chat",
        task="intent",
        arm="frontier",
        model="big",
        segment={"locale": "de"},
        unit="u7",
        request=REQUEST,
        at=1_700_000_000.5,
        started=10.0,
        ended=10.7,
        pieces=pieces,
        size=sum(len(piece) for piece, _ in pieces),
        probability=0.5,
        status=200,
    )
    settings = settings_for("http://frontier", gateway={"mirror_body_bytes": max(limit, 1_000)})
    exchange = exchange_of(msgspec.structs.replace(known, **fields), settings)
    assert exchange is not None
    return exchange


def test_a_stream_becomes_the_reply_it_carried():
    exchange = heard(*STREAM, traceparent="00-abc")
    assert exchange.reply.content == "hello"
    assert exchange.reply.model == "gpt-x-0925"
    assert exchange.reply.usage == Usage(prompt_tokens=3, completion_tokens=2)
    assert (exchange.reply.failure, exchange.reply.status) == (None, 200)
    assert (exchange.id, exchange.task, exchange.served_by, exchange.traceparent) == (
        "x1",
        "intent",
        "frontier",
        "00-abc",
    )
    assert exchange.at.isoformat() == "2023-11-14T22:13:20.500000+00:00"
    assert (exchange.segment, exchange.unit, exchange.inclusion_probability) == ({"locale": "de"}, "u7", 0.5)
    assert exchange.request == json.loads(REQUEST)


def test_time_to_first_token_is_that_of_the_first_text_not_of_the_first_event():
    pieces = list(zip(STREAM, [10.1, 10.3, 10.4, 10.5, 10.6, 10.7], strict=True))
    exchange = exchange_from(pieces, content_type="text/event-stream; charset=utf-8")
    assert exchange.reply.ttft_ms == pytest.approx(300)
    assert exchange.reply.latency_ms == pytest.approx(700)


def test_a_stream_without_usage_has_unknown_usage_and_cost_not_zero():
    reply = heard(*STREAM[:4]).reply
    assert (reply.usage, reply.cost_usd, reply.failure) == (None, None, None)


@pytest.mark.parametrize("who", ["client", "endpoint"])
def test_a_stream_that_broke_off_is_interrupted_and_keeps_what_came(who: str):
    reply = heard(*STREAM[:3], broken=who).reply
    assert (reply.failure, reply.content) == ("interrupted", "hello")
    assert who in (reply.failure_detail or "")


def test_a_client_that_hangs_up_after_the_finish_reason_has_its_whole_reply():
    reply = heard(*STREAM[:4], broken="client").reply
    assert (reply.failure, reply.content) == (None, "hello")


def test_a_client_that_hangs_up_before_the_first_byte_is_interrupted():
    reply = heard(status=None, broken="client").reply
    assert (reply.failure, reply.status) == ("interrupted", None)


def test_a_whole_answer_is_read_whole():
    reply = heard(json.dumps(chat_body("hello")).encode(), content_type="application/json").reply
    assert (reply.content, reply.ttft_ms, reply.failure) == ("hello", None, None)


def test_half_an_answer_is_interrupted_not_malformed():
    reply = heard(b'{"choices": [{"mess', content_type="application/json", broken="endpoint").reply
    assert reply.failure == "interrupted"


def test_an_error_keeps_the_endpoints_words():
    reply = heard(b'{"error":{"message":"too long"}}', content_type="application/json", status=400).reply
    assert (reply.failure, reply.status) == ("rejected", 400)
    assert "too long" in (reply.failure_detail or "")


@pytest.mark.parametrize("whole", [True, False])
def test_an_answer_beyond_the_limit_is_flagged_and_never_taken_for_a_short_one(whole: bool):
    if whole:
        exchange = heard(json.dumps(chat_body("x" * 500)).encode(), content_type="application/json", limit=200)
    else:
        exchange = heard(*STREAM, limit=len(b"".join(STREAM[:2])) + 5)
    assert exchange.truncated
    assert exchange.reply.failure == "truncated"
    assert "mirror_body_bytes" in (exchange.reply.failure_detail or "")


@pytest.mark.parametrize("coding", PACK)
def test_a_compressed_answer_is_read_from_its_copy(coding: str):
    body = PACK[coding](json.dumps(chat_body("hello")).encode())
    exchange = heard(body[:20], body[20:], content_type="application/json", content_encoding=coding)
    assert (exchange.reply.content, exchange.reply.failure) == ("hello", None)


@pytest.mark.parametrize("coding", PACK)
def test_an_answer_that_unpacks_to_more_than_the_limit_is_cut_by_us_and_no_fault_of_the_models(coding: str):
    body = PACK[coding](json.dumps(chat_body("x" * 50_000)).encode())
    exchange = heard(body, content_type="application/json", content_encoding=coding, limit=10_000)
    assert exchange.truncated
    assert exchange.reply.failure == "truncated"
    assert "mirror_body_bytes" in (exchange.reply.failure_detail or "")


def test_bytes_that_are_not_in_their_coding_are_the_endpoints_fault():
    reply = heard(b"not compressed at all", content_type="application/json", content_encoding="gzip").reply
    assert (reply.failure, reply.failure_detail) == (
        "endpoint_error",
        "not gzip: Error -3 while decompressing data: incorrect header check",
    )


def test_an_answer_in_a_coding_that_nobody_here_knows_is_dropped_for_that_reason():
    with pytest.raises(Dropped, match="'compress'") as outcome:
        heard(b"?", content_type="application/json", content_encoding="compress")
    assert outcome.value.reason == "unknown_coding"


def test_a_refusal_in_a_coding_that_nobody_here_knows_is_still_a_refusal():
    exchange = heard(b"???", content_type="application/json", content_encoding="compress", status=400, limit=2)
    assert (exchange.reply.failure, exchange.reply.status, exchange.truncated) == ("rejected", 400, True)


def test_an_endpoint_that_falls_silent_in_a_stream_is_a_timeout():
    reply = heard(*STREAM[:3], broken="silence").reply
    assert (reply.failure, reply.content) == ("timeout", "hello")


def test_a_client_that_hangs_up_after_the_last_byte_has_its_whole_reply():
    reply = heard(json.dumps(chat_body("hello")).encode(), content_type="application/json", broken="client").reply
    assert (reply.failure, reply.content) == (None, "hello")
