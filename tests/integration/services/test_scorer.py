"""The scorer against a real broker and a real PostgreSQL."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from consumers import scorer, worker
from scoring.evidence.report import evidence
from shadow import wire
from shadow.devstack.model_servers.models import echo_app
from shadow.records import CaptureCounts, DeadLetter, Reply, Trial
from shadow.store.read import ledger, rollup_reads
from shadow.store.schema import migrate
from shadow.store.schema.engine import connect
from shadow.topics import create_topics
from tests.support.consuming import an_exchange, committed, produce, put_exchanges, read, running, settings_for, until
from tests.support.services import TEMPLATE, fresh_database, unique_topics

START = datetime(2026, 9, 1, tzinfo=UTC)


@pytest.fixture
def engine(postgres_url):
    engine = connect(postgres_url)
    yield engine
    engine.dispose()


def scoring(broker, topics, postgres_url, **changes):
    return settings_for(broker, topics, postgres={"url": postgres_url}, **changes)


def exchanges(count):
    return [an_exchange(number, at=START + timedelta(minutes=number)) for number in range(count)]


def a_trial(exchange, content=None, **reply):
    answered = Reply(
        **{"model": "small", "content": content or exchange.reply.content, "finish_reason": "stop", **reply}
    )
    return Trial(exchange=exchange, kind="shadow", candidate="small", reply=answered, at=exchange.at)


def messages(records):
    return [wire.encode(record, source="test") for record in records]


async def drained(health, topics, **counts):
    """Return once so many messages of each topic are committed."""
    handled = {getattr(topics, name): count for name, count in counts.items()}
    await until(lambda: all(health.messages.labels(topic)._value.get() >= n for topic, n in handled.items()))


def read_ledger(engine):
    with engine.connect() as connection:
        return ledger.read(connection)


def aggregates(engine):
    """Everything the pages read, in one comparable value."""
    with engine.connect() as connection:
        found = rollup_reads.read(connection)
        return {cell: repr(tally) for cell, tally in found.items()}, ledger.read(connection)


async def test_pairs_are_compared_and_stored_and_then_committed(broker, topics, engine, postgres_url):
    mirrored = exchanges(60)
    trials = [a_trial(exchange, "something else" if number % 3 else None) for number, exchange in enumerate(mirrored)]
    counts = CaptureCounts(source="here", at=START, counts={"intent": {"accepted": 61, "mirrored": 60}})
    await produce(broker, topics.exchanges, messages([*mirrored, counts]))
    await produce(broker, topics.trials, messages(trials))
    settings = scoring(broker, topics, postgres_url)
    async with running(settings, scorer.build(settings)) as health:
        await drained(health, topics, exchanges=61, trials=60)
    found = read_ledger(engine)
    assert (found.accepted, found.mirrored, found.compared, found.in_flight) == (61, 60, 60, 0)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT sum(agreement) FROM comparisons")).scalar() == 20
    group = f"{settings.kafka.group_prefix}-scorer"
    assert await committed(broker, group, topics.exchanges) == 61
    assert await committed(broker, group, topics.trials) == 60


async def test_what_a_candidate_cannot_serve_is_counted_by_reason_in_the_ledger(broker, topics, engine, postgres_url):
    mirrored = exchanges(9)
    reasons = ["prompt_cut", "image_input", "image_input"]
    trials = [a_trial(exchange) for exchange in mirrored[:6]] + [
        msgspec.structs.replace(
            a_trial(exchange), reply=Reply(model="small", failure="ineligible", ineligible=reason, status=400)
        )
        for exchange, reason in zip(mirrored[6:], reasons, strict=True)
    ]
    await produce(broker, topics.exchanges, messages(mirrored))
    await produce(broker, topics.trials, messages(trials))
    settings = scoring(broker, topics, postgres_url)
    async with running(settings, scorer.build(settings)) as health:
        await drained(health, topics, exchanges=9, trials=9)
    found = read_ledger(engine)
    assert (found.mirrored, found.compared, found.in_flight) == (9, 6, 0)
    assert found.unscored == {"ineligible:image_input": 2, "ineligible:prompt_cut": 1}
    with engine.connect() as connection:
        (about,) = evidence(rollup_reads.read(connection))
    assert (about.n, about.agreement and about.agreement.n) == (9, 6)
    assert about.ineligible == {"image_input": 2, "prompt_cut": 1}
    assert about.failures == {"refusal": 0, "malformed": 0, "timeout": 0}
    assert about.asked == {"frontier": 9, "candidate": 6}


async def test_everything_three_times_and_shuffled_gives_the_same_aggregates(broker, postgres_server, postgres_url):
    mirrored = exchanges(40)
    trials = [a_trial(exchange, f"answer {number % 4}") for number, exchange in enumerate(mirrored)]
    lost: dict[str, Any] = {"at": START, "stage": "worker", "reason": "x", "detail": "", "topic": "t", "partition": 0}
    letters = [DeadLetter(id=exchange.id, offset=n, **lost) for n, exchange in enumerate(mirrored[:5])]
    found = []
    for times in (1, 3):
        names = unique_topics()
        with fresh_database(postgres_server, template=TEMPLATE) as url:
            for topic, records in ((names.exchanges, mirrored), (names.trials, trials), (names.deadletters, letters)):
                many = messages(records) * times
                random.Random(times).shuffle(many)
                create_topics(broker, {topic: 4})
                await produce(broker, topic, many)
            settings = scoring(broker, names, url)
            async with running(settings, scorer.build(settings)) as health:
                await drained(health, names, exchanges=40 * times, trials=40 * times, deadletters=5 * times)
            engine = connect(url)
            found.append(aggregates(engine))
            engine.dispose()
    once, thrice = found
    assert once == thrice
    assert once[1].compared == 40


async def test_a_bad_row_becomes_a_dead_letter_and_the_rest_of_its_batch_is_stored(
    broker, topics, engine, postgres_url
):
    mirrored = exchanges(30)
    trials = [a_trial(exchange) for exchange in mirrored]
    trials[7] = a_trial(mirrored[7], "a \0 in the middle")
    value = wire.encode(trials[9], source="test").value
    await produce(broker, topics.exchanges, messages(mirrored))
    await produce(broker, topics.trials, messages(trials))
    await produce(broker, topics.trials, [(b"x", b"{"), (b"x", None), (b"x", value.replace(b'"v":1', b'"v":7'))])
    in_nanoseconds = 1_790_000_000_000_000_000
    await produce(broker, topics.trials, [(b"x", b"{")], timestamp_ms=in_nanoseconds)
    await produce(broker, topics.exchanges, [(b"x", b"{")], timestamp_ms=in_nanoseconds)
    settings = scoring(broker, topics, postgres_url)
    async with running(settings, scorer.build(settings)) as health:
        # The letters come back to the scorer by their own topic, and it records them.
        await drained(health, topics, exchanges=31, trials=34, deadletters=5)
    letters = await read(broker, topics.deadletters, DeadLetter)
    assert Counter(letter.reason for letter in letters) == {"unstorable": 1, "not_json": 3, "wrong_version": 1}
    (unstorable,) = [letter for letter in letters if letter.reason == "unstorable"]
    assert (unstorable.id, unstorable.task) == ("exchange-7", "intent")
    found = read_ledger(engine)
    assert found.mirrored == 31
    assert found.compared == 29
    assert found.dead_lettered == {"unstorable": 1}
    assert found.in_flight == 1  # the unreadable one, whose dead letter the worker writes


async def test_names_as_long_as_they_come_never_stop_the_scorer(broker, topics, engine, postgres_url):
    def long(what):
        # 256 characters of four bytes each, which nothing makes shorter.
        chance = random.Random(what)
        return what + "".join(chr(chance.randrange(0x20000, 0x2A000)) for _ in range(256 - len(what)))

    asked = an_exchange(1, id=long("exchange"), task=long("task"), at=START)
    trial = Trial(exchange=asked, kind="shadow", candidate=long("candidate"), reply=asked.reply, at=START)
    counts = CaptureCounts(source=long("source"), at=START, counts={long("task"): {long("outcome"): 1, "accepted": 1}})
    await produce(broker, topics.exchanges, messages([counts, *exchanges(3)]))
    await produce(broker, topics.trials, messages([trial]))
    settings = scoring(broker, topics, postgres_url)
    async with running(settings, scorer.build(settings)) as health:
        await drained(health, topics, exchanges=4, trials=1)
    found = read_ledger(engine)
    assert (found.accepted, found.mirrored) == (1, 4)


async def test_however_many_tasks_are_made_up_comparisons_are_few_series_and_add_up(broker, topics, postgres_url):
    made_up = [a_trial(an_exchange(number, task=f"made-up-{number}", at=START)) for number in range(30)]
    await produce(broker, topics.trials, messages([*made_up, *map(a_trial, exchanges(5))]))
    settings = scoring(broker, topics, postgres_url)
    async with running(settings, scorer.build(settings)) as health:
        await drained(health, topics, trials=35)
    (comparisons,) = [one for one in health.registry.collect() if one.name == "shadow_scorer_comparisons"]
    counted = {one.labels["task"]: one.value for one in comparisons.samples if one.name.endswith("_total")}
    assert counted == {"intent": 5, "none": 30}


async def test_worker_and_scorer_together_account_for_everything(broker, topics, engine, postgres_url, serve):
    url = serve(echo_app()) + "/v1"
    settings = scoring(broker, topics, postgres_url, candidate_url=url)
    now = datetime.now(UTC)
    await put_exchanges(broker, topics, [an_exchange(number) for number in range(50)])
    await put_exchanges(broker, topics, [an_exchange(number, at=now - timedelta(days=3)) for number in (50, 51)])
    await put_exchanges(broker, topics, [an_exchange(52, task="unknown")])
    await put_exchanges(broker, topics, [an_exchange(53, reply=Reply(model="big", failure="timeout"))])
    await produce(broker, topics.exchanges, [(b"k", b"{not json"), (b"k", b"{not json")])
    async with running(settings, worker.build(settings)), running(settings, scorer.build(settings)) as health:
        await drained(health, topics, exchanges=56, trials=53, deadletters=3)
    found = read_ledger(engine)
    assert (found.mirrored, found.compared, found.expired, found.in_flight) == (56, 50, 2, 0)
    assert found.dead_lettered == {"not_json": 2, "unknown_task": 1}
    assert found.unscored == {"frontier_timeout": 1}


async def test_without_tables_it_waits_and_reports_the_problem_and_is_ready_once_they_exist(
    broker, topics, postgres_server
):
    with fresh_database(postgres_server) as url:
        settings = scoring(broker, topics, url)
        async with running(settings, scorer.build(settings)) as health:
            await until(lambda: any("shadow migrate" in problem for problem in health.problems))
            assert await committed(broker, f"{settings.kafka.group_prefix}-scorer", topics.trials) == 0
            migrate.upgrade(url)
            await until(lambda: not health.problems)
