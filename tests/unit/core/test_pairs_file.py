import gzip
import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow import pairs_file
from shadow.pairs_file import BadLine, RecordedPair, file_chunks, lines
from shadow.records import Exchange, Reply, TokenProbabilities, ToolCall, Trial, Usage, candidate_reply, frontier_reply

LINE: dict[str, object] = {
    "id": "1", "task": "t", "at": "2026-09-01T00:00:00Z", "request": {"messages": []},
    "frontier": {"model": "big", "content": "a"}, "candidate": {"model": "small", "content": "b"},
}  # fmt: skip


def encoded(*lines: dict[str, object]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def read(content: bytes) -> list[RecordedPair | BadLine]:
    return list(pairs_file.read(io.BytesIO(content)))


def one(**changes: object) -> RecordedPair:
    (found,) = read(encoded({name: value for name, value in {**LINE, **changes}.items() if value is not None}))
    assert isinstance(found, RecordedPair), found
    return found


def why_bad(**changes: object) -> str:
    (found,) = read(encoded({name: value for name, value in {**LINE, **changes}.items() if value is not None}))
    assert isinstance(found, BadLine), found
    return found.reason


def test_a_line_becomes_a_shadow_trial():
    (trial,) = pairs_file.trials(
        one(reference="42", label="frontier", inclusion_probability=0.5, segment={"locale": "de"})
    )
    assert (trial.kind, trial.candidate, trial.inclusion_probability) == ("shadow", "small", 0.5)
    assert (frontier_reply(trial).content, candidate_reply(trial).content) == ("a", "b")
    assert trial.exchange.segment == {"locale": "de"}
    assert (trial.exchange.reference, trial.exchange.label) == ("42", "frontier")


def test_a_candidate_served_line_becomes_a_reverse_trial():
    (trial,) = pairs_file.trials(one(served_by="candidate"))
    assert (trial.kind, trial.exchange.reply.content, trial.reply.content) == ("reverse", "b", "a")


def test_a_ceiling_is_a_trial_of_its_own():
    shadow, ceiling = pairs_file.trials(one(ceiling={"model": "big", "content": "c"}))
    assert (shadow.kind, ceiling.kind, ceiling.candidate) == ("shadow", "ceiling", "big")
    (alone,) = pairs_file.trials(one(candidate=None, ceiling={"content": "c"}))
    assert alone.kind == "ceiling"


@pytest.mark.parametrize("missing", ["frontier", "candidate"])
@pytest.mark.parametrize("served_by", ["frontier", "candidate"])
def test_a_missing_reply_becomes_a_failure_not_asked(missing: str, served_by: str):
    (trial,) = pairs_file.trials(one(**{missing: None}, served_by=served_by))
    reply = frontier_reply(trial) if missing == "frontier" else candidate_reply(trial)
    assert (reply.failure, reply.failure_detail) == ("not_asked", pairs_file.NOT_RECORDED)


@pytest.mark.parametrize("cut", [["request"], ["reply"], ["request", "reply"]])
def test_a_line_says_what_was_cut(cut: list[str]):
    (trial,) = pairs_file.trials(one(cut=cut))
    assert (trial.exchange.truncated, trial.exchange.cut) == (True, tuple(cut))
    assert json.loads(pairs_file.encode_trial(trial))["cut"] == cut
    assert b"cut" not in pairs_file.encode_trial(*pairs_file.trials(one()))


def test_ids_are_unique_within_a_task_unless_their_scope_is_global():
    assert one().exchange.id == "t/1"
    assert one(id=7).exchange.id == "t/7"
    assert one(id_scope="global").exchange.id == "1"


def test_hand_written_variants_are_accepted():
    found = one(
        segment={"n": 1, "vip": True, "hour": "3"}, reference={"a": 1}, frontier={"content": "x"},
        candidate={"tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                                  {"name": "g", "arguments": {"a": 1}}]},
    )  # fmt: skip
    assert found.exchange.segment == {"n": "1", "vip": "true"}
    assert found.exchange.reference == '{"a":1}'
    assert found.frontier is not None
    assert found.frontier.model == "frontier"
    assert found.candidate is not None
    assert found.candidate.tool_calls == (ToolCall(name="f", arguments="{}"), ToolCall(name="g", arguments='{"a":1}'))
    assert one(request={"input": "hi"}).exchange.api == "responses"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": None}, "missing required field `id`"),
        ({"at": "2026-09-01T00:00:00"}, "timezone"),
        ({"label": "me"}, "'me' - at `$.label`"),
        ({"inclusion_probability": 0}, "inclusion_probability"),
        ({"frontier": None, "candidate": None}, "neither `frontier` nor `candidate`"),
        ({"frontier": None, "ceiling": {"content": "x"}}, "ceiling"),
        ({"candidate": {"tool_calls": ["f"]}}, "not a tool call"),
        ({"request": "hi"}, "request"),
    ],
)
def test_a_broken_line_says_what_is_wrong(changes: dict[str, object], reason: str):
    assert reason in why_bad(**changes)


def chat(**message: object) -> dict[str, object]:
    choice = {"index": 0, "message": {"role": "assistant", "content": "4", **message}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}
    return {"id": "c", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage}


DUMPED = {"role": "assistant", "content": "4", "refusal": None, "tool_calls": None, "audio": None, "annotations": None}
RESPONSE: dict[str, Any] = {
    "object": "response", "status": "completed", "model": "m",
    "output": [{"type": "message", "content": [{"type": "output_text", "text": "4"}]}],
}  # fmt: skip


@pytest.mark.parametrize(
    "reply",
    [
        DUMPED,
        chat(),
        RESPONSE,
        {"message": DUMPED},
        {"content": [{"type": "text", "text": "4"}]},
        {"model": "m", "content": "4", "latency_ms": None},
    ],
    ids=["a dumped message", "a chat completion", "a response", "a choice", "parts", "nulls"],
)  # fmt: skip
def test_a_reply_may_be_recorded_as_the_api_gives_it(reply: dict[str, object]):
    found = one(frontier=reply).frontier
    assert found is not None
    assert (found.content, found.failure, found.tool_calls) == ("4", None, ())


def test_model_usage_calls_and_measured_fields_are_read_from_an_apis_whole_answer():
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    found = one(frontier={**chat(content=None, tool_calls=[call]), "latency_ms": 812}).frontier
    assert found is not None
    assert (found.model, found.tool_calls, found.latency_ms) == ("m", (ToolCall(name="f", arguments="{}"),), 812)
    assert found.usage == Usage(prompt_tokens=5, completion_tokens=1)


@pytest.mark.parametrize(
    "reply",
    [
        {"content": "4", "reasoning": "2+2"},
        {"content": "4", "reasoning_content": "2+2"},
        {**DUMPED, "reasoning_content": "2+2", "reasoning": None},
        {**DUMPED, "reasoning_details": [{"type": "reasoning.text", "text": "2+2"}]},
        {"content": "<think>2+2</think>4"},
        {"content": "2+2\n</think>\n\n4"},
        {"content": [{"type": "thinking", "thinking": "2+2"}, {"type": "text", "text": "4"}]},
        chat(reasoning_content="2+2"),
        {"message": {**DUMPED, "content": "<think>2+2</think>4"}},
        {**RESPONSE, "output": [{"type": "reasoning", "summary": [{"text": "2+2"}]}, *RESPONSE["output"]]},
    ],
)
def test_the_reasoning_of_a_recorded_reply_is_kept_apart_however_it_was_recorded(reply: dict[str, object]):
    found = one(candidate=reply).candidate
    assert found is not None
    assert (found.content, found.reasoning, found.failure) == ("4", "2+2", None)


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 5, "completion_tokens": 67, "reasoning_tokens": 60},
        {"prompt_tokens": 5, "completion_tokens": 67, "completion_tokens_details": {"reasoning_tokens": 60}},
        {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 72, "completion_tokens_details": None},
        {"input_tokens": 5, "output_tokens": 67, "output_tokens_details": {"reasoning_tokens": 60}, "total_tokens": 72},
    ],
)
def test_token_counts_may_be_recorded_as_an_api_reports_them(usage: dict[str, object]):
    found = one(candidate={"content": "4", "usage": usage}).candidate
    assert found is not None
    assert found.usage == Usage(prompt_tokens=5, completion_tokens=67, reasoning_tokens=60)


@pytest.mark.parametrize(
    "reply",
    [
        {"status_code": 200, "body": chat()},
        {"response": {"status_code": 200, "request_id": "r", "body": chat()}, "error": None},
        {"response": RESPONSE},
        {"content": None, "audio": {"id": "a", "transcript": "4"}},
        {"content": 4},
        {"object": "text_completion", "choices": [{"text": "4", "finish_reason": "stop"}]},
    ],
    ids=["a body", "a line of a batch", "a response in a response", "sound", "a number", "a text completion"],
)
def test_a_reply_is_found_where_logs_have_it(reply: dict[str, object]):
    found = one(frontier=reply).frontier
    assert found is not None
    assert (found.content, found.failure) == ("4", None)


def test_a_recorded_error_a_refusal_part_and_a_legacy_call_are_read():
    failed = one(frontier={"error": {"message": "slow down", "code": 429}}).frontier
    assert failed is not None
    assert (failed.failure, failed.failure_detail) == ("rate_limited", "slow down")
    refused = one(frontier={"content": [{"type": "refusal", "refusal": "no"}]}).frontier
    assert refused is not None
    assert refused.refusal == "no"
    called = one(frontier={"content": None, "function_call": {"name": "f", "arguments": "{}"}}).frontier
    assert called is not None
    assert called.tool_calls == (ToolCall(name="f", arguments="{}"),)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ({"text": "4"}, "a reply has no `content`, only `text`"),
        ({"answer": "4", "score": 1}, "a reply has no `content`, only `answer`, `score`"),
        ("4", "`frontier` is text; write"),
        ("ChatCompletion(id='c', choices=[])", "`frontier` is text; write"),
    ],
)
def test_a_reply_without_a_reply_in_it_is_a_broken_line_and_no_empty_answer(reply: object, reason: str):
    assert reason in why_bad(frontier=reply)


def test_counts_written_as_text_are_counts():
    found = one(frontier={"content": "4", "usage": {"prompt_tokens": "5", "completion_tokens": 1.0}}).frontier
    assert found is not None
    assert found.usage == Usage(prompt_tokens=5, completion_tokens=1)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\n\n \n"])
def test_a_file_is_read_in_the_encodings_and_with_the_line_ends_that_editors_write(encoding: str, line_end: str):
    lines = [json.dumps({**LINE, "id": str(n), "frontier": {"content": "grün 😀"}}, ensure_ascii=False) for n in (1, 2)]
    found = read((line_end.join(lines) + line_end).encode(encoding))
    contents = [pair.frontier.content for pair in found if isinstance(pair, RecordedPair) and pair.frontier]
    assert contents == ["grün 😀", "grün 😀"]


def test_damage_in_a_utf16_file_ends_it_with_a_reason():
    *_, last = read(encoded(LINE).decode().encode("utf-16") + b"\x00\xdc\x00\xdc")
    assert isinstance(last, BadLine)
    assert "the file is damaged from here on" in last.reason


def test_what_python_writes_as_json_is_read():
    line = json.dumps(
        {**LINE, "reference": float("nan"), "frontier": {"content": "a\ud83d", "latency_ms": float("nan")}}
    )
    (found,) = read(line.encode())
    assert isinstance(found, RecordedPair), found
    assert found.frontier is not None
    assert (found.frontier.content, found.frontier.latency_ms, found.exchange.reference) == ("a\ufffd", None, None)


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (json.dumps([LINE]), "jq -c '.[]'"),
        (json.dumps([LINE], indent=1), "jq -c '.[]'"),
        (json.dumps(LINE, indent=1), "jq -c ."),
    ],
)
def test_a_json_file_that_is_no_file_of_lines_is_reported_with_the_mend(content: str, hint: str):
    first = read(content.encode())[0]
    assert isinstance(first, BadLine)
    assert hint in first.reason


def test_null_is_absent():
    (found,) = read(
        encoded({**LINE, "segment": {"locale": None, "plan": "pro"}, "unit": None, "label": None, "candidate": None})
    )
    assert isinstance(found, RecordedPair)
    assert (found.exchange.segment, found.candidate) == ({"plan": "pro"}, None)
    (without,) = read(encoded({**LINE, "segment": None}))
    assert isinstance(without, RecordedPair)


def test_a_misspelled_key_is_an_error_and_other_unknown_keys_are_ignored():
    assert "unknown key `refrence` of a line; did you mean `reference`?" in why_bad(refrence="42")
    assert "unknown key `contents` of a reply; did you mean `content`?" in why_bad(frontier={"contents": "x"})
    assert one(ticket_number=7).frontier == one().frontier


def test_broken_lines_keep_their_number_and_do_not_stop_the_rest():
    content = b"\xef\xbb\xbf" + encoded(LINE) + b"\n{\n\xff\n[1]\n   \n" + encoded(LINE).strip()
    found = read(content)
    assert [line.number for line in found] == [1, 3, 4, 5, 7]
    assert [type(line) for line in found] == [RecordedPair, BadLine, BadLine, BadLine, RecordedPair]


@pytest.mark.parametrize("chunk", [1, 100, 999, 2_000])
def test_a_line_that_is_too_long_is_reported_and_skipped(monkeypatch: pytest.MonkeyPatch, chunk: int):
    monkeypatch.setattr(file_chunks, "MAX_LINE", 2_000)
    monkeypatch.setattr(file_chunks, "CHUNK", chunk)
    long = {**LINE, "reference": "x" * 5_000}
    found = read(encoded(LINE, long, LINE, long))
    assert [type(line) for line in found] == [RecordedPair, BadLine, RecordedPair, BadLine]
    assert [line.number for line in found] == [1, 2, 3, 4]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("chunk", [1, 7, 300, 100_000])
@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n \n"])
def test_the_size_of_the_pieces_changes_no_line(monkeypatch, chunk, end, compressed):
    content = b"\xef\xbb\xbf" + encoded(*[{**LINE, "id": str(i)} for i in range(5)]).replace(b"\n", b"\n{\n", 2)
    content = content.rstrip(b"\n") + end
    expected = read(content)
    assert [line.number for line in expected] == [1, 2, 3, 4, 5, 6, 7]
    monkeypatch.setattr(file_chunks, "CHUNK", chunk)
    assert read(gzip.compress(content) if compressed else content) == expected


def test_gzip_is_recognised_by_its_content_and_a_damaged_file_gives_the_lines_before_the_damage():
    packed = gzip.compress(encoded(*[{**LINE, "id": str(i), "x": str(hash(str(i)))} for i in range(1_000)]))
    assert len(read(packed)) == 1_000
    found = read(packed[: len(packed) // 2])
    assert len(found) > 10
    assert isinstance(found[-1], BadLine)
    assert "damaged" in found[-1].reason


REPLIES = st.builds(
    Reply,
    model=st.text(min_size=1),
    content=st.one_of(st.none(), st.text()),
    reasoning=st.one_of(st.none(), st.text(st.characters(categories=["L", "P"]), min_size=1)),
    tool_calls=st.lists(st.builds(ToolCall, name=st.text(), arguments=st.text()), max_size=2).map(tuple),
    usage=st.one_of(
        st.none(), st.builds(Usage, prompt_tokens=st.integers(0, 9), reasoning_tokens=st.none() | st.integers(0, 9))
    ),
    latency_ms=st.one_of(st.none(), st.floats(0, 1e6)),
    cost_usd=st.one_of(st.none(), st.floats(0, 1)),
    confidence=st.one_of(st.none(), st.floats(0, 1)),
    confidence_reason=st.sampled_from([None, "not_reported"]),
    token_probabilities=st.sampled_from(
        [None, TokenProbabilities(n=9, q0=0.1, q10=0.2, q25=0.3, q50=0.4, least_margin=0.05)]
    ),
    failure=st.sampled_from([None, "timeout", "refusal", "truncated"]),
)


@given(
    REPLIES, REPLIES, st.sampled_from(["shadow", "reverse", "ceiling"]), st.text(min_size=1), st.floats(0.001, 1),
    st.dictionaries(st.text(min_size=1, max_size=9), st.text(max_size=64), max_size=3),
)  # fmt: skip
def test_an_exported_trial_is_read_back_the_same(served, other, kind, candidate, probability, segment):
    at = datetime(2026, 9, 1, 12, 30, tzinfo=UTC)
    exchange = Exchange(
        id="e", task="t", at=at, request={"messages": [{"content": "hi"}]}, reply=served, unit="u", segment=segment,
        served_by="candidate" if kind == "reverse" else "frontier", inclusion_probability=probability,
    )  # fmt: skip
    trial = Trial(
        exchange=exchange, kind=kind, candidate=candidate, reply=other, at=at, inclusion_probability=probability
    )
    (found,) = pairs_file.read(io.BytesIO(pairs_file.encode_trial(trial)))
    assert isinstance(found, RecordedPair), found
    assert pairs_file.trials(found) == [trial]


def test_the_candidates_confidence_is_read_and_a_number_outside_0_to_1_is_a_broken_line():
    assert one(candidate={"model": "m", "content": "4", "confidence": 0.93}).candidate == Reply(
        model="m", content="4", confidence=0.93
    )
    assert one(candidate={"model": "m", "content": "4", "confidence": None}).candidate == Reply(model="m", content="4")
    for wrong in (1.2, -0.1, "high"):
        assert "candidate.confidence" in why_bad(candidate={"model": "m", "content": "4", "confidence": wrong})


def test_a_recorded_answer_with_log_probabilities_has_its_confidence():
    entry = {"token": "4", "logprob": -0.5, "bytes": [52], "top_logprobs": []}
    choice = {"message": {"role": "assistant", "content": "4"}, "logprobs": {"content": [entry]}}
    answer = {"model": "m", "choices": [{"index": 0, "finish_reason": "stop", **choice}]}
    for recorded in (answer, choice):
        found = one(candidate=recorded).candidate
        assert found is not None
        assert found.confidence == pytest.approx(0.60653, abs=1e-5)
    own = one(candidate={**answer, "confidence": 0.25}).candidate
    assert own is not None
    assert own.confidence == 0.25


def test_a_failure_set_by_a_scorer_is_not_exported():
    exchange = Exchange(
        id="e", task="t", at=datetime(2026, 9, 1, tzinfo=UTC), request={}, reply=Reply(model="b", content="1")
    )
    reply = Reply(model="s", content="none", failure="malformed", failure_detail="no number in the reply")
    trial = Trial(exchange=exchange, kind="shadow", candidate="s", reply=reply, at=exchange.at)
    written = json.loads(pairs_file.encode_trial(trial))
    assert written["candidate"] == {"model": "s", "content": "none"}


@given(REPLIES, st.text(min_size=1), st.one_of(st.none(), st.sampled_from(["frontier", "tie"])))
def test_a_line_made_of_another_tools_record_is_read_back_the_same(reply, prompt, label):
    at = datetime(2026, 9, 1, tzinfo=UTC)
    request = {"messages": [{"role": "user", "content": prompt}]}
    line = pairs_file.encode_line(
        {"id": 7, "task": "t", "at": at, "request": request, "candidate": reply, "frontier": None, "label": label}
    )
    (found,) = read(line)
    assert isinstance(found, RecordedPair), found
    assert (found.exchange.id, found.exchange.at, found.exchange.request) == ("t/7", at, request)
    assert (found.candidate, found.frontier, found.exchange.label) == (reply, None, label)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"at": datetime(2026, 9, 1)}, "at"),  # noqa: DTZ001 - the missing time zone is the point
        ({"candidate": None, "frontier": None}, "neither"),
        ({"task": None}, "task"),
        ({"label": "better"}, "label"),
        ({"refrence": "42"}, "no key 'refrence'"),
        ({"request": {"prompt": "\ud800"}}, "surrogates"),
    ],
)
def test_a_line_that_could_not_be_read_is_not_written(changes, reason):
    with pytest.raises(ValueError, match=reason):
        pairs_file.encode_line({**LINE, **changes})


def test_a_line_that_is_too_long_to_read_is_not_written(monkeypatch):
    monkeypatch.setattr(lines, "MAX_LINE", 100)
    with pytest.raises(ValueError, match="longer than"):
        pairs_file.encode_line(LINE)
