"""The gateway collects garbage rarely, which is harmless only while requests leave none behind."""

import gc
from contextlib import ExitStack

import aiohttp

from tests.support import gateways, scripted

BODY = b'{"model": "gpt-x", "messages": [{"role": "user", "content": "hi"}]}'
HEADERS = {"x-shadow-task": "intent", "content-type": "application/json"}
OURS = ("shadow.gateway", "shadow.recording", "uvicorn")


async def test_requests_leave_no_reference_cycles_behind():
    with ExitStack() as stack:
        gateway = gateways.run(stack, scripted.whole(b"{}"))
        async with aiohttp.ClientSession() as session:

            async def ask() -> None:
                async with session.post(f"{gateway.url}/v1/chat/completions", data=BODY, headers=HEADERS) as response:
                    await response.read()

            await ask()
            gc.collect()
            gc.disable()
            gc.set_debug(gc.DEBUG_SAVEALL)
            try:
                for _ in range(20):
                    await ask()
                gateway.publisher.settled(21)
                gc.collect()
                left = [item for item in gc.garbage if type(item).__module__.startswith(OURS)]
            finally:
                gc.set_debug(0)
                gc.garbage.clear()
                gc.enable()
    assert left == []
