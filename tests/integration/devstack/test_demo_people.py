"""The demo's simulated people: they label what the Review page would give them, and are called what they are."""

import asyncio
from collections import Counter
from datetime import UTC, datetime

import pytest

from shadow.aggregates.regret_sources import NET
from shadow.aggregates.tally import ALL, total
from shadow.cli.demo.evidence import LABELS, label
from shadow.devstack.simulation.reviewers import ERROR_RATE, REVIEWERS, preference
from shadow.devstack.simulation.world import World
from shadow.store.feedback import labels as stored_labels
from shadow.store.feedback import review
from shadow.store.feedback import verdicts as stored_verdicts
from shadow.store.read import rollup_reads
from shadow.store.schema import engine
from shadow.store.write import ingest
from tests.support.demo_weeks import demo_settings, pairs, verdicts

WORLD = World(now=datetime(2026, 9, 22, 12, tzinfo=UTC))
TASK = "ticket-intent"
COUNT = 2_500


@pytest.fixture
def past(tmp_path):
    settings = demo_settings(tmp_path, WORLD)
    return settings, [each for each in pairs(WORLD, settings, COUNT) if each[0].exchange.task == TASK]


def test_people_label_what_was_chosen_and_are_called_simulated(postgres_url, past):
    settings, stored = past
    due = [(trial, comparison.judge_rate) for trial, comparison in stored if comparison.judge_rate]
    judged = [
        stored_verdicts.PairVerdict(
            task=TASK, at=trial.exchange.at, exchange_id=trial.exchange.id, kind=trial.kind,
            candidate=trial.candidate, judge="simulated-judge", preference=verdict.preference,
        )
        for (trial, _), verdict in zip(due, asyncio.run(verdicts(WORLD, settings, due)), strict=True)
    ]  # fmt: skip
    database = engine.connect(postgres_url)
    with engine.transaction(database) as connection:
        ingest.record(connection, trials=stored)
    with engine.transaction(database) as connection:
        stored_verdicts.record_verdicts(connection, judged)
    with engine.transaction(database) as connection:
        recorded = label(connection, TASK, settings, WORLD)
        given = list(stored_labels.iterate_labels(connection, task=TASK))
        (both,) = stored_labels.reviewer_agreement(connection, task=TASK)
        cells = rollup_reads.read(connection, task=TASK, kinds=("shadow", "reverse"), dimension=ALL[0], per="window")
    database.dispose()

    assert 0 < recorded == len(given) <= LABELS * 1.1
    assert {each.reviewer for each in given} == set(REVIEWERS)
    assert all(name.startswith("simulated ") for name in REVIEWERS)
    assert {each.stratum for each in given} == set(review.STRATA)
    assert all(0 < each.probability <= 1 for each in given)
    # Every tenth pair is looked at by both, which is what their agreement is known from.
    assert sum(map(sum, both.table)) == recorded - len({each.exchange_id for each in given})
    people = total(tally for cell, tally in cells.items() if cell.source == "human")
    assert people.regret.n == len({each.exchange_id for each in given})


def test_simulated_people_err_at_their_stated_rate(past):
    _, stored = past
    seen = [each for each in stored if each[1].regret_source == "reference"]
    slips: Counter[str] = Counter()
    for trial, comparison in seen:
        for reviewer in REVIEWERS:
            slips[reviewer] += NET[preference(reviewer, trial, seed=WORLD.seed)] != comparison.net_regret
    assert len(seen) > 200
    assert all(slips[reviewer] / len(seen) == pytest.approx(ERROR_RATE, abs=0.025) for reviewer in REVIEWERS)
