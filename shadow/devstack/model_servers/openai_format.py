"""A reply in the format of an OpenAI-compatible server: whole, or as a stream."""

import math
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from shadow.records import Reply, Usage

#: Marks every answer as simulated.
FINGERPRINT: Final = "simulated"

#: Characters in one event of a stream.
_PIECE: Final = 24


def chat(reply: Reply, *, number: int, created: int, logprobs: bool = False) -> bytes:
    """The body of a Chat Completion; with `logprobs` also the log-probabilities that give the reply's confidence."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.content, "refusal": reply.refusal}
    if reply.tool_calls:
        message["tool_calls"] = _tool_calls(reply, number)
    return msgspec.json.encode(
        {
            **_chat_head(reply, number, created, "chat.completion"),
            "choices": [
                {
                    "index": 0,
                    "message": message,
                    "logprobs": {"content": _tokens(reply)} if logprobs and _tokens(reply) else None,
                    "finish_reason": reply.finish_reason,
                }
            ],
            "usage": _chat_usage(reply.usage),
        }
    )


def chat_stream(
    reply: Reply, *, number: int, created: int, include_usage: bool, logprobs: bool = False
) -> Iterator[bytes]:
    """The events of a streamed Chat Completion, `[DONE]` included."""
    head = _chat_head(reply, number, created, "chat.completion.chunk")
    if include_usage:  # then every chunk has the key, and only the last one has a value
        head["usage"] = None

    def chunk(delta: dict[str, Any], finish_reason: str | None = None, token: dict[str, Any] | None = None) -> bytes:
        described = None if token is None else {"content": [token]}
        choice = {"index": 0, "delta": delta, "logprobs": described, "finish_reason": finish_reason}
        return _event({**head, "choices": [choice]})

    yield chunk({"role": "assistant", "content": ""})
    for call in _tool_calls(reply, number):
        opened = {**call["function"], "arguments": ""}
        yield chunk({"tool_calls": [{**call, "function": opened}]})
        for piece in _pieces(call["function"]["arguments"]):
            yield chunk({"tool_calls": [{"index": call["index"], "function": {"arguments": piece}}]})
    for piece in _pieces(reply.refusal):
        yield chunk({"refusal": piece})
    tokens = _tokens(reply) if logprobs else []
    for place, piece in enumerate(_pieces(reply.content)):
        yield chunk({"content": piece}, token=tokens[place] if tokens else None)
    yield chunk({}, reply.finish_reason)
    if include_usage:
        yield _event({**head, "choices": [], "usage": _chat_usage(reply.usage)})
    yield b"data: [DONE]\n\n"


def response(reply: Reply, *, number: int, created: int) -> bytes:
    """The body of a Response."""
    return msgspec.json.encode(_response(reply, number, created))


def response_stream(reply: Reply, *, number: int, created: int) -> Iterator[bytes]:
    """The events of a streamed Response."""
    whole = _response(reply, number, created)
    started = {**whole, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    sequence = iter(range(1_000_000))

    def event(kind: str, **fields: Any) -> bytes:
        data = {"type": f"response.{kind}", "sequence_number": next(sequence), **fields}
        return b"event: response." + kind.encode() + b"\n" + _event(data)

    yield event("created", response=started)
    yield event("in_progress", response=started)
    for index, item in enumerate(whole["output"]):
        place = {"item_id": item["id"], "output_index": index}
        if item["type"] == "function_call":
            opened = {**item, "arguments": "", "status": "in_progress"}
            yield event("output_item.added", output_index=index, item=opened)
            for piece in _pieces(item["arguments"]):
                yield event("function_call_arguments.delta", **place, delta=piece)
            yield event("function_call_arguments.done", **place, arguments=item["arguments"], name=item["name"])
        else:
            yield event("output_item.added", output_index=index, item={**item, "content": [], "status": "in_progress"})
            part = item["content"][0]
            name, text = ("refusal", part["refusal"]) if "refusal" in part else ("text", part["text"])
            kind, place = ("refusal" if name == "refusal" else "output_text"), {**place, "content_index": 0}
            yield event("content_part.added", **place, part={**part, name: ""})
            for piece in _pieces(text):
                yield event(f"{kind}.delta", **place, delta=piece, logprobs=[])
            yield event(f"{kind}.done", **place, **{name: text}, logprobs=[])
            yield event("content_part.done", **place, part=part)
        yield event("output_item.done", output_index=index, item=item)
    yield event("incomplete" if whole["status"] == "incomplete" else "completed", response=whole)


def error(message: str, *, kind: str, code: str | None = None) -> bytes:
    """The body of an error."""
    return msgspec.json.encode({"error": {"message": message, "type": kind, "param": None, "code": code}})


def models(names: list[str]) -> bytes:
    """The body of the list of models."""
    data = [{"id": name, "object": "model", "created": 0, "owned_by": FINGERPRINT} for name in names]
    return msgspec.json.encode({"object": "list", "data": data})


def _chat_head(reply: Reply, number: int, created: int, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-simulated-{number}",
        "object": kind,
        "created": created,
        "model": reply.model,
        "system_fingerprint": FINGERPRINT,
    }


def _chat_usage(usage: Usage | None) -> dict[str, int] | None:
    prompt, completion = _counts(usage)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _tool_calls(reply: Reply, number: int) -> list[dict[str, Any]]:
    return [
        {
            "index": index,
            "id": f"call-{number}-{index}",
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for index, call in enumerate(reply.tool_calls)
    ]


def _response(reply: Reply, number: int, created: int) -> dict[str, Any]:
    prompt, completion = _counts(reply.usage)
    cut = reply.finish_reason == "length"
    return {
        "id": f"resp-simulated-{number}",
        "object": "response",
        "created_at": created,
        "status": "incomplete" if cut else "completed",
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "instructions": None,
        "metadata": {"fingerprint": FINGERPRINT},
        "model": reply.model,
        "output": _output(reply, number),
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": {
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": completion,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": prompt + completion,
        },
    }


def _output(reply: Reply, number: int) -> list[dict[str, Any]]:
    if reply.tool_calls:
        return [
            {
                "type": "function_call",
                "id": f"fc-{number}-{index}",
                "call_id": f"call-{number}-{index}",
                "status": "completed",
                "name": call.name,
                "arguments": call.arguments,
            }
            for index, call in enumerate(reply.tool_calls)
        ]
    if reply.refusal:
        part: dict[str, Any] = {"type": "refusal", "refusal": reply.refusal}
    else:
        part = {"type": "output_text", "text": reply.content or "", "annotations": [], "logprobs": []}
    message = {"type": "message", "id": f"msg-{number}", "status": "completed", "role": "assistant", "content": [part]}
    return [message]


def _counts(usage: Usage | None) -> tuple[int, int]:
    return (usage.prompt_tokens or 0, usage.completion_tokens or 0) if usage else (0, 0)


def _tokens(reply: Reply) -> list[dict[str, Any]]:
    """The pieces of the content as tokens whose geometric mean is the confidence; none for a reply without one.

    The first token decides what the answer is, as the first of a label does, and the others follow from it.
    """
    if not reply.confidence or not reply.content:
        return []
    pieces = list(_pieces(reply.content))
    first = len(pieces) * math.log(reply.confidence)
    return [_token(piece, first if place == 0 else 0.0) for place, piece in enumerate(pieces)]


def _token(piece: str, logprob: float) -> dict[str, Any]:
    rest = max(1 - math.exp(logprob), 1e-9)
    top = [{"token": piece, "logprob": logprob}, {"token": "", "logprob": math.log(rest / 2)}]
    return {"token": piece, "bytes": list(piece.encode()), "logprob": logprob, "top_logprobs": top}


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(data) + b"\n\n"


def _pieces(text: str | None) -> Iterator[str]:
    for start in range(0, len(text or ""), _PIECE):
        yield (text or "")[start : start + _PIECE]
