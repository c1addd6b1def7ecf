"""A file scored in several processes gives what one process gives, to the last bit."""

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from scoring.evidence.report import evidence, to_json
from scoring.replay import Replay, Scoring
from shadow import pairs_file
from shadow.cli.replay import workers
from shadow.cli.replay.workers import NamedChunk, score_chunks
from shadow.devstack.services.processes import poll_until
from shadow.errors import UsageError
from shadow.pairs_file import file_chunks
from shadow.settings import TaskSettings

HOW = Scoring(tasks={"sums": TaskSettings(frontier="big", kind="reasoning")}, keep_pairs=True)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sums of many users in two tasks, with ceilings, an id among the segments, and bad lines; in many chunks."""
    monkeypatch.setattr(file_chunks, "CHUNK", 10_000)
    dice = random.Random(1)
    lines = []
    for i in range(1_500):
        pair = {
            "id": str(i),
            "task": ("sums", "other")[i % 5 == 0],
            "at": (datetime(2026, 9, 1, tzinfo=UTC) + timedelta(minutes=i)).isoformat(),
            "segment": {"locale": ("en", "de")[i % 2], "request": str(i)},
            "unit": f"user-{dice.randrange(200)}",
            "request": {"messages": [{"role": "user", "content": f"What is {i} + 0?"}], "seed": 2**70 + i},
            "frontier": {"model": "big", "content": f"It is {i}.", "latency_ms": 800.0 + i, "cost_usd": 0.001 * i},
            "candidate": {"model": "small", "content": f"#### {i + dice.randrange(2)}", "latency_ms": 90.0},
            "inclusion_probability": dice.choice((0.05, 0.3, 1.0)),
            "reference": str(i),
        }
        if i % 7 == 0:
            pair["ceiling"] = {"model": "big", "content": f"It is {i + (i % 3 == 0)}."}
        lines.append(json.dumps(pair) if i % 40 else "{")
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def workers_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent waits until the workers have started, and leaves all chunks after the first to them."""
    have_started = workers._Workers.have_started

    def wait(self: workers._Workers) -> bool:
        poll_until(lambda: have_started(self), timeout=60)
        return True

    monkeypatch.setattr(workers._Workers, "have_started", wait)


def chunks_of(file: Path) -> Iterator[NamedChunk]:
    with file.open("rb") as stream:
        for chunk in pairs_file.chunks(stream):
            yield "pairs.jsonl", chunk


def replayed(file: Path, processes: int) -> tuple[Replay, list[object], bytes]:
    """The totals, the pairs in their order, and the evidence as JSON."""
    totals = Replay()
    pairs: list[object] = []
    for name, batch in score_chunks(chunks_of(file), HOW, processes=processes, head=2):
        totals.add(batch, name=name)
        pairs += batch.pairs
    totals.finish()
    found = to_json(evidence(totals.tallies, tasks=HOW.tasks, units=totals.units))
    return totals, pairs, b"\n".join(line for line in found.splitlines() if b"generated_at" not in line)


@pytest.mark.usefixtures("workers_only")
@pytest.mark.parametrize("processes", [2, 3])
def test_the_result_is_that_of_one_process(file: Path, processes: int) -> None:
    one, several = replayed(file, 1), replayed(file, processes)
    assert several == one
    totals, pairs, _ = one
    assert (totals.lines, totals.bad, len(pairs)) == (1_462, 38, 1_462 + 209)
    assert [line.number for _, line in several[0].bad_lines] == [1 + 40 * n for n in range(20)]
    # Not only equal, but in the same order: sums of floats over these would differ otherwise.
    assert list(several[0].tallies) == list(totals.tallies)
    assert list(several[0].units["sums", "small"]["agreement"].sums) == list(
        totals.units["sums", "small"]["agreement"].sums
    )


def test_a_small_file_starts_no_process(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_Workers", None)
    chunks = list(chunks_of(file))[:3]
    assert len(list(score_chunks(chunks, HOW, processes=8, head=3))) == 3


@pytest.mark.usefixtures("workers_only")
def test_memory_is_bounded_by_the_number_of_processes(file: Path) -> None:
    read = 0

    def counted() -> Iterator[NamedChunk]:
        nonlocal read
        for chunk in chunks_of(file):
            read += 1
            yield chunk

    for taken, _ in enumerate(score_chunks(counted(), HOW, processes=2, head=1), 1):
        assert read <= taken + 2


@pytest.mark.usefixtures("workers_only")
def test_a_worker_that_is_killed_is_reported_in_one_line(file: Path) -> None:
    batches = score_chunks(chunks_of(file), HOW, processes=2, head=1)
    next(batches)

    def take_all() -> None:
        for _ in batches:
            for worker in multiprocessing.active_children():
                worker.kill()

    with pytest.raises(UsageError, match="a process that scores pairs was killed"):
        take_all()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_process_is_left_behind(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C ends the command and its workers; so does the sudden death of the command."""
    fifo = tmp_path / "pairs.jsonl"
    os.mkfifo(fifo)
    argv = [sys.executable, "-m", "shadow", "replay", str(fifo), "--dry-run", "--scorer", "numeric"]
    line = json.dumps(
        {
            "id": "1",
            "task": "sums",
            "at": "2026-09-01T00:00:00Z",
            "request": {"messages": [{"role": "user", "content": "2 + 2 " * 200}]},
            "frontier": {"model": "big", "content": "4"},
        }
    ).encode()
    with (
        subprocess.Popen(argv, stderr=subprocess.PIPE, start_new_session=True) as command,
        fifo.open("wb", buffering=0) as writer,
    ):
        for _ in range(400):
            writer.write(line + b"\n")
        process = psutil.Process(command.pid)
        poll_until(lambda: len(process.children(recursive=True)) >= 2, timeout=60, alive=process.is_running)
        time.sleep(0.5)  # as they start, or after
        children = process.children(recursive=True)
        os.killpg(command.pid, number) if number == signal.SIGINT else command.send_signal(number)
        _, alive = psutil.wait_procs(children, timeout=20)
        assert alive == []
        assert command.wait(20) == (130 if number == signal.SIGINT else -number)
        stderr = command.stderr.read() if command.stderr else b""
        assert b"Traceback" not in stderr, stderr
