"""The gateway with mirroring on, beside the same fake upstream called directly.

Upstream, gateway, broker and load generator are a process each. The upstream answers at once, which is
the worst case for a proxy: all that the gateway adds shows. Requests are 3 KB, answers 1 KB. The rounds
of a row take turns: direct, through the gateway, direct again.

A request costs the load generator about 65 µs of processor time and the upstream 40 µs: without a proxy
in between, the load generator is what limits throughput. It is busy for a fifth of the time at 3,000
requests a second, and for two thirds of it behind nginx.
"""

import json
import os
import statistics
import sys
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

from shadow.devstack.services.broker import EmbeddedBroker
from shadow.devstack.services.processes import ServerProcess, answers, free_port
from shadow.topics import create_topics
from tests.benchmarks import _nginx
from tests.benchmarks._load_generator import LoadGenerator
from tests.support.services import service_folder

ROUNDS = 5
SECONDS = 1.0
STREAM_SECONDS = 2.0
SUSTAINED_S = 20.0
CONCURRENCY = (1, 8, 64)
RATES = (1_000, 3_000)
STREAMS = 300


def measure():
    with ExitStack() as stack:
        folder = stack.enter_context(service_folder("bench-gateway"))
        broker = EmbeddedBroker(log=folder / "broker.log")
        broker.start()
        stack.callback(broker.stop)
        create_topics(broker.bootstrap, {"shadow.exchanges": 4})
        upstream = start_upstream(stack, folder)
        config = folder / "shadow.toml"
        config.write_text(settings(upstream, broker.bootstrap), encoding="utf-8")
        gateway, pid = start(stack, folder, "gateway", "shadow", "gateway", "--config", str(config))
        load = stack.enter_context(LoadGenerator())
        rows = closed_loops(load, upstream, gateway, "broker alive")
        rows.append(("exchanges mirrored of those accepted, broker alive", mirrored(capture(gateway)), "all"))
        # Includes the start of both processes. Of all figures this one varies least with what else the
        # machine does.
        spent = [processor_s(process) / capture(gateway)["accepted"] * 1e6 for process in (pid, child_of(pid))]
        each = "gateway {:.0f} µs, mirror process {:.0f} µs".format(*spent)
        rows.append(("processor time per exchange, broker alive", each, ""))
        rows += fixed_rates(load, upstream, gateway)
        rows += streams(load, upstream, gateway)
        rows.append(beside_nginx(stack, folder, load, upstream, gateway))
        rows.append(sustained(load, gateway))
        broker.kill()
        rows += closed_loops(load, upstream, gateway, "broker dead")
    return rows


def closed_loops(load, upstream, gateway, state):
    rows = []
    for concurrency in CONCURRENCY:
        order = {"mode": "closed_loop", "concurrency": concurrency, "seconds": SECONDS}
        direct, through = rounds(load, upstream, gateway, gateway, **order)
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
            rows.append((f"errors, {where}", str(through["errors"]), "0"))
    return rows


def fixed_rates(load, upstream, gateway):
    """Open loops: requests come when they are due, whether or not earlier ones are answered."""
    rows = []
    for rate in RATES:
        direct, through = rounds(load, upstream, gateway, gateway, mode="fixed_rate", rate=rate, seconds=SECONDS)
        what = f"added latency at {rate:,} a second, from the moment a request is due, broker alive"
        rows.append((what, added(direct, through), "p50 ≤ 1 ms"))
        if through["errors"]:
            rows.append((f"errors at {rate:,} a second", str(through["errors"]), "0"))
    return rows


def streams(load, upstream, gateway):
    before = capture(gateway)
    order = {"mode": "streams", "concurrency": STREAMS, "seconds": STREAM_SECONDS}
    direct, through = rounds(load, upstream, gateway, gateway, **order)
    counts = difference(before, capture(gateway))
    return [
        (
            f"added latency of the first event, {STREAMS} concurrent streams, broker alive",
            added(direct, through),
            "p50 ≤ 1 ms, p99 ≤ 8 ms",
        ),
        (
            f"{STREAMS} concurrent streams: answers that arrived complete; exchanges mirrored",
            f"{through['sent'] - through['errors']:,} of {through['sent']:,}; {mirrored(counts)}",
            "all",
        ),
    ]


def beside_nginx(stack, folder, load, upstream, gateway):
    """The gateway beside nginx's `mirror` module, which copies each request to a second upstream."""
    what = "throughput beside nginx's `mirror` module, concurrency 8, broker alive"
    nginx = _nginx.start(stack, folder, upstream)
    if nginx is None:
        return what, "skipped: nginx is not installed", "≥ 0.5 ×"
    order = {"mode": "closed_loop", "concurrency": 8, "seconds": SECONDS}
    mirror_module, ours = rounds(load, nginx, gateway, gateway, **order)
    ratio = ours["per_second"] / mirror_module["per_second"]
    figure = f"{ratio:.2f} × ({ours['per_second']:.0f} of {mirror_module['per_second']:.0f} a second)"
    return what, figure, "≥ 0.5 ×"


def sustained(load, gateway):
    """What happens to the exchanges where client, upstream and gateway leave no processor idle for long."""
    before = capture(gateway)
    through = load(gateway, mode="closed_loop", concurrency=8, seconds=SUSTAINED_S)
    settle(gateway, timeout_s=60.0)
    counts = difference(before, capture(gateway))
    return (
        f"{SUSTAINED_S:.0f} s without a pause, concurrency 8, broker alive",
        f"{through['per_second']:.0f} a second; {mirrored(counts)}",
        "",
    )


def rounds(load, one, other, gateway, **order):
    """The medians of `ROUNDS` measurements of `one` and of `other`, taken in turns."""
    pairs = []
    for _ in range(ROUNDS):
        pairs.append((load(one, **order), load(other, **order)))
        settle(gateway)
    return [combined([pair[side] for pair in pairs]) for side in (0, 1)]


def combined(results):
    """The median of each figure, and the sums of what was counted."""
    return {
        name: (sum if name in {"errors", "sent"} else statistics.median)(result[name] for result in results)
        for name in results[0]
    }


def added(direct, through):
    return ", ".join(
        f"{name} {through[key] - direct[key]:.2f} ms ({direct[key]:.2f} → {through[key]:.2f})"
        for name, key in (("p50", "p50_ms"), ("p99", "p99_ms"))
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


def start_upstream(stack, folder):
    """An upstream that keeps idle connections longer than a round takes; its address."""
    options = ("--log-level", "error", "--timeout-keep-alive", "75")
    url, _ = start(stack, folder, "upstream", "uvicorn", "tests.benchmarks._upstream:app", *options)
    return url


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


def settle(gateway, *, timeout_s=5.0):
    """Wait until the publisher has caught up, so that no measurement pays for the one before."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        counts = capture(gateway)
        if counts.get("accepted", 0) == counts.get("mirrored", 0) + dropped(counts):
            return
        time.sleep(0.1)


def mirrored(counts):
    done, accepted = (counts.get(outcome, 0) for outcome in ("mirrored", "accepted"))
    return f"{done:,} of {accepted:,} mirrored, {dropped(counts):,} dropped and counted"


def dropped(counts):
    return sum(number for outcome, number in counts.items() if outcome.startswith("dropped"))


def difference(before, after):
    return {outcome: number - before.get(outcome, 0) for outcome, number in after.items()}


def capture(gateway):
    """How many exchanges of the benchmark's task met which outcome so far."""
    with urllib.request.urlopen(f"{gateway}/readyz") as response:
        return json.load(response)["capture"].get("bench", {})
