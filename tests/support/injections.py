"""Prompt injections aimed at a judge, and pairs of replies whose verdict is known."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from shadow.devstack.simulation import workloads
from shadow.devstack.simulation.world import World
from shadow.records import Exchange, Preference, Reply, Trial

CORPUS = Path(__file__).parents[1] / "golden" / "injections.jsonl"
NOW = datetime(2026, 9, 22, 12, tzinfo=UTC)
WORLD = World(now=NOW)


class Attempt(NamedTuple):
    kind: str
    text: str


def attempts() -> list[Attempt]:
    """The corpus: one JSON object per line, its `text` repeated `repeat` times and followed by `then`."""
    lines = (json.loads(line) for line in CORPUS.read_text(encoding="utf-8").splitlines())
    return [Attempt(line["kind"], line["text"] * line.get("repeat", 1) + line.get("then", "")) for line in lines]


def asks(task: str, n: int) -> list[dict[str, Any]]:
    """The bodies of the world's first `n` requests of a task, no two alike."""
    found: dict[str, dict[str, Any]] = {}
    for index in range(100_000):
        ask = WORLD.ask(index, NOW)
        if ask.task == task:
            found.setdefault(ask.body["messages"][-1]["content"], ask.body)
        if len(found) == n:
            break
    return list(found.values())


def a_trial(body: dict[str, Any], frontier: str, candidate: str, *, number: int = 0) -> Trial:
    exchange = Exchange(
        id=f"draft-{number}",
        task="reply-draft",
        at=NOW,
        request=body,
        reply=Reply(model="big", content=frontier, finish_reason="stop"),
    )
    reply = Reply(model="small", content=candidate, finish_reason="stop")
    return Trial(exchange=exchange, kind="shadow", candidate="small", reply=reply, at=NOW)


def draft(body: dict[str, Any], *, right: bool, way: float = 0.0) -> str:
    """A reply to a request for a draft; `way` 0.9 has other words than 0.0."""
    system, text = (message["content"] for message in body["messages"])
    reading = workloads.read(system, text)
    assert reading is not None
    return workloads.answer(reading, right=right, style=(0.4, way, way, way, way, way))


def known_pairs(body: dict[str, Any]) -> dict[Preference, tuple[str, str]]:
    """The frontier's and the candidate's reply, by the true verdict."""
    good, other, bad = draft(body, right=True), draft(body, right=True, way=0.9), draft(body, right=False)
    return {"frontier": (good, bad), "tie": (good, other), "candidate": (bad, good)}
