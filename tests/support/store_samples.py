"""Made-up pairs for tests of the store, and the content of tables to compare."""

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Engine, text

from shadow.aggregates.regret_sources import net_by_source
from shadow.records import (
    Comparison,
    DeadLetter,
    Exchange,
    Reply,
    TokenProbabilities,
    ToolCall,
    Trial,
    TrialKind,
    Usage,
)
from shadow.store.schema import engine
from shadow.store.write import ingest
from shadow.store.write.ingest import Arrival

#: Within the days that get a partition, whenever the tests run.
START = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=20)

ROLLUPS = (
    "rollups", "rollup_counts", "rollup_histograms", "rollup_confidence", "crossings", "ledger", "catalogue",
    "capture_counts",
)  # fmt: skip

Scored = tuple[Trial, Comparison]


def exchange(number: int = 0, **changes: Any) -> Exchange:
    """An exchange; the same number gives the same exchange."""
    given: dict[str, Any] = {
        "id": f"x{number:06d}",
        "task": "ticket-intent",
        "at": START + timedelta(minutes=number),
        "request": {"model": "gpt-x", "messages": [{"role": "user", "content": f"Where is my order {number}?"}]},
        "reply": Reply(model="gpt-x", content="delivery", latency_ms=420.0, cost_usd=0.002, finish_reason="stop"),
        "segment": {"locale": "de"},
    }
    return Exchange(**(given | changes))


def scored(number: int = 0, *, kind: TrialKind = "shadow", candidate: str = "small-7b", **changes: Any) -> Scored:
    """A pair that agrees; `changes` of the comparison, or `reply`, `exchange`, `probability`.

    Its regret is that by its strongest source.
    """
    found = changes.pop("exchange", None) or exchange(number)
    trial = Trial(
        exchange=found,
        kind=kind,
        candidate=candidate,
        reply=changes.pop("reply", None) or Reply(model=candidate, content="delivery", latency_ms=90.0),
        at=found.at + timedelta(seconds=3),
        inclusion_probability=changes.pop("probability", 1.0),
    )
    fields: dict[str, Any] = {"scorer": "label", "agreement": 1.0} | changes
    for source, net in net_by_source(trial, Comparison(**fields)).items():
        fields |= {"regret": max(0.0, net), "net_regret": net, "regret_source": source}
        break
    return trial, Comparison(**fields)


def various(n: int, *, seed: int = 1) -> list[Scored]:
    """`n` pairs of all kinds: tasks, segments, rates, failures, sources of regret, hours, languages."""
    chance = random.Random(seed)
    return [_one_of_many(chance, number) for number in range(n)]


def asked_twice(n: int, *, seed: int = 2) -> list[list[Scored]]:
    """`n` exchanges with trials of two candidates and a ceiling, some of them unscored; by exchange."""
    chance = random.Random(seed)
    asked: tuple[tuple[TrialKind, str, float], ...] = (
        ("shadow", "small-7b", 1.0), ("shadow", "small-3b", 1.0), ("ceiling", "gpt-x", 0.2)
    )  # fmt: skip
    found = []
    for number in range(n):
        of = exchange(number, at=START + timedelta(minutes=7 * number), segment={"locale": chance.choice(("de", "en"))})
        pairs = []
        for kind, candidate, probability in asked:
            agreement = chance.choice((None, 0.0, 0.25, chance.random(), 1.0, 1.0))
            unscored = "candidate_malformed" if agreement is None else None
            pairs.append(
                scored(exchange=of, kind=kind, candidate=candidate, probability=probability, agreement=agreement,
                       unscored=unscored)
            )  # fmt: skip
        found.append(pairs)
    return found


def _one_of_many(chance: random.Random, number: int) -> Scored:
    found = exchange(
        number,
        task=chance.choice(("ticket-intent", "invoice-fields")),
        at=START + timedelta(minutes=11 * number, milliseconds=chance.randrange(1000)),
        segment={"locale": chance.choice(("de", "en", "fr")), "plan": chance.choice(("free", "pro"))},
        request={
            "messages": [{"role": "user", "content": chance.choice(("ä", "🙂 ", "q ")) * chance.randrange(1, 900)}]
        },
        reply=Reply(
            model="gpt-x",
            content="yes",
            tool_calls=(ToolCall(name="f", arguments='{"b": 1, "a": 2}'),) if number % 5 == 0 else (),
            usage=Usage(prompt_tokens=5, completion_tokens=None),
            latency_ms=chance.uniform(0.1, 9_000),
            cost_usd=chance.random() / 1_000,
            confidence=None if number % 3 else 0.75,
        ),
        unit=chance.choice((None, "ann", "bob")),
        label=chance.choice((None, None, None, "frontier", "tie", "candidate")),
        judge=chance.choice((None, None, "frontier", "tie", "candidate")),
    )
    reply = Reply(model="small-7b", content="no", latency_ms=chance.uniform(1, 500), cost_usd=chance.random() / 9_000)
    reply = _with_confidence(reply, number)
    if chance.random() < 0.1:
        failed = Reply(model="small-7b", failure=chance.choice(("timeout", "refusal", "expired")))
        return scored(exchange=found, reply=failed, agreement=None, unscored="candidate_failed")
    graded: dict[str, Any] = {}
    if chance.random() < 0.3:
        right = chance.choice(((1.0, 0.0), (1.0, 1.0), (0.0, 1.0)))
        graded = dict(zip(("frontier_correct", "candidate_correct"), right, strict=True))
    return scored(
        exchange=found,
        reply=reply,
        kind=chance.choice(("shadow", "shadow", "reverse", "ceiling")),
        probability=chance.choice((1.0, 0.3, 0.07)),
        agreement=chance.random(),
        detail={"differs": ["amount"], "by": 0.1},
        **graded,
    )


def _with_confidence(reply: Reply, number: int) -> Reply:
    """`reply` with a confidence that depends on the number alone, or with a reason for its absence, or with neither."""
    if number % 4 == 0:
        return msgspec.structs.replace(reply, confidence_reason="not_reported" if number % 8 else None)
    q0 = round(random.Random(number).random(), 3)
    return msgspec.structs.replace(
        reply,
        confidence=round(1 - (1 - q0) / 3, 3),
        token_probabilities=TokenProbabilities(n=number, q0=q0, q10=q0, q25=q0, q50=1.0),
    )


def arrival(of: Exchange) -> Arrival:
    return Arrival(of.id, of.task, of.at)


def letter(of: str, **changes: Any) -> DeadLetter:
    given: dict[str, Any] = {
        "id": of,
        "at": START,
        "stage": "worker",
        "reason": "not_json",
        "detail": "it is not",
        "topic": "shadow.exchanges",
        "partition": 0,
        "offset": 7,
        "payload": b"{\x00",
    }
    return DeadLetter(**(given | changes))


def store(database: Engine, pairs: Sequence[Scored], *, batch: int = 500) -> int:
    """Record `pairs` in batches, one transaction each; returns how many were new."""
    new = 0
    for first in range(0, len(pairs), batch):
        with engine.transaction(database) as connection:
            new += ingest.record_trials(connection, pairs[first : first + batch])
    return new


def dump(database: Engine, tables: Iterable[str] = ROLLUPS) -> dict[str, str]:
    """The rows of `tables` as sorted text, without ledger entries that are 0."""
    with database.connect() as connection:
        return {
            table: "\n".join(
                connection.execute(
                    text(f"SELECT t::text FROM {table} t {'WHERE n <> 0' if table == 'ledger' else ''} ORDER BY 1")
                ).scalars()
            )
            for table in tables
        }


def count(database: Engine, table: str) -> int:
    with database.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())
