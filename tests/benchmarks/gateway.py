"""The gateway with mirroring on, beside the same fake upstream called directly.

Upstream, gateway, broker and load generator are a process each. The upstream answers at once,
which is the worst case for a proxy: whatever is added shows. A point is the median of rounds
that take turns between direct and through the gateway. Requests are 3 KB, answers 1 KB.
"""

import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

from shadow.devstack.services.broker import EmbeddedBroker
from shadow.devstack.services.processes import ServerProcess, answers, free_port
from shadow.topics import create_topics
from tests.support.services import service_folder

ROUNDS = 5
SECONDS = 1.0
WITHOUT_PAUSE_S = 20.0
CONCURRENCY = (1, 8, 64)


def measure():
    with ExitStack() as stack:
        folder = stack.enter_context(service_folder("bench-gateway"))
        broker = EmbeddedBroker(log=folder / "broker.log")
        broker.start()
        stack.callback(broker.stop)
        create_topics(broker.bootstrap, {"shadow.exchanges": 4})
        upstream, _ = start(stack, folder, "upstream", "uvicorn", "tests.benchmarks._echo:app", "--log-level", "error")
        config = folder / "shadow.toml"
        config.write_text(settings(upstream, broker.bootstrap), encoding="utf-8")
        gateway, pid = start(stack, folder, "gateway", "shadow", "gateway", "--config", str(config))
        load = stack.enter_context(LoadGenerator())
        rows = points(load, upstream, gateway, "broker alive")
        rows.append(("exchanges mirrored of those accepted, broker alive", mirrored(gateway), "all"))
        # The start of both processes included. Of all figures this one moves least when the
        # machine has something else to do.
        spent = [processor_s(process) / capture(gateway)["accepted"] * 1e6 for process in (pid, child_of(pid))]
        each = "gateway {:.0f} µs, mirror process {:.0f} µs".format(*spent)
        rows.append(("processor time per exchange, broker alive", each, ""))
        rows.append(without_pause(load, gateway))
        broker.kill()
        rows += points(load, upstream, gateway, "broker dead")
    return rows


def points(load, upstream, gateway, state):
    rows = []
    for concurrency in CONCURRENCY:
        rounds = []
        for _ in range(ROUNDS):
            rounds.append((load(upstream, concurrency), load(gateway, concurrency)))
            settle(gateway)
        direct, through = (
            {name: statistics.median(pair[side][name] for pair in rounds) for name in rounds[0][0]} for side in (0, 1)
        )
        where = f"concurrency {concurrency}, {state}"
        share = through["per_second"] / direct["per_second"]
        p50, p99 = (through[name] - direct[name] for name in ("p50_ms", "p99_ms"))
        rows.append(
            (
                f"throughput, {where}",
                f"{share:.0%} of direct ({through['per_second']:.0f} of {direct['per_second']:.0f} a second)",
                "≥ 40%",
            )
        )
        goal = "p50 ≤ 1 ms" if concurrency == 1 else ""
        rows.append((f"added latency, {where}", f"p50 {p50:.2f} ms, p99 {p99:.2f} ms", goal))
        if through["errors"]:
            rows.append((f"errors, {where}", f"{through['errors']:.0f}", "0"))
    return rows


def without_pause(load, gateway):
    """What becomes of the exchanges where client, upstream and gateway leave no processor idle for long."""
    before = capture(gateway)
    through = load(gateway, 8, WITHOUT_PAUSE_S)
    settle(gateway, longest_s=60.0)
    counts = {name: n - before.get(name, 0) for name, n in capture(gateway).items()}
    dropped = sum(n for name, n in counts.items() if name.startswith("dropped"))
    return (
        f"{WITHOUT_PAUSE_S:.0f} s without a pause, concurrency 8, broker alive",
        (
            f"{through['per_second']:.0f} a second; {counts['mirrored']:,} of {counts['accepted']:,} mirrored, "
            f"{dropped:,} dropped and counted"
        ),
        "",
    )


def settings(upstream, bootstrap):
    return f"""
[models.echo]
base_url = "{upstream}/v1"
[tasks.bench]
frontier = "echo"
[kafka]
bootstrap_servers = "{bootstrap}"
"""


def start(stack, folder, name, module, *arguments):
    """Run `python -m module` on a free port; its address and process id once it answers."""
    port = free_port()
    process = ServerProcess(f"the benchmark's {name}", folder / f"{name}.log")
    process.launch([sys.executable, "-m", module, *arguments, "--port", str(port)])
    stack.callback(process.stop)
    process.wait_until(lambda: answers(port), 30.0)
    return f"http://127.0.0.1:{port}", process.pid


def child_of(pid):
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def processor_s(pid):
    """Seconds of processor time that a process has used."""
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


class LoadGenerator:
    """`load(url, concurrency)` is the load generator's measurement, as a dict."""

    def __enter__(self):
        command = [sys.executable, "-m", "tests.benchmarks._load"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdin
        assert self._process.stdout
        self._orders, self._results = self._process.stdin, self._process.stdout
        return self

    def __exit__(self, *_):
        self._orders.close()
        self._process.wait(10)
        self._results.close()

    def __call__(self, url, concurrency, seconds=SECONDS):
        order = {"url": f"{url}/v1/chat/completions", "concurrency": concurrency, "seconds": seconds}
        self._orders.write(json.dumps(order) + "\n")
        self._orders.flush()
        return json.loads(self._results.readline())


def settle(gateway, *, longest_s=5.0):
    """Let the publisher catch up, so that the next measurement is not of the last one's rest."""
    end = time.monotonic() + longest_s
    while time.monotonic() < end:
        counts = capture(gateway)
        if counts.get("accepted", 0) == sum(
            n for name, n in counts.items() if name.startswith(("mirrored", "dropped"))
        ):
            return
        time.sleep(0.1)


def mirrored(gateway):
    counts = capture(gateway)
    dropped = sum(n for name, n in counts.items() if name.startswith("dropped"))
    return f"{counts.get('mirrored', 0)} of {counts.get('accepted', 0)} ({dropped} dropped)"


def capture(gateway):
    with urllib.request.urlopen(f"{gateway}/readyz") as response:
        return json.load(response)["capture"].get("bench", {})
