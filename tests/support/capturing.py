"""An OpenAI-compatible server with many failures, and a publisher that keeps what it is offered."""

import asyncio
import json
import threading
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from shadow.errors import DroppedError
from shadow.settings import ModelSettings, Settings, TaskSettings
from tests.support.packing import PACK

SETTINGS = Settings(
    models={
        "big": ModelSettings(base_url="http://frontier/v1", input_usd_per_million=1, output_usd_per_million=2),
        "small": ModelSettings(base_url="http://candidate/v1", model="small-7b", input_usd_per_million=0),
    },
    tasks={
        "intent": TaskSettings(frontier="big", candidates=("small",), segments=("locale",), aliases=("intent-model",)),
        "half": TaskSettings(frontier="big", mirror_rate=0.5),
    },
)


class Collected:
    """Stands in for the publisher's queue and thread: builds each exchange at once and keeps it."""

    def __init__(self, settings=SETTINGS):
        self.settings = settings
        self.exchanges = []
        self.sampled_out = []
        self.dropped = []
        self.lock = threading.Lock()

    def offer(self, call, reserved=0):
        self.release(reserved)
        assert call.task
        assert call.size > 0
        with self.lock:
            try:
                self.exchanges.append(call.to_exchange(self.settings))
            except DroppedError as outcome:
                self.dropped.append(outcome.reason)
        return True

    def reserve(self, size):
        assert size > 0
        return True

    def release(self, size):
        assert size >= 0

    def refuse(self, task, reason):
        assert task
        self.dropped.append(reason)

    def count_sampled_out(self, task):
        self.sampled_out.append(task)

    def outcomes(self):
        return {}

    def only(self):
        assert len(self.exchanges) == 1, self.exchanges
        return self.exchanges[0]


class Upstream:
    """What it answers depends on the model's name; see the methods. `attempts` counts requests."""

    def __init__(self):
        self.attempts = 0
        self.hold = threading.Event()  # a "held" stream sends its second half once this is set
        routes = [
            Route("/v1/chat/completions", self.chat, methods=["POST"]),
            Route("/v1/responses", self.responses, methods=["POST"]),
            Route("/openai/deployments/{name}/chat/completions", self.chat, methods=["POST"]),
            Route("/v1/models", self.models),
        ]
        self.app = Starlette(routes=routes)

    async def models(self, _: Request) -> Response:
        return JSONResponse({"object": "list", "data": []})

    async def chat(self, request: Request) -> Any:
        body = await request.json()
        return await self._failure(body) or await self._answer(body, chat_body(body), chat_events(body))

    async def responses(self, request: Request) -> Any:
        body = await request.json()
        return await self._failure(body) or await self._answer(body, responses_body(body), responses_events(body))

    async def _failure(self, body):
        self.attempts += 1
        match body["model"]:
            case "twice-down" if self.attempts <= 2:
                return JSONResponse({"error": {"message": "try again"}}, 500, headers={"retry-after-ms": "1"})
            case "down":
                return JSONResponse({"error": {"message": "down"}}, 503, headers={"retry-after-ms": "1"})
            case "busy":
                return JSONResponse({"error": {"message": "slow down"}}, 429, headers={"retry-after-ms": "1"})
            case "wrong":
                return JSONResponse({"error": {"message": "no such tool", "code": "x"}}, 400)
            case "slow":
                await asyncio.sleep(30)
            case "garbled":
                return PlainTextResponse("{not json", media_type="application/json")
        return None

    async def _answer(self, body, whole, events):
        if not body.get("stream"):
            if coding := coding_of(body["model"]):
                packed = PACK[coding](json.dumps(whole).encode())
                return Response(packed, media_type="application/json", headers={"content-encoding": coding})
            return JSONResponse(whole, headers={"x-request-id": "req-1"})
        headers = {"content-encoding": coding} if (coding := coding_of(body["model"])) else {}
        return StreamingResponse(self._stream(body["model"], events), media_type="text/event-stream", headers=headers)

    async def _stream(self, model, events):
        frames = [f"data: {json.dumps(event)}\n\n".encode() for event in events] + [b"data: [DONE]\n\n"]
        if coding := coding_of(model):
            yield PACK[coding](b"".join(frames))
            return
        for index, frame in enumerate(frames):
            if index == 2:
                if model == "cut":
                    raise ConnectionResetError("the connection breaks here")
                if model == "held":
                    await asyncio.to_thread(self.hold.wait, 20)
            yield frame


def coding_of(model):
    """`zipped`, or `packed:` and a content coding: how this model's answers come."""
    return "gzip" if model == "zipped" else model.partition("packed:")[2]


TOOL_CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"q": "x"}'}}


def chat_body(body):
    message: dict[str, Any] = {"role": "assistant", "content": "billing"}
    finish = "stop"
    if body.get("tools"):
        message, finish = {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]}, "tool_calls"
    if body.get("response_format"):
        message = {"role": "assistant", "content": '{"label": "billing"}'}
    if body["model"] == "long":
        message, finish = {"role": "assistant", "content": '{"label": "bil'}, "length"
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12},
    }


def chat_events(body):
    def chunk(**choice):
        choices = [{"index": 0, "delta": {}, "finish_reason": None, **choice}]
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": body["model"],
            "choices": choices,
        }

    usage = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
    return [
        chunk(delta={"role": "assistant", "content": ""}),
        chunk(delta={"content": '{"label": "bil' if body.get("response_format") else "bil"}),
        chunk(delta={"content": 'ling"}' if body.get("response_format") else "ling"}),
        chunk(finish_reason="stop"),
        {**chunk(), "choices": [], "usage": usage},
    ]


def responses_body(body):
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": body["model"],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "output": [
            {
                "type": "message",
                "id": "m1",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": '{"label": "billing"}', "annotations": []}],
            }
        ],
        "usage": {
            "input_tokens": 10,
            "output_tokens": 2,
            "total_tokens": 12,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        },
    }


def responses_events(body):
    whole = responses_body(body)
    place = {"item_id": "m1", "output_index": 0, "content_index": 0, "logprobs": []}
    item = {**whole["output"][0], "content": []}
    part = {"type": "output_text", "text": "", "annotations": []}
    return [
        {
            "type": "response.created",
            "sequence_number": 0,
            "response": {**whole, "status": "in_progress", "output": []},
        },
        {"type": "response.output_item.added", "sequence_number": 1, "output_index": 0, "item": item},
        {"type": "response.content_part.added", "sequence_number": 2, "part": part, **place},
        {"type": "response.output_text.delta", "sequence_number": 3, "delta": '{"label": ', **place},
        {"type": "response.output_text.delta", "sequence_number": 4, "delta": '"billing"}', **place},
        {"type": "response.completed", "sequence_number": 5, "response": whole},
    ]
