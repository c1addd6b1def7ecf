"""Seeded data for the pages: three tasks, three weeks, and known weaknesses.

The candidate is worse at `ticket-intent` in German and at night. Some of its tickets have a right
answer, some a judge's verdict, and a few a person's label. Its rollout began six days before the
end: the candidate serves first 5%, then 25% of the traffic, and the frontier answers some of that
too. In its last days there is more German traffic and inputs are longer: a shift. `invoice-fields`
has failures and right answers; `reply-draft` has neither right answers nor preferences, so its
regret is unknown.
"""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from shadow.records import (
    CaptureCounts,
    Comparison,
    DeadLetter,
    Exchange,
    Failure,
    Preference,
    Reply,
    ToolCall,
    Trial,
    Usage,
)
from shadow.settings import ModelSettings, Settings, TaskSettings
from shadow.store.monitoring.incidents import Incident

FRONTIER, CANDIDATE = "sim-frontier", "sim-small-7b"
DAYS = 21

#: How long before the end each stage of the rollout began, and the share the candidate serves in it.
STAGES = (
    (timedelta(days=2, hours=12), "25%", 0.25),
    (timedelta(days=6), "5%", 0.05),
    (timedelta(days=DAYS), "0%", 0.0),
)

#: Share of the candidate's traffic that the frontier answers too.
REGRET_RATE = 0.5
CEILING_RATE = 0.1
INTENTS = ("refund", "delivery", "cancel_order", "change_address", "complaint", "invoice")

#: Text that would load, run or restyle something if it were parsed as markup.
HOSTILE = (
    '<img src="http://attacker.example/a.png" onerror="alert(1)">'
    "![pixel](http://attacker.example/b.png) [click](javascript:alert(2))"
    "<script>fetch('http://attacker.example/c')</script>"
    "<style>@import 'http://attacker.example/d.css'; body{display:none}</style>"
    "</pre></mark><iframe src='http://attacker.example/e'></iframe> $\\includegraphics{http://attacker.example/f}$ "
    ":material/bug_report: :red[red] <svg onload=fetch('//attacker.example/g')> \u202egnp.exe"
)


def settings(url: str | None) -> Settings:
    """Settings of a user of simulated models."""
    models = {name: ModelSettings(base_url="http://127.0.0.1:9/v1", simulated=True) for name in (FRONTIER, CANDIDATE)}
    tasks = {
        "ticket-intent": TaskSettings(
            frontier=FRONTIER, candidates=(CANDIDATE,), kind="classification", segments=("locale", "plan", "stage")
        ),
        "invoice-fields": TaskSettings(
            frontier=FRONTIER, candidates=(CANDIDATE,), kind="extraction", segments=("supplier",)
        ),
        "reply-draft": TaskSettings(
            frontier=FRONTIER, candidates=(CANDIDATE,), kind="generation", segments=("channel",)
        ),
    }
    return Settings.model_validate({"models": models, "tasks": tasks, "postgres": {"url": url}})


def toml(url: str | None) -> str:
    """The same settings, as the shadow.toml that a dashboard process reads."""
    lines = [
        f'[models.{name}]\nbase_url = "http://127.0.0.1:9/v1"\nsimulated = true\n' for name in (FRONTIER, CANDIDATE)
    ]
    for name, task in settings(url).tasks.items():
        lines.append(
            f'[tasks.{name}]\nfrontier = "{task.frontier}"\ncandidates = ["{CANDIDATE}"]\nkind = "{task.kind}"\n'
            f"segments = {json.dumps(list(task.segments))}\n"
        )
    if url:
        lines.append(f'[postgres]\nurl = "{url}"\n')
    return "\n".join(lines)


def pairs(count: int, *, end: datetime, seed: int = 7) -> Iterator[tuple[Trial, Comparison]]:
    """`count` scored pairs over the three weeks before `end`, oldest first, hostile ones among the newest."""
    random_ = random.Random(seed)
    start = end - timedelta(days=DAYS)
    moments = sorted(start + timedelta(days=DAYS) * _daily(random_) for _ in range(count))
    for number, at in enumerate(moments):
        task = random_.choices(("ticket-intent", "invoice-fields", "reply-draft"), (5, 3, 2))[0]
        make = {"ticket-intent": _ticket, "invoice-fields": _invoice, "reply-draft": _draft}[task]
        yield make(random_, f"exchange-{number:06d}", at, end=end)
    yield _hostile(f"exchange-{count:06d}", end - timedelta(minutes=3))


def ceiling(scored: list[tuple[Trial, Comparison]], *, seed: int = 8) -> Iterator[tuple[Trial, Comparison]]:
    """The frontier's second answers to some of the exchanges of `ticket-intent`."""
    random_ = random.Random(seed)
    for trial, _ in scored:
        if trial.exchange.task == "ticket-intent" and trial.kind == "shadow" and random_.random() < CEILING_RATE:
            yield (
                msgspec.structs.replace(
                    trial,
                    kind="ceiling",
                    candidate=FRONTIER,
                    reply=trial.exchange.reply,
                    inclusion_probability=CEILING_RATE,
                ),
                Comparison(scorer="label", agreement=float(random_.random() < 0.965)),
            )


def counts(mirrored: dict[str, int], at: datetime) -> CaptureCounts:
    """Capture's counts for these mirrored exchanges: a few more were accepted and dropped."""
    return CaptureCounts(
        source="test/1",
        at=at,
        counts={
            task: {
                "accepted": n + 4,
                "mirrored": n,
                "sampled_out": n // 5,
                "dropped:queue_full": 3,
                "dropped:closed": 1,
            }
            for task, n in mirrored.items()
        },
    )


def incidents(end: datetime) -> list[Incident]:
    """Incidents as the monitor opens them: one closed, one open, and one that names a hostile segment."""
    known: dict[str, Any] = {"task": "ticket-intent", "candidate": CANDIDATE, "kind": "shadow"}
    return [
        Incident(
            id="1", detector="coverage", subject="unscored", severity="warning", opened_at=end - timedelta(days=12),
            noticed_at=end - timedelta(days=12), closed_at=end - timedelta(days=11), closed_because="back to normal",
            summary="24% of the pairs of an hour could not be scored, limit 20%", **known,
        ),
        Incident(
            id="2", detector="regret_drift", subject="reference", severity="critical",
            opened_at=end - timedelta(days=3), noticed_at=end - timedelta(days=3),
            summary="regret rose from 8.1% to 14.0%", **known,
        ),
        Incident(
            id="3", detector="bad_segment", subject=f"locale={HOSTILE[:80]}", severity="warning",
            opened_at=end - timedelta(days=1), noticed_at=end - timedelta(days=1),
            summary=f"segment locale={HOSTILE[:80]} turned bad: regret 27%", **known,
        ),
    ]  # fmt: skip


def dead_letters(at: datetime) -> list[DeadLetter]:
    return [
        DeadLetter(
            id=f"letter-{n}",
            at=at,
            stage="worker",
            reason="no_candidate",
            detail="no candidate",
            topic="shadow.exchanges",
            partition=0,
            offset=n,
            task="ticket-intent",
        )
        for n in range(3)
    ]


def _daily(random_: random.Random) -> float:
    """A random moment as a share of the three weeks, more often by day than by night."""
    while True:
        share = random_.random()
        hour = (share * DAYS * 24) % 24
        if random_.random() < (1.0 if 7 <= hour < 20 else 0.35):
            return share


def _reply(random_: random.Random, model: str, content: str | None, **more: Any) -> Reply:
    slow = model == FRONTIER
    latency = random_.lognormvariate(6.8 if slow else 5.2, 0.35)
    if not slow and content is not None:
        more["confidence"] = round(1 - random.Random(latency).betavariate(0.6, 3), 4)  # draws from no other figure
    return Reply(
        model=model, content=content, latency_ms=latency, finish_reason="stop",
        usage=Usage(prompt_tokens=120, completion_tokens=30), cost_usd=0.0021 if slow else 0.00013, **more,
    )  # fmt: skip


def _exchange(
    id_: str, task: str, at: datetime, text: str, reply: Reply, segment: dict[str, str], **more: Any
) -> Exchange:
    messages = [{"role": "system", "content": f"You handle {task}."}, {"role": "user", "content": text}]
    return Exchange(
        id=id_,
        task=task,
        at=at,
        request={"model": FRONTIER, "messages": messages},
        reply=reply,
        segment=segment,
        **more,
    )


def _trial(exchange: Exchange, reply: Reply) -> Trial:
    return Trial(
        exchange=exchange, kind="shadow", candidate=CANDIDATE, reply=reply, at=exchange.at + timedelta(seconds=2)
    )


def _failed(random_: random.Random, rate: float) -> Failure | None:
    kinds: tuple[Failure, ...] = ("timeout", "refusal", "malformed", "truncated")
    return random_.choices(kinds, (5, 2, 2, 1))[0] if random_.random() < rate else None


def _ticket(random_: random.Random, id_: str, at: datetime, *, end: datetime) -> tuple[Trial, Comparison]:
    recent = (end - at) < timedelta(days=4)
    _, stage, share = next(each for each in STAGES if end - at < each[0])
    locale = random_.choices(("en", "de", "fr", "pt"), (4, 4, 2, 0.1) if recent else (6, 2, 2, 0.1))[0]
    plan = random_.choices(("free", "pro", "enterprise"), (5, 3, 1))[0]
    truth = random_.choice(INTENTS)
    weak = 0.03 + 0.16 * (locale == "de") + 0.08 * (at.hour < 6) + 0.10 * (locale == "de" and plan == "enterprise")
    right = truth if random_.random() > 0.02 else _another(random_, truth)
    answer = truth if random_.random() > weak else _another(random_, truth)
    text = f"Customer writes ({locale}): please help with {truth}. " * random_.randint(3, 14 if recent else 7)
    failure = _failed(random_, 0.015)
    frontier = _reply(random_, FRONTIER, right)
    candidate = _reply(random_, CANDIDATE, None if failure else answer, failure=failure)
    reverse = random_.random() < share * REGRET_RATE
    exchange = _exchange(
        id_,
        "ticket-intent",
        at,
        text,
        candidate if reverse else frontier,
        {"locale": locale, "plan": plan, "stage": stage},
        served_by="candidate" if reverse else "frontier",
        label=_preference(random_, truth, right, answer, sure=0.98) if random_.random() < 0.25 else None,
        judge=_preference(random_, truth, right, answer, sure=0.88) if random_.random() < 0.4 else None,
        reference=truth if random_.random() < 0.5 else None,
    )
    trial = _trial(exchange, frontier if reverse else candidate)
    if reverse:
        trial = msgspec.structs.replace(trial, kind="reverse", inclusion_probability=REGRET_RATE)
    if failure:
        return trial, Comparison(scorer="label", unscored="candidate_failed")
    comparison = Comparison(
        scorer="label", agreement=float(answer == right), detail={"frontier": right, "candidate": answer}
    )
    if exchange.reference is None:
        return trial, comparison
    correct = float(right == truth), float(answer == truth)
    return trial, msgspec.structs.replace(comparison, frontier_correct=correct[0], candidate_correct=correct[1])


def _another(random_: random.Random, truth: str) -> str:
    return random_.choice([intent for intent in INTENTS if intent != truth])


def _preference(random_: random.Random, truth: str, frontier: str, candidate: str, *, sure: float) -> Preference:
    """Which model is right, according to a reviewer who is wrong with probability 1 - `sure`."""
    if random_.random() > sure:
        return random_.choice(("frontier", "tie", "candidate"))
    if (frontier == truth) == (candidate == truth):
        return "tie"
    return "frontier" if frontier == truth else "candidate"


def _invoice(random_: random.Random, id_: str, at: datetime, *, end: datetime) -> tuple[Trial, Comparison]:
    supplier = random_.choice(("acme", "globex", "initech"))
    right: dict[str, Any] = {
        "number": f"R-{random_.randint(1000, 9999)}",
        "total": round(random_.uniform(10, 900), 2),
        "currency": "EUR",
    }
    answer = dict(right)
    if random_.random() < (0.25 if supplier == "globex" else 0.08):
        answer["total"] = round(right["total"] * 10, 2)
    failure = _failed(random_, 0.05)
    reply = _reply(random_, FRONTIER, json.dumps(right))
    text = f"Read this invoice of {supplier}: number {right['number']}, total {right['total']} EUR."
    exchange = _exchange(id_, "invoice-fields", at, text, reply, {"supplier": supplier}, reference=json.dumps(right))
    trial = _trial(exchange, _reply(random_, CANDIDATE, None if failure else json.dumps(answer), failure=failure))
    if failure:
        return trial, Comparison(scorer="json", unscored="candidate_failed")
    agreement = sum(right[field] == answer[field] for field in right) / len(right)
    correct = float(agreement == 1)
    return trial, Comparison(
        scorer="json",
        agreement=agreement,
        frontier_correct=1.0,
        candidate_correct=correct,
        regret=1 - correct,
        net_regret=1 - correct,
        regret_source="reference",
        detail={"fields": {field: right[field] == answer[field] for field in right}},
    )


def _draft(random_: random.Random, id_: str, at: datetime, *, end: datetime) -> tuple[Trial, Comparison]:
    channel = random_.choice(("mail", "chat"))
    served = "Thank you for your message. We have sent the parcel again and it will arrive on Thursday."
    answer = served.replace("Thursday", random_.choice(("Thursday", "Thursday", "Friday", "the end of the week")))
    if random_.random() < 0.3:
        answer = answer.replace("Thank you for your message. ", "Thanks for reaching out! ")
    exchange = _exchange(
        id_, "reply-draft", at, "Where is my parcel?", _reply(random_, FRONTIER, served), {"channel": channel}
    )
    words, others = set(served.split()), set(answer.split())
    agreement = len(words & others) / len(words | others)
    return _trial(exchange, _reply(random_, CANDIDATE, answer)), Comparison(scorer="text", agreement=agreement)


def _hostile(id_: str, at: datetime) -> tuple[Trial, Comparison]:
    """Hostile text in every field that a model or a caller can write."""
    random_ = random.Random(1)
    segment = {"locale": '<img src="http://attacker.example/h.png">', "plan": "![x](http://attacker.example/i.png)"}
    call = ToolCall(name=HOSTILE[:80], arguments=json.dumps({"html": HOSTILE}))
    exchange = _exchange(id_, "ticket-intent", at, HOSTILE, _reply(random_, FRONTIER, f"{HOSTILE} refund"), segment)
    reply = _reply(random_, CANDIDATE, f"refund {HOSTILE}", tool_calls=(call,))
    return _trial(exchange, reply), Comparison(scorer="label", agreement=0.0, detail={"why": HOSTILE})


def last_hour() -> datetime:
    """The end of the seeded data: a little before now, so that "last 24 h" has data."""
    return datetime.now(UTC) - timedelta(minutes=2)
