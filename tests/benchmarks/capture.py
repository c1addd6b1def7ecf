"""What mirroring costs the application that is mirrored: time for the caller, and memory.

A mirrored client and a plain one call the same in-process transport, taking turns in one run; the
requests are 4 KB. Between two turns the process is idle for a moment, as a process that waits for a model
is. The added time is measured in two ways: as the time that the caller spends inside our code, and as the
difference between whole calls, which includes the work of the publishing thread and the noise of the machine.

Inside our code is everything between the caller and the SDK's own methods: timestamps are taken on both
sides of the two methods that `mirror` wraps, and around the end of a streamed answer. The plain client is
instrumented in the same way: its time is that of the stopwatch itself, and is subtracted.
"""

import json
import logging
import subprocess
import sys
import time
from contextlib import ExitStack
from time import perf_counter

import httpx2
from openai import OpenAI

from shadow import mirror
from shadow.capture.stream_recorder import StreamRecorder
from shadow.devstack.services.broker import EmbeddedBroker
from shadow.devstack.services.processes import free_port
from shadow.publisher import Publisher
from shadow.settings import KafkaSettings, Settings
from shadow.topics import create_topics
from tests.support.services import service_folder

TURNS = 600
WARM_UP = 100
PAUSE_S = 0.002
WORDS = "The customer asks why the invoice of the last month lists the same item twice and wants it corrected. "
ASK = {"model": "big", "messages": [{"role": "user", "content": (WORDS * 42)[:4_096]}]}
MIB = 2**20

#: Offers 4 KB exchanges to a broker that does not exist, for longer than the delivery timeout.
OFFER_TO_ABSENT_BROKER = """
import sys, time, psutil
from tests.support.publishing import Source
from shadow.publisher import Publisher
from shadow.settings import KafkaSettings, Settings
publisher = Publisher(Settings(kafka=KafkaSettings(bootstrap_servers=sys.argv[1])))
me = psutil.Process()
publisher.offer(Source(None, (0, bytes(4096)), "t", 4096))
time.sleep(1)
before = peak = me.memory_info().rss
number = 0
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    for _ in range(200):
        number += 1
        publisher.offer(Source(None, (number, number.to_bytes(4, "big") * 1024), "t", 4096))
    peak = max(peak, me.memory_info().rss)
    time.sleep(0.002)
print(number, peak - before)
"""


def measure():
    logging.getLogger("shadow.publisher").setLevel(logging.ERROR)  # frozen and absent brokers are meant here
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
    publisher = Publisher(Settings(kafka=KafkaSettings(bootstrap_servers=bootstrap)), raise_internal_errors=False)
    watch = Stopwatch()
    with watch, watch.below(OpenAI)(api_key="k", base_url="http://nobody/v1", http_client=http_client()) as plain:
        mirrored = watch.above(mirror(plain, task="t", publisher=publisher))
        clients = watch.above(plain), mirrored
        for _ in range(WARM_UP):
            one_turn(clients, watch, stream=stream)
        if at_half is not None:
            at_half()
        turns = [one_turn(clients, watch, stream=stream, first=turn % 2) for turn in range(TURNS)]
        pieces = [piece_micros(client) for client in clients] if stream else []
    publisher.close(0.5)
    (direct, nothing), (through, ours) = (zip(*side, strict=True) for side in zip(*turns, strict=True))
    inside = [(quantile(ours, q) - quantile(nothing, 0.5)) * 1e6 for q in (0.5, 0.99)]
    before, after = ([quantile(side, q) * 1e6 for q in (0.5, 0.99)] for side in (direct, through))
    rows = [
        (f"inside our code, broker {state}: p50", f"{inside[0]:.0f} µs", "≤ 20 µs"),
        (f"inside our code, broker {state}: p99", f"{inside[1]:.0f} µs", "≤ 100 µs"),
        (
            f"whole call, plain → mirrored, broker {state}: p50; p99",
            f"{before[0]:.0f} → {after[0]:.0f} µs; {before[1]:.0f} → {after[1]:.0f} µs",
            "",
        ),
    ]
    if pieces:
        rows.append((f"a piece passes, plain → mirrored, broker {state}", "{:.1f} → {:.1f} µs".format(*pieces), ""))
    return rows


class Stopwatch:
    """Records when a call passes from the caller into the SDK's methods, above and below our class."""

    def __init__(self):
        self._marks = []
        self._ending = 0.0

    def __enter__(self):
        """Times the end of streamed answers too, which comes after both methods."""

        def end(recorder):
            started = perf_counter()
            self._undisturbed(recorder)
            self._ending += perf_counter() - started

        self._undisturbed = StreamRecorder.end
        setattr(StreamRecorder, "end", end)  # noqa: B010 - type checkers refuse an assignment to a method
        return self

    def __exit__(self, *_):
        setattr(StreamRecorder, "end", self._undisturbed)  # noqa: B010 - as above

    def below(self, kind):
        """A class like `kind`, marked: the SDK's side."""

        class Marked(kind):  # type: ignore[misc, valid-type] # the base is known only at run time
            request = self._marked(kind.request)
            _process_response = self._marked(kind._process_response)

        return Marked

    def above(self, client):
        """The same client, marked: the caller's side."""
        client.request = self._marked(client.request)
        client._process_response = self._marked(client._process_response)
        return client

    def _marked(self, method):
        mark = self._marks.append

        def marked(*args, **kwargs):
            mark(perf_counter())
            try:
                return method(*args, **kwargs)
            finally:
                mark(perf_counter())

        return marked

    def lap(self):
        """Seconds inside our code since the last lap: between the marks of each pair."""
        marks, ending = self._marks[:], self._ending
        self._marks.clear()
        self._ending = 0.0
        return sum(later - earlier for earlier, later in zip(marks[::2], marks[1::2], strict=True)) + ending


def quantile(values, q):
    return sorted(values)[min(len(values) - 1, round(len(values) * q))]


def one_turn(clients, watch, *, stream, first=0):
    """For each client: seconds of one call, and of it inside our code. `first` says who goes first."""
    seconds = [(0.0, 0.0)] * 2
    for side in (first, 1 - first):
        time.sleep(PAUSE_S)
        watch.lap()
        started = perf_counter()
        answer = clients[side].chat.completions.create(**ASK, stream=stream)
        if stream:
            for _ in answer:
                pass
        seconds[side] = perf_counter() - started, watch.lap()
    return seconds


def piece_micros(client):
    """Microseconds in which a piece of a streamed answer passes, unparsed."""
    laps = []
    for _ in range(TURNS // 4):
        with client.chat.completions.with_streaming_response.create(**ASK, stream=True) as response:
            started = perf_counter()
            pieces = sum(1 for _ in response.iter_bytes())
            laps.append((perf_counter() - started) / pieces)
    return quantile(laps, 0.5) * 1e6


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


def memory_of_a_dead_broker(*, seconds):
    command = [sys.executable, "-W", "ignore", "-c", OFFER_TO_ABSENT_BROKER, f"127.0.0.1:{free_port()}", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 60)
    offers, grown = done.stdout.split()
    return int(offers), int(grown)
