"""The fake upstream of the gateway's benchmarks: `uvicorn tests.benchmarks._upstream:app`.

Answers at once with 1 KB, as JSON or as a stream of server-sent events. The events of a stream are
`EVENT_EVERY_S` apart, the first one immediate. They are encoded once, at import, so that the upstream
takes as little as possible of the processors it shares with what is measured.
"""

import asyncio

from shadow.devstack.model_servers import openai_format
from shadow.devstack.model_servers.models import echo_app
from shadow.records import Reply, Usage

CONTENT = "Your refund is on its way and will arrive within five days. " * 17
EVENT_EVERY_S = 0.02
EVENTS = tuple(
    openai_format.chat_stream(
        Reply(
            model="echo", content=CONTENT, finish_reason="stop", usage=Usage(prompt_tokens=750, completion_tokens=250)
        ),
        number=1,
        created=1,
        include_usage=True,
    )
)

_HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
_echo = echo_app(content=CONTENT)


async def app(scope, receive, send):
    if scope["type"] != "http":
        await _echo(scope, receive, send)
        return
    message = await receive()
    body = message["body"]
    while message["more_body"]:
        message = await receive()
        body += message["body"]
    if b'"stream": true' in body:
        await _stream(send)
    else:
        await _echo(scope, _received(body), send)


def _received(body):
    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _stream(send):
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    loop = asyncio.get_running_loop()
    due = loop.time()
    for event in EVENTS:
        await send({"type": "http.response.body", "body": event, "more_body": True})
        due += EVENT_EVERY_S
        await asyncio.sleep(due - loop.time())
    await send({"type": "http.response.body", "body": b""})
