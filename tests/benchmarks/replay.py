"""Replay of recorded pairs from a file, nothing stored: the whole command against the least work that it must do."""

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
from statistics import median

import msgspec

from scoring.replay import Replay, Scoring, score
from shadow import pairs_file

LINES = 100_000
WORDS = 120
ROUNDS = 3
HOW = Scoring(tasks={}, scorer="numeric")


def measure():
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pairs.jsonl"
        write(file)
        whole, least = zip(*((seconds(*COMMAND, file), seconds("-c", LEAST, file)) for _ in range(ROUNDS)), strict=True)
        one = timed(lambda: scored(file))
        few, many = (peak_kib(file, lines) for lines in (LINES // 20, LINES // 5))
    ratio = median(a / b for a, b in zip(whole, least, strict=True))
    what = f"{LINES:,} pairs of {WORDS} words, `shadow replay --dry-run --scorer numeric`"
    return [
        (what, f"{median(whole):.1f} s", "≤ 30 s"),
        ("against only parsing the JSON and finding the numbers, in one process", f"{ratio:.1f} ×", "≤ 3 ×"),
        ("pairs per second in one process, without starting Python", f"{LINES / one:,.0f}", ""),
        ("peak memory of 4 × the lines against 1 ×", f"{many:.0f} KiB : {few:.0f} KiB", "constant"),
    ]


COMMAND = ("-m", "shadow", "replay", "--dry-run", "--scorer", "numeric")

#: The least that the command must do: parse each line, and find the number in either reply.
LEAST = """
import sys, msgspec
from scoring.scorers import numeric
from shadow.records import Reply
with open(sys.argv[1], "rb") as lines:
    for line in lines:
        pair = msgspec.json.decode(line)
        for role in ("frontier", "candidate"):
            numeric.read(Reply(model=role, content=pair[role]["content"]), pair["request"], {})
"""

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


def seconds(*arguments):
    """How long a Python with these arguments runs."""
    return timed(lambda: subprocess.run([sys.executable, *map(str, arguments)], check=True, capture_output=True))


def timed(work):
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def scored(file):
    replay = Replay()
    with file.open("rb") as stream:
        for chunk in pairs_file.chunks(stream):
            replay.add(score(pairs_file.read_chunk(chunk), HOW))
    replay.finish()


def peak_kib(file, lines):
    """Memory taken on top of what was there before; an hour's lines only, as more hours are more tallies."""
    replay = Replay()
    tracemalloc.start()
    with file.open("rb") as stream:
        at = datetime(2026, 9, 1, tzinfo=UTC)
        same_hour = (
            msgspec.structs.replace(line, exchange=msgspec.structs.replace(line.exchange, at=at))
            for line in islice(pairs_file.read(stream), lines)
            if isinstance(line, pairs_file.RecordedPair)
        )
        while batch := list(islice(same_hour, 200)):
            replay.add(score(batch, HOW))
    replay.finish()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**10
