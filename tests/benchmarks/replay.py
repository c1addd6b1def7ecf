"""Replay of recorded pairs from a file, nothing stored: the whole command, and where its time goes."""

import json
import random
import subprocess
import sys
import tempfile
import time
import tracemalloc
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import msgspec

from scoring.replay import Replay
from shadow import pairs_file

LINES = 100_000
WORDS = 120


def measure():
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pairs.jsonl"
        write(file)
        whole = command(file)
        decode = timed(lambda: decoded(file))
        judge = timed(lambda: judged(file, LINES))
        few, many = (peak_kib(file, lines) for lines in (LINES // 20, LINES // 5))
    return [
        (f"{LINES:,} pairs of {WORDS} words, `shadow replay --dry-run --scorer numeric`", f"{whole:.1f} s", "≤ 30 s"),
        ("pairs per second, without starting Python", f"{LINES / judge:,.0f}", ""),
        ("time against only decoding the JSON of the same lines", f"{judge / decode:.1f} ×", ""),
        ("peak memory of 4 × the lines against 1 ×", f"{many:.0f} KiB : {few:.0f} KiB", "constant"),
    ]


_VOCABULARY = ("so", "the", "boxes", "cost", "and", "therefore", "each", "of", "them", "has", "12", "$3.50", "apples")


def write(file):
    """Sums with their working, as a reasoning task has them, over a month and in four segments."""
    dice = random.Random(1)
    with file.open("w", encoding="utf-8") as out:
        for i in range(LINES):
            working = " ".join(dice.choices(_VOCABULARY, k=WORDS))
            line = {
                "id": str(i),
                "task": "sums",
                "at": (datetime(2026, 9, 1, tzinfo=UTC) + timedelta(seconds=26 * i)).isoformat(),
                "segment": {"locale": ("de", "en", "fr", "pl")[i % 4]},
                "request": {"messages": [{"role": "user", "content": working}]},
                "frontier": {"model": "big", "content": f"{working}\nThe answer is {i}.", "latency_ms": 800},
                "candidate": {"model": "small", "content": f"{working}\n#### {i + (i % 7 == 0)}", "latency_ms": 90},
                "reference": str(i),
            }
            out.write(json.dumps(line) + "\n")


def command(file):
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "shadow", "replay", str(file), "--dry-run", "--scorer", "numeric"],
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - started


def timed(work):
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def decoded(file):
    with file.open("rb") as lines:
        for line in lines:
            msgspec.json.decode(line)


def judged(file, lines):
    with file.open("rb") as stream:
        read = islice(pairs_file.read(stream), lines)
        return sum(1 for _ in Replay().judged(read, {}, scorer="numeric"))


def peak_kib(file, lines):
    """Memory taken on top of what was there before; an hour's lines only, as more hours are more tallies."""
    tracemalloc.start()
    with file.open("rb") as stream:
        at = datetime(2026, 9, 1, tzinfo=UTC)
        same_hour = (
            msgspec.structs.replace(line, exchange=msgspec.structs.replace(line.exchange, at=at))
            for line in islice(pairs_file.read(stream), lines)
            if isinstance(line, pairs_file.RecordedPair)
        )
        for _ in Replay().judged(same_hour, {}, scorer="numeric"):
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**10
