"""A call that the gateway captured becomes the exchange that passed through it."""

import json
from typing import Any

import msgspec
import pytest

from shadow.errors import DroppedError
from shadow.openai_api.content_encoding import Piece
from shadow.recording import BodyBuffer, CapturedCall, Tags
from shadow.recording.captured_call import CLIENT_DISCONNECTED
from shadow.records import Exchange, Usage
from tests.support.capturing import Collected
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


def exchange_of(*chunks: bytes, limit: int = 100_000, **fields: Any) -> Exchange:
    """The exchange of an answer that came in these chunks; `fields` as in `exchange_from`."""
    buffer = BodyBuffer(limit, Collected())
    for chunk in chunks:
        buffer.add(chunk)
    return exchange_from(buffer.pieces, cut=buffer.cut, limit=limit, **fields)


def exchange_from(
    pieces: list[Piece], *, content_type: str = "text/event-stream", content_encoding: str = "", **fields: Any
) -> Exchange:
    """The exchange of a call that the gateway captured; `fields` are those of `CapturedCall`."""
    call = CapturedCall(
        tags=Tags(task="intent", unit="u7", segment={}, rate=0.5, id="x1"),
        api="chat",
        request=REQUEST,
        request_headers={"x-shadow-segment": "locale=de", "traceparent": "00-abc"},
        started=10.0,
        ended=10.7,
        size=sum(len(piece) for piece, _ in pieces),
        status=200,
        pieces=pieces,
        response_headers={"content-type": content_type, "content-encoding": content_encoding},
        limit=100_000,
        endpoint="big",
        served_by="frontier",
        at=1_700_000_000.5,
    )
    return msgspec.structs.replace(call, **fields).to_exchange(settings_for("http://frontier"))


def test_a_stream_becomes_the_reply_it_carried():
    exchange = exchange_of(*STREAM)
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


def test_the_frontiers_confidence_is_kept_where_the_application_asked_for_log_probabilities():
    def token(text: str) -> dict[str, Any]:
        logprobs = {"content": [{"token": text, "logprob": -0.5, "bytes": list(text.encode()), "top_logprobs": []}]}
        return {"choices": [{"index": 0, "delta": {"content": text}, "logprobs": logprobs}]}

    request = json.dumps({**json.loads(REQUEST), "logprobs": True}).encode()
    reply = exchange_of(event("", **token("hel")), event("", **token("lo")), *STREAM[3:], request=request).reply
    assert reply.content == "hello"
    assert reply.confidence == pytest.approx(0.60653, abs=1e-5)
    assert reply.token_probabilities is not None
    assert reply.token_probabilities.n == 2


def test_a_stream_without_usage_has_unknown_usage_and_cost_not_zero():
    reply = exchange_of(*STREAM[:4]).reply
    assert (reply.usage, reply.cost_usd, reply.failure) == (None, None, None)


@pytest.mark.parametrize(("who", "error"), [("client", CLIENT_DISCONNECTED), ("endpoint", "RemoteProtocolError")])
def test_a_stream_that_broke_off_is_interrupted_and_keeps_what_came(who: str, error: str):
    reply = exchange_of(*STREAM[:3], error=error).reply
    assert (reply.failure, reply.content) == ("interrupted", "hello")
    assert who in (reply.failure_detail or "")


def test_a_client_that_disconnects_after_the_finish_reason_has_its_whole_reply():
    reply = exchange_of(*STREAM[:4], error=CLIENT_DISCONNECTED).reply
    assert (reply.failure, reply.content) == (None, "hello")


def test_a_client_that_disconnects_before_the_first_byte_is_interrupted():
    reply = exchange_of(status=None, error=CLIENT_DISCONNECTED).reply
    assert (reply.failure, reply.status) == ("interrupted", None)


STREAM_REQUEST = REQUEST[:-1] + b',"stream":true}'


@pytest.mark.parametrize("content_type", ["application/x-ndjson", "text/plain; charset=utf-8", "application/json", ""])
def test_a_stream_that_was_asked_for_is_read_as_one_whatever_its_content_type(content_type: str):
    reply = exchange_of(*STREAM, content_type=content_type, request=STREAM_REQUEST).reply
    assert (reply.content, reply.failure) == ("hello", None)


def test_a_stream_that_an_application_read_in_a_hook_is_a_stream():
    reply = exchange_of(b"".join(STREAM), request=STREAM_REQUEST, response_headers={}).reply  # as the SDK records it
    assert reply.content == "hello"


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
def test_an_error_in_place_of_a_stream_that_was_asked_for_is_the_endpoints_failure(content_type: str):
    body = b' {"error": {"message": "slow down", "code": 429}}'
    reply = exchange_of(body, content_type=content_type, request=STREAM_REQUEST).reply
    assert (reply.failure, reply.failure_detail) == ("rate_limited", "slow down")


def test_an_event_that_is_not_json_is_malformed_although_the_client_stops_there():
    reply = exchange_of(*STREAM[:3], b"data: {broken\n\n", error=CLIENT_DISCONNECTED).reply
    assert (reply.failure, reply.content) == ("malformed", "hello")


def test_a_whole_answer_is_read_whole():
    reply = exchange_of(json.dumps(chat_body("hello")).encode(), content_type="application/json").reply
    assert (reply.content, reply.ttft_ms, reply.failure) == ("hello", None, None)


def test_half_an_answer_is_interrupted_not_malformed():
    reply = exchange_of(b'{"choices": [{"mess', content_type="application/json", error="RemoteProtocolError").reply
    assert reply.failure == "interrupted"


def test_an_error_keeps_the_endpoints_message():
    reply = exchange_of(b'{"error":{"message":"too long"}}', content_type="application/json", status=400).reply
    assert (reply.failure, reply.status) == ("rejected", 400)
    assert "too long" in (reply.failure_detail or "")


@pytest.mark.parametrize("whole", [True, False])
def test_an_answer_beyond_the_limit_is_flagged_and_never_taken_for_a_short_one(whole: bool):
    if whole:
        exchange = exchange_of(json.dumps(chat_body("x" * 500)).encode(), content_type="application/json", limit=200)
    else:
        exchange = exchange_of(*STREAM, limit=len(b"".join(STREAM[:2])) + 5)
    assert exchange.truncated
    assert exchange.reply.failure == "truncated"
    assert "mirror_body_bytes" in (exchange.reply.failure_detail or "")


@pytest.mark.parametrize("coding", PACK)
def test_a_compressed_answer_is_read_from_its_copy(coding: str):
    body = PACK[coding](json.dumps(chat_body("hello")).encode())
    exchange = exchange_of(body[:20], body[20:], content_type="application/json", content_encoding=coding)
    assert (exchange.reply.content, exchange.reply.failure) == ("hello", None)


@pytest.mark.parametrize("coding", PACK)
def test_an_answer_that_unpacks_to_more_than_the_limit_is_cut_by_us_and_no_fault_of_the_models(coding: str):
    body = PACK[coding](json.dumps(chat_body("x" * 50_000)).encode())
    exchange = exchange_of(body, content_type="application/json", content_encoding=coding, limit=10_000)
    assert exchange.truncated
    assert exchange.reply.failure == "truncated"
    assert "mirror_body_bytes" in (exchange.reply.failure_detail or "")


def test_bytes_that_are_not_in_their_coding_are_the_endpoints_fault():
    reply = exchange_of(b"not compressed at all", content_type="application/json", content_encoding="gzip").reply
    assert (reply.failure, reply.failure_detail) == (
        "endpoint_error",
        "not gzip: Error -3 while decompressing data: incorrect header check",
    )


def test_an_answer_in_an_unknown_content_encoding_is_dropped_for_that_reason():
    with pytest.raises(DroppedError, match="'compress'") as outcome:
        exchange_of(b"?", content_type="application/json", content_encoding="compress")
    assert outcome.value.reason == "unknown_coding"


def test_a_refusal_in_an_unknown_content_encoding_is_still_a_refusal():
    exchange = exchange_of(b"???", content_type="application/json", content_encoding="compress", status=400, limit=2)
    assert (exchange.reply.failure, exchange.reply.status, exchange.truncated) == ("rejected", 400, True)


def test_an_endpoint_that_stops_sending_in_a_stream_is_a_timeout():
    reply = exchange_of(*STREAM[:3], error="ReadTimeout").reply
    assert (reply.failure, reply.content) == ("timeout", "hello")


def test_a_client_that_disconnects_after_the_last_byte_has_its_whole_reply():
    reply = exchange_of(
        json.dumps(chat_body("hello")).encode(), content_type="application/json", error=CLIENT_DISCONNECTED
    ).reply
    assert (reply.failure, reply.content) == (None, "hello")


def test_the_segment_comes_from_headers_and_from_the_metadata_that_the_task_names():
    request = b'{"model":"gpt-x","metadata":{"locale":"de","secret":"x"},"user":"anna"}'
    headers = {"x-shadow-segment": "plan=pro"}
    tags = Tags(task="intent", unit=None, segment={}, rate=1.0, id="x1")
    exchange = exchange_of(*STREAM, request=request, request_headers=headers, tags=tags)
    assert (exchange.segment, exchange.unit) == ({"locale": "de", "plan": "pro"}, "anna")


def test_an_answer_of_known_length_that_came_whole_is_whole_although_the_client_disconnected():
    headers = {"content-type": "text/event-stream", "content-length": str(len(STREAM[0]))}
    reply = exchange_of(STREAM[0], response_headers=headers, error=CLIENT_DISCONNECTED).reply
    assert reply.failure_detail != "the client stopped reading before the end of the answer"


def test_a_request_that_is_not_a_json_object_is_dropped_as_unencodable():
    for request in (b"", b"[]", b'{"a":'):
        with pytest.raises(DroppedError) as outcome:
            exchange_of(*STREAM, request=request)
        assert outcome.value.reason == "unencodable"


def test_half_a_character_in_a_request_costs_only_itself():
    request = rb'{"model":"big","stream":true,"messages":[{"role":"user","content":"cut \ud83d"}]}'
    found = exchange_of(*STREAM, request=request)
    assert found.request["messages"] == [{"role": "user", "content": "cut \ufffd"}]


def test_the_price_is_that_of_the_model_with_this_very_name_before_any_alias():
    models = {"old": {"base_url": "http://x/v1", "model": "big", "input_usd_per_million": 0}}
    models["big"] = {"base_url": "http://x/v1", "input_usd_per_million": 1, "output_usd_per_million": 1}
    settings = settings_for("http://frontier").model_validate(
        {"models": models, "tasks": {"intent": {"frontier": "big"}}}
    )
    call = CapturedCall(
        tags=Tags(task="intent", unit=None, segment={}, rate=1.0),
        api="chat",
        request=b'{"model":"big"}',
        request_headers={},
        started=0.0,
        ended=0.1,
        size=1,
        status=200,
        pieces=(
            (json.dumps({**chat_body("hi"), "usage": {"prompt_tokens": 3, "completion_tokens": 2}}).encode(), 0.1),
        ),
    )
    assert call.to_exchange(settings).reply.cost_usd == pytest.approx(5e-6)
