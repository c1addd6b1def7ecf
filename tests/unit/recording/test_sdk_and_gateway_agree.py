"""The same answer becomes the same reply in the SDK and in the gateway, and no failure of ours is the model's."""

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.capture.stream_recorder import StreamRecorder
from shadow.errors import DroppedError
from shadow.openai_api import replies
from shadow.openai_api.content_encoding import Piece
from shadow.recording import CapturedCall, Tags
from shadow.recording.captured_call import CLIENT_DISCONNECTED
from shadow.records import Api, Exchange, Reply, Usage
from tests.support.capturing import SETTINGS, Collected
from tests.support.packing import PACK

REQUEST = b'{"model":"big"}'
LIMIT = 4 * 2**20

TEXTS = st.lists(st.text(st.characters(codec="utf-8"), max_size=12), max_size=5)
USAGE = {"prompt_tokens": 3, "completion_tokens": 2}


def by_sdk(
    pieces: Sequence[Piece], api: Api = "chat", error: str | None = None, headers: Mapping[str, str] | None = None
) -> Exchange:
    tags = Tags(task="intent", segment={}, unit=None, rate=1.0)
    publisher = Collected()
    call = CapturedCall(
        tags, api, REQUEST, {}, 0.0, 9.0, len(REQUEST), (), 200, list(pieces), headers or {}, LIMIT, CLIENT_DISCONNECTED
    )
    recorder = StreamRecorder(None, call, list(pieces), publisher, publisher.offer)
    if error is not None:
        recorder.on_error(type(error, (Exception,), {})())
    recorder.end()
    if publisher.dropped:
        raise DroppedError(*publisher.dropped)
    exchange: Exchange = publisher.only()
    return exchange


def by_gateway(
    pieces: Sequence[Piece], api: Api = "chat", error: str | None = None, headers: Mapping[str, str] | None = None
) -> Exchange:
    return from_gateway(pieces, api, error=error, response_headers=headers or {}).to_exchange(SETTINGS)


def from_gateway(pieces: Sequence[Piece], api: Api, **fields: Any) -> CapturedCall:
    call = CapturedCall(
        tags=Tags(task="intent", unit=None, segment={}, rate=1.0, id="x1"),
        api=api,
        request=REQUEST,
        request_headers={},
        started=0.0,
        ended=9.0,
        size=sum(len(piece) for piece, _ in pieces),
        status=200,
        pieces=list(pieces),
        limit=LIMIT,
        endpoint="big",
        served_by="frontier",
        at=1_700_000_000.0,
    )
    return msgspec.structs.replace(call, **fields)


def cut(body: bytes, places: list[int]) -> list[Piece]:
    """`body` cut at these places, each piece a second after the one before."""
    edges = [0, *sorted(place % (len(body) + 1) for place in places), len(body)]
    return [(body[start:end], float(second)) for second, (start, end) in enumerate(pairwise(edges))]


def without_clock(reply: Reply) -> Reply:
    return msgspec.structs.replace(reply, latency_ms=None, ttft_ms=None)


def sse(events: list[Any]) -> bytes:
    return b"".join(b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\r\n\r\n" for event in events)


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"model": "big-0925", "choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


@st.composite
def chats(draw: st.DrawFn) -> tuple[Api, str, bytes]:
    texts, written = draw(TEXTS), draw(TEXTS)
    beside = {"reasoning_content": "hm"} if draw(st.booleans()) else {}
    texts = ["<think>", "hm", "</think>", *texts] if draw(st.booleans()) else texts
    finish = draw(st.sampled_from(["stop", "length", "tool_calls"]))
    kind, field = draw(st.sampled_from([("function", "arguments"), ("custom", "input")]))
    if draw(st.booleans()):
        call = {"type": kind, kind: {"name": "f", field: "".join(written)}}
        message = {**beside, "content": "".join(texts), "tool_calls": [call] if written else []}
        whole = {"model": "big-0925", "choices": [{"message": message, "finish_reason": finish}], "usage": USAGE}
        return "chat", "application/json", json.dumps(whole).encode()
    events = [delta(**beside), *(delta(content=text) for text in texts)]
    events += [delta(tool_calls=[{"index": 0, kind: {"name": "", field: text}}]) for text in written]
    events += [delta(finish=finish), {"choices": [], "usage": USAGE}]
    return "chat", "text/event-stream; charset=utf-8", sse(events) + b"data: [DONE]\n\n"


@st.composite
def responses(draw: st.DrawFn) -> tuple[Api, str, bytes]:
    texts = draw(TEXTS)
    content = [{"type": "output_text", "text": text} for text in texts]
    whole = {
        "model": "big-0925",
        "status": draw(st.sampled_from(["completed", "incomplete", "in_progress"])),
        "output": [{"type": "message", "content": content}, {"type": "custom_tool_call", "name": "f", "input": "x"}],
        "usage": {"input_tokens": 3, "output_tokens": 2},
    }
    if draw(st.booleans()):
        return "responses", "application/json; charset=utf-8", json.dumps(whole).encode()
    events = [{"type": "response.output_text.delta", "delta": text} for text in texts]
    return "responses", "Text/Event-Stream", sse([*events, {"type": "response.completed", "response": whole}])


@pytest.mark.parametrize("coding", ["identity", *PACK])
@given(recorded=chats() | responses(), places=st.lists(st.integers(0, 2_000), max_size=12))
def test_client_and_gateway_read_the_same_bytes_into_the_same_reply_whatever_the_pieces_and_coding(
    coding: str, recorded: tuple[Api, str, bytes], places: list[int]
):
    api, content_type, body = recorded
    headers = {"content-type": content_type, "content-encoding": coding}
    pieces = cut(PACK[coding](body) if coding in PACK else body, places)
    sdk, gateway = by_sdk(pieces, api, headers=headers), by_gateway(pieces, api, headers=headers)
    assert sdk.reply.ttft_ms == gateway.reply.ttft_ms
    assert (sdk.truncated, gateway.truncated) == (False, False)
    unpacked = by_gateway([(body, 0.0)], api, headers={"content-type": content_type})
    assert without_clock(sdk.reply) == without_clock(gateway.reply) == without_clock(unpacked.reply)
    assert sdk.reply.cost_usd == pytest.approx(7e-6)


@pytest.mark.parametrize(
    ("error", "failure"),
    [("RemoteProtocolError", "interrupted"), ("ReadTimeout", "timeout"), (CLIENT_DISCONNECTED, "interrupted")],
)
@given(recorded=chats() | responses(), kept=st.integers(0, 2_000))
def test_half_an_answer_has_the_same_cause_for_both_and_is_never_the_models_fault(
    error: str, failure: str, recorded: tuple[Api, str, bytes], kept: int
):
    api, content_type, body = recorded
    pieces = cut(body[: kept % len(body)], [])
    headers = {"content-type": content_type}
    sdk, gateway = by_sdk(pieces, api, error, headers).reply, by_gateway(pieces, api, error, headers).reply
    assert without_clock(sdk) == without_clock(gateway)
    whole = by_gateway([(body, 0.0)], api, headers=headers).reply
    assert sdk.failure in (failure, whole.failure)


@given(recorded=chats() | responses(), limit=st.integers(0, 2_000), coding=st.sampled_from(["", "gzip"]))
def test_an_answer_that_we_cut_is_never_taken_for_a_complete_one(
    recorded: tuple[Api, str, bytes], limit: int, coding: str
):
    api, content_type, body = recorded
    copy = PACK[coding](body) if coding else body[:limit]

    headers = {"content-type": content_type, "content-encoding": coding}

    def read(pieces: Sequence[Piece], limit: int, *, cut: bool) -> tuple[Reply, bool]:
        call = from_gateway(pieces, api, limit=limit, cut=cut, response_headers=headers)
        exchange = call.to_exchange(SETTINGS)
        return msgspec.structs.replace(exchange.reply, cost_usd=None), exchange.truncated

    whole, _ = read([(PACK[coding](body) if coding else body, 0.0)], len(body), cut=False)
    reply, truncated = read([(copy, 0.0)], limit, cut=not coding and len(body) > limit)
    assert truncated == (len(body) > limit)
    if reply.failure != "truncated" or "bytes that are kept" not in (reply.failure_detail or ""):
        # Only what follows the model's last word is missing.
        assert msgspec.structs.replace(reply, usage=None) == msgspec.structs.replace(whole, usage=None)


def test_an_answer_in_an_unknown_content_encoding_is_dropped_for_that_reason():
    headers = {"content-type": "application/json", "content-encoding": "compress"}
    with pytest.raises(DroppedError, match="'compress'") as outcome:
        by_gateway([(b"?", 0.0)], headers=headers)
    assert outcome.value.reason == "unknown_coding"
    with pytest.raises(DroppedError) as outcome:
        by_sdk([(b"?", 0.0)], headers=headers)
    assert outcome.value.reason == "unknown_coding"


def test_a_bomb_in_the_copy_is_unpacked_to_the_limit_and_no_further():
    packed = PACK["gzip"](b'{"x":"' + b" " * 20_000_000)
    exchange = by_sdk([(packed, 0.0)], headers={"content-type": "application/json", "content-encoding": "gzip"})
    assert (exchange.truncated, exchange.reply.failure) == (True, "truncated")


def test_a_complete_answer_without_choices_is_malformed_through_the_sdk_too():
    headers = {"content-type": "application/json"}
    for reply in (by_sdk([(b'{"choices": []}', 0.0)], headers=headers).reply, replies.read("chat", {"choices": []})):
        assert reply.failure == "malformed"


@pytest.mark.parametrize("completion", [2, 12])
def test_reasoning_tokens_are_paid_for_once_whether_the_provider_counts_them_as_completion_or_beside_it(
    completion: int,
):
    details = {"completion_tokens_details": {"reasoning_tokens": 10}}
    usage = {"prompt_tokens": 3, "completion_tokens": completion, "total_tokens": 15, **details}
    body = json.dumps({"model": "big", "choices": [{"message": {"content": "x"}}], "usage": usage}).encode()
    for reply in (by_sdk([(body, 0.0)]).reply, by_gateway([(body, 0.0)]).reply):
        assert reply.usage == Usage(prompt_tokens=3, completion_tokens=12, reasoning_tokens=10)
        assert reply.cost_usd == pytest.approx(27e-6)
