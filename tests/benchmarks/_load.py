"""A load generator in a process of its own: `python -m tests.benchmarks._load`.

Reads one JSON object a line, `{"url", "concurrency", "seconds"}`, and answers each with a line
`{"per_second", "p50_ms", "p99_ms", "errors"}`. Every worker sends its next request as soon as
it has the whole answer to the last.
"""

import asyncio
import json
import sys
import time

import aiohttp
import uvloop

HEADERS = {"content-type": "application/json", "authorization": "Bearer sk-benchmark", "x-shadow-task": "bench"}
PROMPT = "The quick brown fox jumps over the lazy dog, and asks for a refund of order 4711. " * 36
BODY = json.dumps({"model": "echo", "temperature": 0, "messages": [{"role": "user", "content": PROMPT}]}).encode()


async def measure(session, url, concurrency, seconds):
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
    latencies.sort()
    return {
        "per_second": len(latencies) / took,
        "p50_ms": latencies[len(latencies) // 2] * 1e3,
        "p99_ms": latencies[int(len(latencies) * 0.99)] * 1e3,
        "errors": errors,
    }


async def main():
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        while line := await asyncio.to_thread(sys.stdin.readline):
            order = json.loads(line)
            await measure(session, order["url"], order["concurrency"], 0.3)  # connections, caches
            sys.stdout.write(json.dumps(await measure(session, **order)) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main())
