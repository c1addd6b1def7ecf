"""What mirroring costs the application that is mirrored: time for the caller, and memory.

A mirrored client and a plain one ask the same in-process transport, turn by turn in one run; the
requests are 4 KB. Between two turns the process is idle for a moment, as a process that waits
for a model is. What is added is read off twice: as the time the caller spends inside our code,
and as the difference between whole calls, which also feels the publishing thread at work, and
the noise of the machine.
"""

import json
import subprocess
import sys
import time
from contextlib import ExitStack

import httpx2
from openai import OpenAI

from shadow import mirror
from shadow.devstack.broker import EmbeddedBroker
from shadow.devstack.processes import free_port
from shadow.publisher import Publisher
from shadow.settings import Kafka, Settings
from shadow.topics import create_topics
from tests.services import service_folder

TURNS = 600
WARM_UP = 100
PAUSE_S = 0.002
WORDS = "The customer asks why the invoice of the last month lists the same item twice and wants it mended. "
ASK = {"model": "big", "messages": [{"role": "user", "content": (WORDS * 42)[:4_096]}]}
MIB = 2**20

#: Offers 4 KB exchanges to a broker that is not there, for longer than the delivery timeout.
OFFER_TO_NOBODY = """
import sys, time, psutil
from functools import partial
from tests.benchmarks.capture import exchange_of_4_kb
from shadow.publisher import Publisher
from shadow.settings import Kafka, Settings
publisher = Publisher(Settings(kafka=Kafka(bootstrap_servers=sys.argv[1])))
me = psutil.Process()
publisher.offer(partial(exchange_of_4_kb, 0, bytes(4096)), task="t", size=4096)
time.sleep(1)
before = peak = me.memory_info().rss
number = 0
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    for _ in range(200):
        number += 1
        publisher.offer(partial(exchange_of_4_kb, number, number.to_bytes(4, "big") * 1024), task="t", size=4096)
    peak = max(peak, me.memory_info().rss)
    time.sleep(0.002)
print(number, peak - before)
"""


def measure():
    rows = []
    with ExitStack() as stack:
        folder = stack.enter_context(service_folder("bench-capture"))
        broker = EmbeddedBroker(log=folder / "broker.log")
        broker.start()
        stack.callback(broker.kill)
        create_topics(broker.bootstrap, {"shadow.exchanges": 4})
        rows += added("alive", broker.bootstrap)
        rows += added("frozen", broker.bootstrap, at_half=broker.pause)
        broker.resume()
        rows += added("alive, answer streamed in 50 pieces", broker.bootstrap, stream=True)
    rows += added("absent", f"127.0.0.1:{free_port()}")
    offers, grown = memory_of_a_dead_broker(seconds=15)
    rows.append(
        (f"memory after {offers:,} offers to a dead broker (budget 64 MiB)", f"+{grown / MIB:.0f} MiB", "≤ +84 MiB")
    )
    return rows


def added(state, bootstrap, *, stream=False, at_half=None):
    """What mirroring adds for the caller, in µs."""
    publisher = Publisher(Settings(kafka=Kafka(bootstrap_servers=bootstrap)), raise_bugs=False)
    with OpenAI(api_key="k", base_url="http://nobody/v1", http_client=http_client()) as plain:
        mirrored = mirror(plain, task="t", publisher=publisher)
        watch = Stopwatch(vars(mirrored)["_shadow"])
        vars(mirrored)["_shadow"] = watch
        for _ in range(WARM_UP):
            one_turn(plain, mirrored, stream=stream)
        if at_half is not None:
            at_half()
        watch.laps.clear()
        turns = []
        for turn in range(TURNS):
            watch.laps.append(0.0)
            turns.append(one_turn(plain, mirrored, stream=stream, first=turn % 2))
    publisher.close(0.5)
    inside = [quantile(watch.laps, q) * 1e6 for q in (0.5, 0.99)]
    direct, through = ([quantile(side, q) * 1e6 for q in (0.5, 0.99)] for side in zip(*turns, strict=True))
    return [
        (f"inside our code, broker {state}: p50", f"{inside[0]:.0f} µs", "≤ 20 µs"),
        (f"inside our code, broker {state}: p99", f"{inside[1]:.0f} µs", "≤ 100 µs"),
        (
            f"whole call, plain → mirrored, broker {state}: p50; p99",
            f"{direct[0]:.0f} → {through[0]:.0f} µs; {direct[1]:.0f} → {through[1]:.0f} µs",
            "",
        ),
    ]


class Stopwatch:
    """Stands in front of a recorder and adds up, per lap, the time its callers spend in it."""

    def __init__(self, recorder):
        self._recorder = recorder
        self.laps = [0.0]

    def __getattr__(self, name):
        method = getattr(self._recorder, name)

        def timed(*args):
            started = time.perf_counter()
            try:
                return method(*args)
            finally:
                self.laps[-1] += time.perf_counter() - started

        setattr(self, name, timed)
        return timed


def quantile(values, q):
    return sorted(values)[min(len(values) - 1, round(len(values) * q))]


def one_turn(plain, mirrored, *, stream, first=0):
    """Seconds for one call of each client; `first` says who goes first."""
    seconds = [0.0, 0.0]
    for side in (first, 1 - first):
        client = (plain, mirrored)[side]
        time.sleep(PAUSE_S)
        started = time.perf_counter()
        answer = client.chat.completions.create(**ASK, stream=stream)
        if stream:
            for _ in answer:
                pass
        seconds[side] = time.perf_counter() - started
    return seconds


def http_client():
    whole = json.dumps(answer()).encode()
    piece = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "big"}
    deltas = [{**piece, "choices": [{"index": 0, "delta": {"content": "word "}}]}] * 50
    events = [*deltas, {**piece, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}]
    frames = [f"data: {json.dumps(event)}\n\n".encode() for event in events] + [b"data: [DONE]\n\n"]

    def answered(request):
        if b'"stream":true' in request.content:
            return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=iter(frames))
        return httpx2.Response(200, headers={"content-type": "application/json"}, content=whole)

    return httpx2.Client(transport=httpx2.MockTransport(answered))


def answer():
    message = {"role": "assistant", "content": "billing"}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "big",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 900, "completion_tokens": 2, "total_tokens": 902},
    }


def exchange_of_4_kb(number, payload):
    """Never called for a broker that is not there; keeps its 4 KB alive as a request's bytes would be."""
    raise AssertionError(number, payload)


def memory_of_a_dead_broker(*, seconds):
    command = [sys.executable, "-W", "ignore", "-c", OFFER_TO_NOBODY, f"127.0.0.1:{free_port()}", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 60)
    offers, grown = done.stdout.split()
    return int(offers), int(grown)
