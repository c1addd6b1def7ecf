"""A load generator in a process of its own: `python -m tests.benchmarks._load_generator`.

Reads one JSON object a line and answers each with a JSON line. `mode` is one of

    closed_loop  `concurrency` workers; each sends its next request once it has the whole answer to the last
    fixed_rate   `rate` requests a second, sent whether or not earlier ones are answered
    streams      `concurrency` streamed answers at any time; each is replaced as soon as it ends, and the
                 latency is that of the first event

each for `seconds` at `url`. A latency at a fixed rate counts from the moment at which the request was due,
so that a server that stalls is charged for the requests which had to wait meanwhile.
"""

import asyncio
import ctypes
import json
import os
import random
import subprocess
import sys
import time
from typing import Any

import aiohttp
import uvloop

from tests.benchmarks._upstream import EVENT_EVERY_S, EVENTS

HEADERS = {"content-type": "application/json", "authorization": "Bearer sk-benchmark", "x-shadow-task": "bench"}
PROMPT = "The quick brown fox jumps over the lazy dog, and asks for a refund of order 4711. " * 36
REQUEST = {"model": "echo", "temperature": 0, "messages": [{"role": "user", "content": PROMPT}]}
BODY = json.dumps(REQUEST).encode()
STREAM_BODY = json.dumps({**REQUEST, "stream": True, "stream_options": {"include_usage": True}}).encode()
STREAM = b"".join(EVENTS)
WARM_UP_S = 0.3


async def closed_loop(session, url, concurrency, seconds):
    latencies, errors = [], 0
    begin = time.perf_counter()

    async def worker():
        nonlocal errors
        while (started := time.perf_counter()) < begin + seconds:
            async with session.post(url, data=BODY, headers=HEADERS) as response:
                await response.read()
                errors += response.status != 200
            latencies.append(time.perf_counter() - started)

    await asyncio.gather(*(worker() for _ in range(concurrency)))
    took = time.perf_counter() - begin
    return {"requests": len(latencies), "per_second": len(latencies) / took, "errors": errors, **quantiles(latencies)}


async def fixed_rate(session, url, rate, seconds):
    latencies, errors = [], 0

    async def request(due):
        nonlocal errors
        try:
            async with session.post(url, data=BODY, headers=HEADERS) as response:
                await response.read()
                errors += response.status != 200
        except aiohttp.ClientError:
            errors += 1
        latencies.append(time.perf_counter() - due)

    requests = [asyncio.ensure_future(request(due)) async for due in ticks(rate, round(rate * seconds))]
    await asyncio.gather(*requests)
    return {"requests": len(requests), "errors": errors, **quantiles(latencies)}


async def streams(session, url, concurrency, seconds):
    first_events, requests, incomplete = [], 0, 0
    duration = len(EVENTS) * EVENT_EVERY_S
    begin = time.perf_counter() + duration

    async def worker(number):
        nonlocal requests, incomplete
        # Started at random moments of the time that one stream takes, they stay spread like that.
        await asyncio.sleep(duration * random.Random(number).random())
        while (started := time.perf_counter()) < begin + seconds:
            requests += 1
            received: list[bytes] = []
            try:
                async with session.post(url, data=STREAM_BODY, headers=HEADERS) as response:
                    async for piece in response.content.iter_any():
                        if not received and started > begin:
                            first_events.append(time.perf_counter() - started)
                        received.append(piece)
            except aiohttp.ClientError:
                pass
            incomplete += b"".join(received) != STREAM

    await asyncio.gather(*(worker(number) for number in range(concurrency)))
    return {"requests": requests, "errors": incomplete, **quantiles(first_events)}


async def ticks(rate, number):
    """`number` moments (`time.perf_counter`), `rate` a second: each one yielded when it has come.

    On a timer of the operating system (Linux), because an event loop's are coarser than what is measured.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    timer = libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK)
    if timer < 0:
        raise OSError(ctypes.get_errno(), "timerfd_create")
    loop = asyncio.get_running_loop()
    rung = asyncio.Event()
    loop.add_reader(timer, rung.set)
    try:
        interval = (0, round(1e9 / rate))
        began = time.perf_counter()
        libc.timerfd_settime(timer, 0, (ctypes.c_long * 4)(*interval, *interval), None)
        passed = 0
        while passed < number:
            await rung.wait()
            rung.clear()
            for _ in range(int.from_bytes(os.read(timer, 8), sys.byteorder)):
                passed += 1
                if passed <= number:
                    yield began + passed / rate
    finally:
        loop.remove_reader(timer)
        os.close(timer)


def quantiles(seconds):
    seconds.sort()
    return {"p50_ms": seconds[len(seconds) // 2] * 1e3, "p99_ms": seconds[int(len(seconds) * 0.99)] * 1e3}


class LoadGenerator:
    """Runs a load generator: `load(url, mode="closed_loop", concurrency=8)` is its measurement, as a dict."""

    def __enter__(self):
        command = [sys.executable, "-m", "tests.benchmarks._load_generator"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdin
        assert self._process.stdout
        self._orders, self._results = self._process.stdin, self._process.stdout
        return self

    def __exit__(self, *_):
        self._orders.close()
        self._process.wait(10)
        self._results.close()

    def __call__(self, url, **order):
        self._orders.write(json.dumps({"url": f"{url}/v1/chat/completions", **order}) + "\n")
        self._orders.flush()
        return json.loads(self._results.readline())


async def main():
    modes: dict[str, Any] = {"closed_loop": closed_loop, "fixed_rate": fixed_rate, "streams": streams}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        while line := await asyncio.to_thread(sys.stdin.readline):
            order = json.loads(line)
            measure = modes[order.pop("mode")]
            warm_up = await measure(session, **order | {"seconds": WARM_UP_S})  # connections, caches
            result = await measure(session, **order)
            # Of both, for they all are to be found among what was mirrored.
            result["sent"] = warm_up["requests"] + result["requests"]
            result["errors"] += warm_up["errors"]
            sys.stdout.write(json.dumps(result) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main())
