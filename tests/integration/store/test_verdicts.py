"""Which pairs are due for a judge, the cache of verdicts, and the spending."""

from datetime import UTC, datetime, timedelta
from typing import Any

from shadow.settings import RetentionSettings
from shadow.store.feedback import verdicts
from shadow.store.feedback.verdicts import CachedVerdict, Spending
from shadow.store.schema import engine
from shadow.store.write import prune
from tests.support.store_samples import START, exchange, scored, store

TASK = "ticket-intent"


def verdict(digest, **changes):
    given: dict[str, Any] = {
        "judge": "judge-70b",
        "preference": "tie",
        "first": "frontier",
        "second": "candidate",
        "at": START,
    }
    return CachedVerdict(digest=digest, **(given | changes))


def ask(database, question, *given, **named):
    with engine.transaction(database) as connection:
        return question(connection, *given, **named)


def test_due_pairs_come_newest_first(database):
    other = scored(3, exchange=exchange(3, task="invoice-fields"), judge_rate=0.5)
    store(database, [scored(1, judge_rate=0.5), scored(2), other, scored(4, judge_rate=0.5)])
    waiting = ask(database, verdicts.awaiting_verdict, task=TASK, limit=10)
    assert [(pair.trial.exchange.id, pair.judge_due) for pair in waiting] == [("x000004", True), ("x000001", True)]
    assert len(ask(database, verdicts.awaiting_verdict, task=TASK, limit=1)) == 1
    assert ask(database, verdicts.oldest_due, TASK) == START + timedelta(minutes=1)
    assert ask(database, verdicts.oldest_due, "unknown") is None


def test_the_first_verdict_about_a_digest_is_remembered(database):
    first = verdict("a", reason="shorter\0", cost_nanousd=1_200)
    assert ask(database, verdicts.remember, [first, verdict("a", preference="frontier"), verdict("b")]) == 2
    assert ask(database, verdicts.remember, [verdict("a", judge="other")]) == 0
    assert ask(database, verdicts.remember, []) == 0
    found = ask(database, verdicts.cached, ["a", "b", "c"])
    assert found == {"a": verdict("a", reason="shorter\ufffd", cost_nanousd=1_200), "b": verdict("b")}


def test_spending_adds_up_by_task_and_day(database):
    today = datetime(2026, 9, 2, tzinfo=UTC).date()
    ask(database, verdicts.spend, TASK, "judge-70b", today, calls=2, cost_nanousd=1_500_000_000)
    ask(database, verdicts.spend, TASK, "judge-70b", today, calls=2, cost_nanousd=500_000_000)
    ask(database, verdicts.spend, TASK, "other", today, calls=1, cost_nanousd=0)
    ask(database, verdicts.spend, "invoice-fields", "judge-70b", today, calls=9, cost_nanousd=9)
    found = ask(database, verdicts.spent, TASK, today)
    assert found == Spending(5, 2_000_000_000)
    assert found.usd == 2.0
    assert ask(database, verdicts.spent, TASK, today + timedelta(days=1)) == Spending(0, 0)


def test_pairs_without_payload_are_no_longer_due(database):
    store(database, [scored(1, judge_rate=0.5), scored(17 * 24 * 60, judge_rate=0.5)])
    ask(database, verdicts.remember, [verdict("old"), verdict("new", at=START + timedelta(days=17))])
    with database.connect() as connection:
        retention = RetentionSettings(payload_days=5)
        now = START + timedelta(days=20)
        dry = prune.prune(connection, retention, now, dry_run=True)
        pruned = prune.prune(connection, retention, now)
    assert (pruned.verdicts, pruned.never_judged) == (1, 1) == (dry.verdicts, dry.never_judged)
    assert len(ask(database, verdicts.awaiting_verdict, task=TASK, limit=10)) == 1
    assert list(ask(database, verdicts.cached, ["old", "new"])) == ["new"]
